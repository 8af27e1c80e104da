package pipeline

import (
	"context"
	"testing"

	"github.com/volleypush/volley/sender"
)

// A drain ends the waiting for a place to send from; nothing has begun then.
func TestDrainBeforeTheFirstByteGivesBack(t *testing.T) {
	for _, fields := range []string{"", `,"id":"once","on_uncertain":"report"`} {
		w := newWorld()
		core := w.core()
		draining, cancel := context.WithCancel(t.Context())
		core.Draining = draining
		blocked := make(chan struct{})
		for range cap(core.segments) {
			core.segments <- struct{}{}
		}
		got := make(chan Disposition)
		go func() {
			close(blocked)
			got <- core.Handle(t.Context(), job(7, 3, fields))
		}()
		<-blocked
		cancel()
		if d := <-got; d != GiveBack || len(w.app.sent) != 0 || len(w.claims) != 0 {
			t.Errorf("disposition %d, %d sent, claims %v", d, len(w.app.sent), w.claims)
		}
	}
}

// Told to stop in the middle of a sending, a worker still tells what is known: who was reached is not sent to again.
func TestStopWhileSendingStillCommits(t *testing.T) {
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	w.app.onSend = cancel
	w.app.script = func(p int) sender.Outcome {
		if p == 2 {
			return answer("ConnectionFailed", 0)
		}
		return sender.Outcome{Class: sender.Accepted}
	}
	if got := w.core().Handle(ctx, job(7, 3, `,"id":"j"`)); got != Ack {
		t.Fatalf("disposition %d", got)
	}
	e := w.event(t, "push.results.apns.default.j.0.0")
	if e.Sent != 2 || e.Retry.Indexes.String() != "2" {
		t.Errorf("%+v %+v", e, e.Retry)
	}
}
