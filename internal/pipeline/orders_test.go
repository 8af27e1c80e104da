package pipeline

import (
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

func TestOrderHolds(t *testing.T) {
	job := Scope{Platform: jobs.APNS, App: "default", Lane: jobs.LaneNormal, Campaign: "promo", Job: "j"}
	given := tenOClock
	for _, c := range []struct {
		name      string
		kind      OrderKind
		scope     Scope
		published time.Duration // after the order
		want      bool
	}{
		{"cancel by job, before", OrderCancel, Scope{Job: "j"}, -time.Hour, true},
		{"cancel by job, later", OrderCancel, Scope{Platform: jobs.APNS, App: "default", Job: "j"}, time.Hour, true},
		{"cancel of another app's job", OrderCancel, Scope{Platform: jobs.APNS, App: "shop", Job: "j"}, -time.Hour, false},
		{"cancel by campaign, before", OrderCancel, Scope{Campaign: "promo"}, -time.Millisecond, true},
		{"cancel by campaign, at the same moment", OrderCancel, Scope{Campaign: "promo"}, 0, true},
		{"cancel by campaign, later", OrderCancel, Scope{Campaign: "promo"}, time.Millisecond, false},
		{"cancel by app, later", OrderCancel, Scope{App: "default"}, time.Second, false},
		{"pause by campaign, later", OrderPause, Scope{Campaign: "promo"}, time.Hour, true},
		{"pause by lane", OrderPause, Scope{Lane: jobs.LaneNormal}, -time.Hour, true},
		{"pause of another lane", OrderPause, Scope{Lane: jobs.LaneBulk}, -time.Hour, false},
		{"pause of another platform", OrderPause, Scope{Platform: jobs.GCM}, -time.Hour, false},
		{"narrowed by both", OrderPause, Scope{App: "default", Campaign: "promo"}, 0, true},
		{"narrowed to nothing", OrderPause, Scope{App: "default", Campaign: "spring"}, 0, false},
	} {
		orders := NewOrders([]Order{{Kind: c.kind, Scope: c.scope, At: given}})
		if got := orders.Of(c.kind, job, given.Add(c.published)) != nil; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if NewOrders(nil) != nil || (*Orders)(nil).Of(OrderPause, job, given) != nil {
		t.Error("no orders are something")
	}
}

// A cancel in the middle of a sending stops it at the next write. Who was reached is told as sent, who never was as cancelled, and who was tried
// before, with its last answer; nobody goes on.
func TestCancelStopsASegmentUnderWay(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.app.script = func(p int) sender.Outcome {
		switch p {
		case 1:
			return answer("ServiceUnavailable", 503)
		case 2:
			w.orders = NewOrders([]Order{{Kind: OrderCancel, Scope: Scope{Job: "j"}, At: w.now}})
		}
		return sender.Outcome{Class: sender.Accepted}
	}
	if core.Handle(t.Context(), job(7, 5, `,"id":"j"`)) != Ack {
		t.Fatal("not acknowledged")
	}
	e := w.event(t, "push.results.apns.default.j.0.0")
	if e.Sent != 2 || len(e.Failures) != 1 || e.Failures[0].Reason != "ServiceUnavailable" || e.Retry != nil || !e.Done {
		t.Errorf("%+v", e)
	}
	if len(e.Skipped) != 1 || e.Skipped[0].Indexes.String() != "3-4" || e.Skipped[0].Why != results.SkippedCancelled {
		t.Errorf("skipped %+v", e.Skipped)
	}
}

// What becomes of everybody in a delivery that is cancelled before it begins.
func TestCancelBeforeTheFirstByte(t *testing.T) {
	for _, c := range []struct {
		name, fields string
		begun        bool
		claimed      bool
		uncertain    bool
	}{
		{name: "untouched"},
		{name: "an earlier start may have sent", begun: true, uncertain: true},
		{name: "at most once, nobody claimed it", fields: `,"on_uncertain":"report"`, begun: true},
		{name: "at most once, claimed by somebody", fields: `,"on_uncertain":"report"`, begun: true, claimed: true, uncertain: true},
		{name: "one attempt only", fields: `,"expiration":0`},
		{name: "for later", fields: `,"deliver_at":"2026-11-23T11:00:00Z"`},
	} {
		w := newWorld()
		w.orders = NewOrders([]Order{{Kind: OrderCancel, Scope: Scope{App: jobs.DefaultApp}, At: tenOClock}})
		if c.claimed {
			w.claims["apns.default.j.0.0"] = Claim{Owner: "somebody"}
		}
		d := job(7, 3, `,"id":"j"`+c.fields)
		d.Suspicious, d.Begun = c.begun, c.begun
		if w.core().Handle(t.Context(), d) != Ack {
			t.Fatalf("%s: not acknowledged", c.name)
		}
		e := w.event(t, "push.results.apns.default.j.0.0")
		skipped := len(e.Skipped) == 1 && len(e.Skipped[0].Indexes) == 3 && e.Skipped[0].Why == results.SkippedCancelled
		if len(w.app.sent) > 0 || !e.Done || skipped == c.uncertain || (len(e.Uncertain) == 3) != c.uncertain {
			t.Errorf("%s: %d sent, %+v", c.name, len(w.app.sent), e)
		}
	}
}

// That somebody may have begun is not forgotten while a segment waits.
func TestPausedSegmentRemembersThatItWasBegun(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.orders = NewOrders([]Order{{Kind: OrderPause, Scope: Scope{Job: "j"}}})
	d := job(7, 2, `,"id":"j"`)
	d.Suspicious, d.Begun = true, true
	core.Handle(t.Context(), d)
	w.orders = NewOrders([]Order{{Kind: OrderCancel, Scope: Scope{Job: "j"}}})
	if core.Handle(t.Context(), w.take(t, "apns.default.normal.j.all.0")) != Ack {
		t.Fatal("not acknowledged")
	}
	if e := w.event(t, "push.results.apns.default.j.0.0"); len(e.Uncertain) != 2 {
		t.Errorf("%+v", e)
	}
}

// A paused job waits aside for its deadline, nothing of it is sent, and one of the same app goes on. At the deadline it is told of, paused or not.
func TestPausedJobWaitsForItsDeadline(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.orders = NewOrders([]Order{{Kind: OrderPause, Scope: Scope{Job: "j"}}})
	core.Handle(t.Context(), job(7, 2, `,"id":"j"`))
	core.Handle(t.Context(), job(8, 1, `,"id":"other"`))
	tail := "apns.default.normal.j.all.0"
	if len(w.app.sent) != 1 || !w.heldBack[tail] || !w.puts[tail].due.Equal(w.app.deadline) {
		t.Fatalf("%d sent, held %v, due %v", len(w.app.sent), w.heldBack, w.puts[tail].due)
	}
	if core.Handle(t.Context(), w.take(t, tail)) != Ack {
		t.Fatal("not acknowledged")
	}
	if e := w.event(t, "push.results.apns.default.j.0.0"); len(e.Skipped) != 1 || e.Skipped[0].Why != results.SkippedExpired {
		t.Errorf("%+v", e)
	}
}

// A pause that is withdrawn, or a cancel that comes, while a segment is put aside does not leave it there.
func TestOrderThatChangesWhileASegmentIsPutAside(t *testing.T) {
	cancel := NewOrders([]Order{{Kind: OrderCancel, Scope: Scope{Job: "j"}}})
	for name, c := range map[string]struct {
		fields        string
		before, after *Orders
	}{
		"resumed":                   {"", NewOrders([]Order{{Kind: OrderPause, Scope: Scope{Job: "j"}}}), nil},
		"paused, then cancelled":    {"", NewOrders([]Order{{Kind: OrderPause, Scope: Scope{Job: "j"}}}), cancel},
		"for later, then cancelled": {`,"deliver_at":"2026-11-23T11:00:00Z"`, nil, cancel},
	} {
		w := newWorld()
		w.orders = c.before
		w.onPut = func() { w.orders = c.after }
		if w.core().Handle(t.Context(), job(7, 2, `,"id":"j"`+c.fields)) != Ack {
			t.Fatalf("%s: not acknowledged", name)
		}
		if waiting := w.puts["apns.default.normal.j.all.0"]; !waiting.due.IsZero() {
			t.Errorf("%s: it waits until %v", name, waiting.due)
		}
	}
}

// While it can't be known what is ordered nothing begins.
func TestNothingBeginsWhileOrdersAreUnknown(t *testing.T) {
	w := newWorld()
	w.deaf = true
	if d := w.core().Handle(t.Context(), job(7, 1, "")); d != GiveBack || len(w.app.sent) > 0 || len(w.steps) > 0 {
		t.Errorf("disposition %d, %d sent, steps %v", d, len(w.app.sent), w.steps)
	}
}
