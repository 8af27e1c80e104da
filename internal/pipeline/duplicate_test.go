package pipeline

import (
	"testing"
	"time"

	"github.com/volleypush/volley/results"
)

// The same job again, under an id of its publisher's own: nothing is sent, and an event says so. What may be the first delivery once more says nothing.
func TestDuplicateJob(t *testing.T) {
	for _, c := range []struct {
		name   string
		n      int
		fields string
		again  func(*Delivery)
		orders *Orders
		told   bool
	}{
		{name: "of one segment", n: 2, told: true},
		{name: "of several segments", n: 1500, told: true},
		{name: "scheduled", n: 2, fields: `,"deliver_at":"2026-11-23T11:00:00Z"`, told: true},
		{name: "paused", n: 2, orders: NewOrders([]Order{{Kind: OrderPause, Scope: Scope{Job: "j"}}}), told: true},
		{name: "older than the connection, stored after the event", n: 2, again: func(d *Delivery) { d.Suspicious, d.Stored = true, tenOClock.Add(time.Minute) }, told: true},
		{name: "older than the connection, stored before the event", n: 2, again: func(d *Delivery) { d.Suspicious = true }},
		{name: "a redelivery", n: 2, again: func(d *Delivery) { d.Suspicious, d.Begun, d.Stored = true, true, tenOClock.Add(time.Minute) }},
		{name: "a redelivery of a large one", n: 1500, again: func(d *Delivery) { d.Suspicious, d.Begun = true, true }},
	} {
		w := newWorld()
		w.orders = c.orders
		core := w.core()
		if core.Handle(t.Context(), job(7, c.n, `,"id":"j"`+c.fields)) != Ack {
			t.Fatalf("%s: not acknowledged", c.name)
		}
		sent, waiting := len(w.app.sent), len(w.puts)
		second := job(1240, c.n, `,"id":"j"`+c.fields)
		if c.again != nil {
			c.again(&second)
		}
		if core.Handle(t.Context(), second) != Ack || len(w.app.sent) != sent || len(w.puts) != waiting || len(w.dead) > 0 {
			t.Errorf("%s: it was handled as another job", c.name)
		}
		e := w.events["push.results.apns.default.j.duplicate.1240"]
		if (e != nil) != c.told {
			t.Errorf("%s: event %+v", c.name, e)
		}
		if e == nil {
			continue
		}
		if err := e.Balanced(); err != nil || e.Kind != results.KindDuplicateJob || e.Worker != "w-1" || e.Fingerprint == "" {
			t.Errorf("%s: %v %+v", c.name, err, e)
		}
		if _, err := results.Encode(e); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A job with another body under the same id is no duplicate, and neither is a segment that waits.
func TestWhatIsNoDuplicate(t *testing.T) {
	w := newWorld()
	core := w.core()
	core.Handle(t.Context(), job(7, 2, `,"id":"j"`))
	core.Handle(t.Context(), job(8, 3, `,"id":"j"`))
	if w.events["push.results.apns.default.j.duplicate.8"] != nil || len(w.dead) != 1 || w.dead[0].Event.Dead.Reason != results.DeadIDReused {
		t.Errorf("dead: %+v", w.dead)
	}
	d := job(9, 2, "")
	core.Handle(t.Context(), d)
	d.Suspicious = true
	core.Handle(t.Context(), d)
	for subject, e := range w.events {
		if e.Kind == results.KindDuplicateJob {
			t.Errorf("%s", subject)
		}
	}
}
