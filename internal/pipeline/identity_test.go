package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

func TestScheduledJobOfTheSameIDAndAnotherBodyIsRefused(t *testing.T) {
	w := newWorld()
	core := w.core()
	later := `,"id":"later","deliver_at":"2026-11-23T11:00:00Z"`
	core.Handle(t.Context(), job(7, 2, later))
	for range 2 { // the same job again is one too many, and nothing else
		if core.Handle(t.Context(), job(7, 2, later)) != Ack || len(w.dead) != 0 {
			t.Fatal("the copy was not passed over")
		}
	}
	if core.Handle(t.Context(), job(8, 3, later)) != Ack {
		t.Fatal("not acknowledged")
	}
	if len(w.dead) != 1 || w.dead[0].Event.Dead.Reason != results.DeadIDReused || len(w.dead[0].Event.Skipped) != 1 {
		t.Errorf("letters %+v", w.dead)
	}
}

// A small job with the id of a large one that is under way must not take its place.
func TestSmallJobDoesNotTakeOverARunningSplit(t *testing.T) {
	w := newWorld()
	core := w.core()
	core.Handle(t.Context(), job(7, 1500, `,"id":"x"`))
	if core.Handle(t.Context(), job(8, 1, `,"id":"x"`)) != Ack {
		t.Fatal("not acknowledged")
	}
	if len(w.dead) != 1 || w.dead[0].Event.Dead.Reason != results.DeadIDReused {
		t.Errorf("letters %+v", w.dead)
	}
	for _, tail := range w.tails() {
		core.Handle(t.Context(), w.take(t, tail))
	}
	if done := w.events["push.results.apns.default.x.done.0"]; done == nil || done.Totals.Sent != 1500 {
		t.Errorf("%+v", done)
	}
}

// A split that was begun goes on, even on a worker that does not have the app: some segments may be under way.
func TestSplitGoesOnWithoutTheApp(t *testing.T) {
	w := newWorld()
	w.fail["put"] = 1
	d := job(7, 2500, `,"id":"big"`)
	if w.core().Handle(t.Context(), d) != Leave {
		t.Fatal("acknowledged")
	}
	w.appGone = true
	d.Suspicious = true
	if w.core().Handle(t.Context(), d) != Ack || len(w.puts) != 3 || len(w.dead) != 0 {
		t.Errorf("%d segments, %d letters", len(w.puts), len(w.dead))
	}
}

func TestEventThatIsTooLargeIsStoredWithoutWhatItCanMiss(t *testing.T) {
	w := newWorld()
	w.refuse = func(e *results.Event) bool { return e.Accepted != nil || len(e.CanonicalIDs) > 1 }
	w.app.script = func(p int) sender.Outcome {
		out := sender.Outcome{Class: sender.Accepted, ProviderID: "id", CanonicalID: "new"}
		if p == 1 {
			out.CanonicalID = strings.Repeat("n", 1000)
		}
		return out
	}
	if got := w.core().Handle(t.Context(), job(7, 2, `,"id":"j"`)); got != Ack {
		t.Fatalf("disposition %d", got)
	}
	if e := w.event(t, "push.results.apns.default.j.0.0"); e.Sent != 2 || len(e.CanonicalIDs) != 1 || e.Totals.CanonicalIDs != 1 {
		t.Errorf("%+v %+v", e, e.Totals)
	}
	w.refuse = func(*results.Event) bool { return true }
	if got := w.core().Handle(t.Context(), job(8, 2, `,"id":"k"`)); got != Leave {
		t.Errorf("disposition %d of an event that can't be stored", got)
	}
}

// One whose answer was lost stays uncertain, whatever kept it from being tried again.
func TestLostAnswerStaysUncertain(t *testing.T) {
	for name, second := range map[string]func(*world){
		"no connection any more": func(w *world) {
			w.app.script = func(int) sender.Outcome { return answer("ConnectionFailed", 0) }
			w.app.deadline = w.now.Add(3 * time.Second)
		},
		"too late": func(w *world) { w.app.deadline = w.now },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.app.script = func(int) sender.Outcome { return answer("AnswerLost", 0) }
			core := w.core()
			core.Handle(t.Context(), job(7, 1, `,"id":"r"`))
			d := w.take(t, "apns.default.normal.r.0.1")
			second(w)
			core.Handle(t.Context(), d)
			e := w.event(t, "push.results.apns.default.r.0.1")
			if e.Retry != nil {
				core.Handle(t.Context(), w.take(t, "apns.default.normal.r.0.2"))
				e = w.event(t, "push.results.apns.default.r.0.2")
			}
			if len(e.Uncertain) != 1 || e.Uncertain[0].Reason != "AnswerLost" {
				t.Errorf("%+v", e)
			}
		})
	}
}

// A work message that can't be read settles its recipients by what the event before says of them.
func TestCorruptSegment(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.app.script = func(p int) sender.Outcome {
		if p < 2 {
			return answer("ServiceUnavailable", 503)
		}
		return sender.Outcome{Class: sender.Accepted}
	}
	core.Handle(t.Context(), job(7, 4, `,"id":"r"`))
	d := w.take(t, "apns.default.normal.r.0.1")
	d.Body = []byte("{")
	if got := core.Handle(t.Context(), d); got != Ack {
		t.Fatalf("disposition %d", got)
	}
	e := w.event(t, "push.results.apns.default.r.0.1")
	if e.Kind != results.KindDead || len(e.Failures) != 2 || e.Failures[1].Index != 1 || e.Totals.Sent != 2 || len(w.dead) != 1 {
		t.Errorf("%+v %+v", e, e.Totals)
	}
	// A segment of a split: the plan says who.
	core.Handle(t.Context(), job(8, 2500, `,"id":"big"`))
	d = w.take(t, "apns.default.normal.big.2.0")
	d.Header = nil
	core.Handle(t.Context(), d)
	if e := w.event(t, "push.results.apns.default.big.2.0"); len(e.Failures) != 500 || e.Failures[0].Index != 2000 || e.Segments != 3 {
		t.Errorf("%+v", e)
	}
}
