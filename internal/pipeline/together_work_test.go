package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// parkedJobs are n jobs of one recipient as they come from PUSH_WORK after they were put aside.
func parkedJobs(t *testing.T, w *world, n int, fields string) []Delivery {
	t.Helper()
	core := w.core()
	before := w.orders
	w.order(OrderPause)
	var all []Delivery
	for i := range n {
		core.Handle(t.Context(), job(uint64(i+1), 1, fields))
		d := w.take(t, w.tails()[0])
		w.now, d.Stored, d.Sequence = tenOClock, tenOClock, uint64(100+i)
		all = append(all, d)
	}
	w.orders, w.steps, w.heldBack = before, nil, map[string]bool{}
	return all
}

// What was put aside is sent together, too, after a look for a newer copy, a plan and an event of each.
func TestParkedJobsGoTogether(t *testing.T) {
	w := newWorld()
	parked := parkedJobs(t, w, 3, "")
	w.app.onSend = func() { w.steps = append(w.steps, "send") }
	c := togetherOf(t.Context(), w.core(), parked...)
	if diff := cmp.Diff(map[int]Disposition{0: Ack, 1: Ack, 2: Ack}, c.done); diff != "" || len(c.alone) > 0 || len(w.events) != 3 {
		t.Fatal(diff, c.alone, len(w.events))
	}
	want := []string{"newer", "newer", "newer", "find-plan", "find-plan", "find-plan", "find", "find", "find", "send", "send", "send", "commit", "commit", "commit"}
	var steps []string
	for _, step := range w.steps {
		name, _, _ := strings.Cut(step, " ")
		steps = append(steps, name)
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
	for subject := range w.events {
		if e := w.event(t, subject); e.Sent != 1 || !e.Done || e.Round != 0 {
			t.Errorf("%+v", e)
		}
	}
	// They come once more: their events are found, and each is followed alone.
	w.app.sent = nil
	c = togetherOf(t.Context(), w.core(), parked...)
	if diff := cmp.Diff([]int{0, 1, 2}, c.alone); diff != "" || len(w.app.sent) > 0 {
		t.Errorf("%s, sent %v", diff, w.app.sent)
	}
}

// What is not simple any more, or not certainly the only copy, goes alone.
func TestOnlySimpleParkedJobsGoTogether(t *testing.T) {
	for name, change := range map[string]func(w *world, d *Delivery){
		"a newer copy":      func(w *world, _ *Delivery) { w.newer = true },
		"failed look":       func(w *world, _ *Delivery) { w.fail["newer"] = 1 },
		"failed plan":       func(w *world, _ *Delivery) { w.fail["find-plan"] = 1 },
		"failed event":      func(w *world, _ *Delivery) { w.fail["find"] = 1 },
		"suspicious":        func(_ *world, d *Delivery) { d.Suspicious = true },
		"begun by somebody": func(_ *world, d *Delivery) { d.Begun = true },
		"begun before it was put aside": func(_ *world, d *Delivery) {
			d.Header[jobs.HeaderBegun] = []string{"true"}
		},
		"a planned job": func(w *world, d *Delivery) {
			tail, _ := jobs.ParseTail(d.Subject)
			w.plans["apns.default."+tail.Job] = Plan{Bounds: []int{0, 1}, Fingerprint: "x"}
		},
		"paused again":   func(w *world, _ *Delivery) { w.order(OrderPause) },
		"cancelled":      func(w *world, _ *Delivery) { w.order(OrderCancel) },
		"not readable":   func(_ *world, d *Delivery) { delete(d.Header, jobs.HeaderFingerprint) },
		"of more people": func(_ *world, d *Delivery) { d.Header[jobs.HeaderTotal] = []string{"2"} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			d := parkedJobs(t, w, 1, "")[0]
			change(w, &d)
			if c := togetherOf(t.Context(), w.core(), d); len(c.alone) != 1 || len(c.done) > 0 || len(w.app.sent) > 0 {
				t.Errorf("alone %v, done %v, sent %v", c.alone, c.done, w.app.sent)
			}
		})
	}
}

// A round that is tried again has an answer to carry on with: it goes alone.
func TestRetriedJobsGoAlone(t *testing.T) {
	w := newWorld()
	w.app.script = func(int) sender.Outcome { return answer("ServiceUnavailable", 503) }
	core := w.core()
	togetherOf(t.Context(), core, singleJobs(1, "")...)
	retry := w.take(t, w.tails()[0])
	if c := togetherOf(t.Context(), core, retry); len(c.alone) != 1 {
		t.Errorf("alone %v, done %v", c.alone, c.done)
	}
}

// One that was put aside is parked again in the place of its own copy when its app is out meanwhile.
func TestParkedJobsAreParkedAgainAlone(t *testing.T) {
	w := newWorld()
	parked := parkedJobs(t, w, 2, "")
	core := w.core()
	core.breakers.of(jobs.APNS, jobs.DefaultApp).hold(reasons["Quota"], w.now.Add(time.Hour))
	c := togetherOf(t.Context(), core, parked...)
	if diff := cmp.Diff([]int{0, 1}, c.alone); diff != "" {
		t.Fatal(diff)
	}
	for _, d := range parked {
		if core.Handle(t.Context(), d) != Ack {
			t.Error("not acknowledged")
		}
	}
	for tail, p := range w.puts {
		if p.after != 100 && p.after != 101 {
			t.Errorf("%s follows %d", tail, p.after)
		}
	}
	if len(w.puts) != 2 || len(w.events) > 0 {
		t.Errorf("%v, %d events", w.tails(), len(w.events))
	}
}

// A retry that follows from a parked job is stored as its next round.
func TestParkedJobsAreRetried(t *testing.T) {
	w := newWorld()
	parked := parkedJobs(t, w, 1, "")
	w.app.script = func(int) sender.Outcome { return answer("ServiceUnavailable", 503) }
	if c := togetherOf(t.Context(), w.core(), parked...); c.done[0] != Ack || len(w.puts) != 1 {
		t.Fatalf("%v, %v", c.done, w.tails())
	}
	for subject := range w.events {
		if e := w.event(t, subject); e.Kind != results.KindSegment || e.Retry == nil || e.Done {
			t.Errorf("%+v", e)
		}
	}
}
