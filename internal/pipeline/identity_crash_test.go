package pipeline

import (
	"strings"
	"testing"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// Two jobs with one id come at the same moment, and workers die in between. Each is told of once, and goes on where it was.

// One that was told of by the id goes on from its event, also if the other one was put aside meanwhile.
func TestJobWhoseIDIsItsOwnAfterAllGoesOn(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.app.script = func(int) sender.Outcome { return answer("ServiceUnavailable", 503) }
	w.fail["put"] = 1
	ours := job(7, 1, `,"id":"x","badge":1`)
	if core.Handle(t.Context(), ours) != Leave {
		t.Fatal("acknowledged without its next round")
	}
	w.orders = NewOrders([]Order{{Kind: OrderPause, Scope: Scope{App: "default"}}})
	core.Handle(t.Context(), job(8, 1, `,"id":"x"`))
	ours.Suspicious, ours.Begun = true, true
	if core.Handle(t.Context(), ours) != Ack || len(w.dead) > 0 {
		t.Errorf("%d letters; steps %v", len(w.dead), w.steps)
	}
	if got := strings.Join(w.tails(), " "); got != "apns.default.normal.x.0.1 apns.default.normal.x.all.0" {
		t.Errorf("waiting: %s", got)
	}
}

// overtaken has a job sent while another one with its id is told of, and then does what comes next.
func overtaken(t *testing.T, w *world, core *Core, next func()) (d Delivery, got Disposition) {
	t.Helper()
	w.app.onSend = func() {
		w.app.onSend = nil
		script := w.app.script
		w.app.script = nil
		core.Handle(t.Context(), job(7, 1, `,"id":"x","badge":1`))
		w.app.script = script
		if next != nil {
			next()
		}
	}
	w.app.script = func(int) sender.Outcome { return answer("ServiceUnavailable", 503) }
	d = job(8, 1, `,"id":"x"`)
	return d, core.Handle(t.Context(), d)
}

// A worker that comes late follows what is told of its job already, and not what it did itself.
func TestLateWorkerFollowsTheDeadLetterOfItsJob(t *testing.T) {
	w := newWorld()
	core := w.core()
	_, got := overtaken(t, w, core, func() {
		again := job(8, 1, `,"id":"x"`)
		again.Suspicious, again.Begun = true, true
		if w.core().Handle(t.Context(), again) != Ack || len(w.dead) != 1 || w.dead[0].Event.Dead.Reason != results.DeadIDReused {
			t.Fatalf("letters %+v", w.dead)
		}
	})
	if got != Ack || len(w.puts) > 0 || len(w.events) != 2 {
		t.Errorf("disposition %d, waiting %v, %d events", got, w.tails(), len(w.events))
	}
}

// What is told of by another id goes on from there when it is delivered once more, and is not put aside as if nothing had happened.
func TestJobThatIsToldOfByAnotherIDGoesOn(t *testing.T) {
	w := newWorld()
	core := w.core()
	d, got := overtaken(t, w, core, func() { w.fail["put"] = 1 })
	if got != Leave || len(w.events) != 2 {
		t.Fatalf("disposition %d, %d events", got, len(w.events))
	}
	w.orders = NewOrders([]Order{{Kind: OrderPause, Scope: Scope{App: "default"}}})
	d.Suspicious, d.Begun = true, true
	if core.Handle(t.Context(), d) != Ack || len(w.dead) > 0 {
		t.Errorf("%d letters; steps %v", len(w.dead), w.steps)
	}
	if tails := w.tails(); len(tails) != 1 || !strings.HasPrefix(tails[0], "apns.default.normal.PUSH_JOBS-8-") || !strings.HasSuffix(tails[0], ".0.1") {
		t.Errorf("waiting: %v", tails)
	}
}
