package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// TestSlowAppsShareIsBounded: jobs of an app whose provider is slow are put aside when it has its share of the deliveries, so that those behind them are
// pulled; jobs of others are sent, and its own are again when there is room.
func TestSlowAppsShareIsBounded(t *testing.T) {
	for name, row := range map[string]struct {
		before int // what has passed quickly just now
		alone  bool
		rated  bool
		parked bool
	}{
		"slow, as far as is known": {parked: true},
		"quick":                    {before: 10},
		"with its own bound":       {rated: true},
		"nobody else for long":     {alone: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.others = map[string]*scriptedApp{"slow": {attempts: 1, rated: row.rated, deadline: w.app.deadline}}
			core := w.core()
			core.MaxDeliveries = 8
			waits, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan Disposition, 6)
			defer close(goOn)
			w.others["slow"].onSend = func() { waits <- struct{}{}; <-goOn }
			begin := func(i int) {
				go func() {
					ended <- core.Handle(context.WithoutCancel(t.Context()), job(uint64(10+i), 1, fmt.Sprintf(`,"app":"slow","id":"s%d"`, i)))
				}()
			}
			core.shares.apps = map[sideKey]*share{
				{jobs.APNS, "slow"}: {before: row.before, came: tenOClock}, {jobs.GCM, "slow"}: {came: tenOClock.Add(time.Second - othersStay)},
			}
			if row.alone {
				w.now = w.now.Add(time.Second)
			}
			for i := range 4 {
				begin(i)
				<-waits
			}
			begin(4)
			if row.parked {
				select {
				case got := <-ended:
					if got != Ack || len(w.puts) != 1 {
						t.Errorf("disposition %d, %d put aside", got, len(w.puts))
					}
				case <-waits:
					t.Fatal("it is sent beyond its share")
				}
			} else {
				<-waits
			}
			if got := core.Handle(t.Context(), job(7, 1, `,"id":"x"`)); got != Ack || len(w.app.sent) != 1 {
				t.Errorf("of another app: disposition %d, sent %v", got, w.app.sent)
			}
			for range 4 {
				goOn <- struct{}{}
				<-ended
			}
			if !row.parked {
				goOn <- struct{}{}
				<-ended
			}
			begin(5)
			<-waits
			goOn <- struct{}{}
			if got := <-ended; got != Ack || (len(w.puts) == 1) != row.parked {
				t.Errorf("when it has nothing: disposition %d, %d put aside", got, len(w.puts))
			}
		})
	}
}

// TestShareOfTheIntake: an app may hold more than its share as long as what it holds passes quickly.
func TestShareOfTheIntake(t *testing.T) {
	const most = 100
	key := sideKey{jobs.APNS, "a"}
	now := tenOClock
	s := shares{apps: map[sideKey]*share{{jobs.GCM, "b"}: {came: tenOClock.Add(1000 * time.Hour)}}}
	enter := func(want bool, why string) {
		t.Helper()
		if got := s.enter(key, 10, most, now); got != want {
			t.Fatalf("%s: entered %v", why, got)
		}
	}
	for i := range 12 {
		enter(i < 10, "nothing is known of how quickly they pass")
	}
	for range 50 { // 40 pass in 10 ms: 1,000 in slowPass
		now = now.Add(10 * time.Millisecond)
		for range 4 {
			s.leave(key, 10, now)
			enter(true, "as many come as pass")
		}
	}
	for range 20 {
		enter(true, "they pass quickly")
	}
	for range 60 { // 10 in 100 ms: 25 in slowPass
		now = now.Add(100 * time.Millisecond)
		s.leave(key, 10, now)
		s.enter(key, 10, most, now)
	}
	if held := s.apps[key].held; held != most {
		t.Errorf("it holds %d; its share is %d and it has more to send", held, most)
	}
	if !s.enter(sideKey{jobs.GCM, "a"}, 10, most, now) {
		t.Error("another's share is taken for its own")
	}
	now = now.Add(time.Second)
	for s.apps[key].held > 0 {
		s.leave(key, 10, now)
	}
	for range 100 { // a pause, and then as quick as before
		now = now.Add(time.Hour)
		enter(true, "it holds nothing")
		s.leave(key, 10, now)
	}
	if before := s.apps[key].before; before != 2 {
		t.Errorf("%d are taken to pass in the time; 10 passed in the last second in which any were held", before)
	}
}

// TestShareIsOfTheProvidersTime: a job whose event is being stored counts no more for its app.
func TestShareIsOfTheProvidersTime(t *testing.T) {
	for name, handle := range map[string]func(*Core, Delivery) Disposition{
		"alone": func(c *Core, d Delivery) Disposition { return c.Handle(t.Context(), d) },
		"together": func(c *Core, d Delivery) (got Disposition) {
			c.HandleTogether(t.Context(), []Delivery{d}, func(int) { t.Error("not together") }, func(_ int, d Disposition) { got = d })
			return got
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.others = map[string]*scriptedApp{"other": {attempts: 1, deadline: w.app.deadline}}
			core := w.core()
			core.MaxDeliveries = 8
			held := func() int { return core.shares.apps[sideKey{jobs.APNS, jobs.DefaultApp}].held }
			w.app.onSend = func() {
				if n := held(); n != 1 {
					t.Errorf("%d are held while the provider is asked", n)
				}
			}
			asked := 0
			w.refuse = func(*results.Event) bool {
				if asked++; held() != 0 {
					t.Errorf("%d are held while the event is stored", held())
				}
				return false
			}
			if got := handle(core, job(7, 1, `,"id":"x"`)); got != Ack || held() != 0 || asked == 0 {
				t.Errorf("disposition %d, %d held, %d commits", got, held(), asked)
			}
		})
	}
}

// TestSlowAppWithAFullBacklogIsToldWhy: a job that finds neither a share nor room becomes a dead letter that names the reason.
func TestSlowAppWithAFullBacklogIsToldWhy(t *testing.T) {
	w := newWorld()
	w.app.backlog, w.parked = 100<<10, Parked{Messages: 100, Size: 1 << 10}
	core := w.core()
	core.MaxDeliveries = 2
	core.shares.apps = map[sideKey]*share{{jobs.APNS, jobs.DefaultApp}: {held: 1, begun: w.now}, {jobs.APNS, "other"}: {came: w.now}}
	if got := core.Handle(t.Context(), job(7, 1, `,"id":"x"`)); got != Ack || len(w.dead) != 1 {
		t.Fatalf("disposition %d, %d letters", got, len(w.dead))
	}
	if text := jobs.Faults(w.dead[0].Event.Dead.Faults).Error(); !strings.Contains(text, "provider answers slowly") {
		t.Error(text)
	}
}
