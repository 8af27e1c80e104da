package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// A job that would be put aside when its app's backlog is full becomes a dead letter that says why and what to do, and nothing of it is stored
// on PUSH_WORK; below the limit it is put aside as ever.
func TestBacklogFull(t *testing.T) {
	pause := NewOrders([]Order{{Kind: OrderPause, Scope: Scope{App: jobs.DefaultApp}}})
	const limit = 100 << 10
	for _, c := range []struct {
		name   string
		set    func(w *world, d *Delivery)
		n      int
		fields string
		parked Parked
		why    string // "" if the job is put aside
	}{
		{name: "paused, room", set: func(w *world, _ *Delivery) { w.orders = pause }, n: 1, parked: Parked{Messages: 99, Size: 1 << 10}},
		{name: "paused, full", set: func(w *world, _ *Delivery) { w.orders = pause }, n: 1, parked: Parked{Messages: 100, Size: 1 << 10}, why: "the job is paused"},
		{name: "larger than a segment", set: func(w *world, _ *Delivery) { w.orders = pause }, n: 1500, parked: Parked{Messages: 100, Size: 1 << 10}, why: "the job is paused"},
		{name: "for later, full", fields: `,"deliver_at":"2026-11-23T11:00:00Z"`, n: 1, parked: Parked{Messages: 100, Size: 1 << 10}, why: "the job is for later"},
		{name: "over the rate, full", set: func(w *world, _ *Delivery) { w.app.rated, w.app.full = true, true }, n: 1, parked: Parked{Messages: 1, Size: 1 << 20}, why: "the app is over its rate"},
		{name: "no limit", set: func(w *world, _ *Delivery) { w.orders, w.app.backlog = pause, 0 }, n: 1, parked: Parked{Messages: 100, Size: 1 << 20}},
		{name: "nobody knows how much there is", set: func(w *world, _ *Delivery) { w.orders, w.fail["parked"] = pause, 1 }, n: 1, parked: Parked{Messages: 100, Size: 1 << 20}},
		{name: "it can be sent", n: 1, parked: Parked{Messages: 100, Size: 1 << 20}},
		{name: "at most once", set: func(w *world, _ *Delivery) { w.orders = pause }, n: 1, fields: `,"on_uncertain":"report"`, parked: Parked{Messages: 100, Size: 1 << 10}, why: "the job is paused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.app.backlog, w.parked = limit, c.parked
			d := job(7, c.n, `,"id":"x"`+c.fields)
			if c.set != nil {
				c.set(w, &d)
			}
			if got := w.core().Handle(t.Context(), d); got != Ack {
				t.Fatalf("disposition %d", got)
			}
			if c.why == "" {
				if len(w.dead) > 0 || len(w.puts)+len(w.app.sent) != 1 {
					t.Fatalf("%d letters, %d put aside, %v sent", len(w.dead), len(w.puts), w.app.sent)
				}
				return
			}
			if len(w.dead) != 1 || len(w.puts) > 0 {
				t.Fatalf("%d letters, put aside %v", len(w.dead), w.tails())
			}
			e := w.event(t, "push.results.apns.default.x.0.0")
			if e.Dead.Reason != results.DeadBacklogFull || len(e.Skipped) != 1 || len(e.Skipped[0].Indexes) != c.n || !e.Done {
				t.Errorf("%+v, dead %+v", e, e.Dead)
			}
			text := jobs.Faults(e.Dead.Faults).Error()
			for _, want := range []string{c.why, `app "default"`, "its backlog of 100 KiB", "worker dead requeue --reason app_backlog_full --app default"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said: %s", want, text)
				}
			}
		})
	}
}

// An app that this worker does not have has a limit, too: anybody may publish for it.
func TestBacklogOfAStranger(t *testing.T) {
	w := newWorld()
	w.parked = Parked{Messages: 2, Size: 1 << 10}
	core := w.core()
	core.UnknownAppGrace, core.StrangerBacklog = time.Minute, 2<<10
	if core.Handle(t.Context(), job(7, 1, `,"id":"x","app":"shop"`)) != Ack || len(w.dead) != 1 || len(w.puts) > 0 {
		t.Fatalf("%d letters, %v", len(w.dead), w.tails())
	}
	if e := w.dead[0].Event; e.Dead.Reason != results.DeadBacklogFull || !strings.Contains(jobs.Faults(e.Dead.Faults).Error(), "no worker here has the app") {
		t.Errorf("%+v", e.Dead)
	}
}

// A job that was put aside is not told as dead because it is published once more, and what goes on from PUSH_WORK is never refused.
func TestFullBacklogLeavesAloneWhatIsThere(t *testing.T) {
	w := newWorld()
	w.app.backlog = 1 << 10
	w.orders = NewOrders([]Order{{Kind: OrderPause, Scope: Scope{App: jobs.DefaultApp}}})
	core := w.core()
	if about := core.Backlog(jobs.APNS, jobs.DefaultApp); about != 0 {
		t.Errorf("before anything is put aside: %d bytes", about)
	}
	core.Handle(t.Context(), job(7, 1, `,"id":"x"`))
	if about := core.Backlog(jobs.APNS, jobs.DefaultApp); about < aside || about > 2*aside {
		t.Errorf("a job was put aside: %d bytes", about)
	}
	w.now = w.now.Add(backlogNews + 1)
	if about := core.Backlog(jobs.APNS, jobs.DefaultApp); about != 0 {
		t.Errorf("long after the last look: %d bytes", about)
	}
	w.parked = Parked{Messages: 1, Size: 1 << 10}
	again := job(8, 1, `,"id":"x"`)
	if core.Handle(t.Context(), again) != Ack || len(w.dead) > 0 || len(w.puts) != 1 {
		t.Errorf("the same again: %d letters, %v", len(w.dead), w.tails())
	}
	if core.Handle(t.Context(), job(9, 2, `,"id":"x"`)) != Ack || len(w.dead) != 1 || w.dead[0].Event.Dead.Reason != results.DeadIDReused {
		t.Errorf("another one by its id: %+v", w.dead)
	}
	fired := w.take(t, w.tails()[0])
	w.now = tenOClock // it fired by mistake, and is put aside again
	core.Handle(t.Context(), fired)
	if len(w.dead) != 1 || len(w.puts) != 1 {
		t.Errorf("moved on: %d letters, %v", len(w.dead), w.tails())
	}
}

// The bytes follow what the looks find and what this worker has put aside since; the broker is asked once in two seconds, however many jobs come.
func TestBacklogIsEstimated(t *testing.T) {
	b := &backlog{}
	now := tenOClock
	if !b.due(now) || b.due(now.Add(backlogLook-1)) || !b.due(now.Add(backlogLook)) {
		t.Error("it is not asked once in a while")
	}
	holds := func(what string, want int64) {
		t.Helper()
		if about, _ := b.take(0, 0); about != want {
			t.Errorf("%s: %d bytes, want %d", what, about, want)
		}
	}
	b.learn(Parked{Messages: 10, Size: 50})
	holds("the first look takes the average of all", 500)
	for range 4 {
		b.take(100, 1000)
	}
	holds("what is put aside is added", 900)
	b.learn(Parked{Messages: 18, Size: 50}) // another worker put aside as many
	holds("the others' are like mine", 500+8*100)
	b.learn(Parked{Messages: 9, Size: 50})
	holds("half is gone", 650)
	b.learn(Parked{})
	holds("nothing is left", 0)
	if about, ok := b.take(10, 10); about != 0 || !ok {
		t.Error("below the limit there is no room")
	}
	if about, ok := b.take(10, 10); about != 10 || ok {
		t.Error("at the limit there is room")
	}
	if about, ok := b.take(10, 11); about != 10 || !ok {
		t.Error("below the limit there is no room")
	}
}

// Anybody may invent names of apps.
func TestBacklogsAreForgotten(t *testing.T) {
	var all backlogs
	for i := range maxBacklogs + 1 {
		all.of(jobs.APNS, fmt.Sprint("app-", i))
	}
	if len(all.all) != 1 {
		t.Errorf("%d are remembered", len(all.all))
	}
}
