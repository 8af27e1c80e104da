package pipeline

import (
	"context"
	"testing"
)

// A publisher's job of an app whose rate has no room now is put aside, where it holds up nobody; from there it is sent, and waits in slots of
// its own.
func TestJobsOverTheRateArePutAside(t *testing.T) {
	for name, row := range map[string]struct {
		rated, full bool
		parked      bool
	}{
		"room": {rated: true}, "no room": {rated: true, full: true, parked: true}, "no rate": {full: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.app.rated, w.app.full = row.rated, row.full
			core := w.core()
			if got := core.Handle(t.Context(), job(7, 3, `,"id":"x"`)); got != Ack {
				t.Fatalf("disposition %d", got)
			}
			if parked := len(w.puts) == 1 && len(w.app.sent) == 0; parked != row.parked {
				t.Errorf("put aside: %t; steps %v", parked, w.steps)
			}
			if row.parked {
				core.Handle(t.Context(), w.take(t, w.tails()[0]))
			}
			if e := w.event(t, "push.results.apns.default.x.0.0"); e.Sent != 3 || e.Round != 0 {
				t.Errorf("%+v", e)
			}
		})
	}
}

// Work of an app with a rate does not take the places of other apps' segments.
func TestWaitingForARateTakesNobodysPlace(t *testing.T) {
	w := newWorld()
	w.others = map[string]*scriptedApp{"slow": {attempts: 1, rated: true, full: true, deadline: w.app.deadline}}
	core := w.core()
	waits, goOn := make(chan struct{}), make(chan struct{})
	w.others["slow"].onSend = func() { waits <- struct{}{}; <-goOn }
	ended := make(chan Disposition)
	const slow = 5 // more than there are places
	for i := range slow {
		d := job(uint64(10+i), 3, `,"app":"slow","id":"s`+string(rune('a'+i))+`"`)
		core.Handle(t.Context(), d)
	}
	for _, tail := range w.tails() {
		d := w.take(t, tail)
		go func() { ended <- core.Handle(context.WithoutCancel(t.Context()), d) }()
	}
	for range slow {
		<-waits
	}
	if got := core.Handle(t.Context(), job(7, 3, `,"id":"x"`)); got != Ack || len(w.app.sent) != 3 {
		t.Errorf("disposition %d, sent %v", got, w.app.sent)
	}
	for range slow {
		goOn <- struct{}{}
		<-ended
	}
}
