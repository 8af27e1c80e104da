package pipeline

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// requeue puts what died on PUSH_WORK as its next round, as a requeue does: a whole job whole, a segment with its place.
func (w *world) requeue(t *testing.T, letter Letter) {
	t.Helper()
	var seg *jobs.Segment
	if platform, lane, ok := jobs.ParseIntakeSubject(letter.Subject); ok {
		decoded, err := jobs.Decode(platform, letter.Body)
		if err != nil {
			t.Fatal(err)
		}
		seg = jobs.NewSegment(decoded, letter.Body, lane, "", letter.Event.Dead.Sequence, letter.Published)
		seg.JobID = letter.Event.Job
	} else {
		var err error
		if seg, err = jobs.DecodeSegment(letter.Subject, letter.Header, letter.Body); err != nil {
			t.Fatal(err)
		}
	}
	seg.Round, seg.Requeued, seg.Prior = letter.Event.Round+1, true, nil
	seg.Requeues++
	if stored, err := w.Put(t.Context(), seg, w.now, 0); err != nil || !stored {
		t.Fatal(stored, err)
	}
}

// lastLetter is the letter that was laid last.
func (w *world) lastLetter(t *testing.T) Letter {
	t.Helper()
	if len(w.dead) == 0 {
		t.Fatal("no letter")
	}
	return w.dead[len(w.dead)-1]
}

var tooLong = jobs.Faults{{Field: "message", Problem: "too long"}}

func TestLetterSaysWhereItCameFromAndWhenItWasPublished(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.app.faults = tooLong
	d := job(7, 1, `,"id":"r"`)
	d.Subject = jobs.IntakeSubject(jobs.APNS, jobs.LaneBulk)
	core.Handle(t.Context(), d)
	if l := w.lastLetter(t); l.Subject != "push.apns.bulk" || !l.Published.Equal(tenOClock) {
		t.Errorf("taken from %s, published %s", l.Subject, l.Published)
	}
	w.requeue(t, w.lastLetter(t))
	again := w.take(t, "apns.default.bulk.r.all.1")
	again.Stored = tenOClock.Add(10 * time.Minute)
	core.Handle(t.Context(), again)
	if l := w.lastLetter(t); l.Subject != "push.work.apns.default.bulk.r.all.1" || !l.Published.Equal(tenOClock) || l.Event.Round != 1 ||
		l.Header[jobs.HeaderRequeues][0] != "1" {
		t.Errorf("taken from %s, published %s, headers %v, event %s", l.Subject, l.Published, l.Header, l.Event.ID)
	}
}

func TestRequeuedJobIsANewStart(t *testing.T) {
	for name, n := range map[string]int{"one segment": 3, "several segments": 2500} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			core := w.core()
			w.app.faults = tooLong
			original := job(7, n, `,"id":"r"`)
			core.Handle(t.Context(), original)
			w.app.faults = nil
			w.requeue(t, w.lastLetter(t))
			whole := w.take(t, "apns.default.normal.r.all.1")
			for range 2 { // the second time as a redelivery
				if core.Handle(t.Context(), whole) != Ack {
					t.Fatal("not acknowledged")
				}
			}
			sent := 0
			for _, tail := range w.tails() {
				if core.Handle(t.Context(), w.take(t, tail)) != Ack {
					t.Fatal("not acknowledged")
				}
			}
			for subject, e := range w.events {
				if err := e.Balanced(); err != nil {
					t.Error(err)
				}
				if subject == "push.results.apns.default.r.0.0" {
					if e.Kind != results.KindDead || e.Requeued {
						t.Errorf("the dead event became %+v", e)
					}
					continue
				}
				if !e.Requeued {
					t.Errorf("%s does not say that it was requeued", e.ID)
				}
				sent += e.Sent
				if e.Kind == results.KindJobDone && e.Totals.Sent != n {
					t.Errorf("job_done with totals %+v", e.Totals)
				}
			}
			slices.Sort(w.app.sent)
			if sent != n || len(w.app.sent) != n || len(slices.Compact(w.app.sent)) != n {
				t.Errorf("%d in the events, %d sent", sent, len(w.app.sent))
			}
			last := "push.results.apns.default.r.0.1"
			if n > 1000 {
				last = "push.results.apns.default.r.done.0"
			}
			if e := w.event(t, last); !e.Done || e.Totals.Recipients != n || e.Totals.Skipped != 0 {
				t.Errorf("%+v totals %+v", e, e.Totals)
			}
			// Its publisher repeats itself: the job's own story is over.
			core.Handle(t.Context(), original)
			if len(w.app.sent) != n {
				t.Error("the original was sent after its requeue")
			}
		})
	}
}

func TestRequeuedSegmentKeepsItsPlaceAndItsOwnTotals(t *testing.T) {
	w := newWorld()
	core := w.core()
	core.Handle(t.Context(), job(7, 2500, `,"id":"big"`))
	for _, tail := range w.tails() {
		w.app.faults = nil
		if tail == "apns.default.normal.big.1.0" {
			w.app.faults = tooLong
		}
		core.Handle(t.Context(), w.take(t, tail))
	}
	done := w.event(t, "push.results.apns.default.big.done.0")
	want := &results.Totals{Recipients: 2500, Sent: 1500, Skipped: 1000}
	if diff := cmp.Diff(want, done.Totals); diff != "" {
		t.Fatal(diff)
	}
	w.app.faults = nil
	w.app.script = func(p int) sender.Outcome {
		if p == 1007 {
			return answer("ServiceUnavailable", 503)
		}
		return sender.Outcome{Class: sender.Accepted}
	}
	w.requeue(t, w.lastLetter(t))
	core.Handle(t.Context(), w.take(t, "apns.default.normal.big.1.1"))
	first := w.event(t, "push.results.apns.default.big.1.1")
	if !first.Requeued || first.Sent != 999 || first.Totals.Recipients != 1000 || first.Totals.Skipped != 0 || first.Retry.Indexes.String() != "1007" {
		t.Errorf("%+v totals %+v", first, first.Totals)
	}
	// Its retry dies, too, and is requeued.
	w.app.faults = tooLong
	core.Handle(t.Context(), w.take(t, "apns.default.normal.big.1.2"))
	if e := w.event(t, "push.results.apns.default.big.1.2"); !e.Requeued || e.Totals.Recipients != 1000 || e.Totals.Sent != 999 || e.Totals.Skipped != 1 {
		t.Errorf("%+v totals %+v", e, e.Totals)
	}
	w.app.faults, w.app.script = nil, nil
	w.requeue(t, w.lastLetter(t))
	core.Handle(t.Context(), w.take(t, "apns.default.normal.big.1.3"))
	if e := w.event(t, "push.results.apns.default.big.1.3"); !e.Requeued || e.Totals.Recipients != 1 || e.Totals.Sent != 1 || e.Attempt != 2 {
		t.Errorf("%+v totals %+v", e, e.Totals)
	}
	if len(w.puts) != 0 {
		t.Errorf("more work: %v", w.tails())
	}
	if w.event(t, "push.results.apns.default.big.done.0") != done {
		t.Error("the job was done twice")
	}
}

func TestRequeuedRetryOfASmallJobBalances(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.app.script = func(p int) sender.Outcome {
		if p == 1 || p == 4 {
			return answer("ServiceUnavailable", 503)
		}
		return sender.Outcome{Class: sender.Accepted}
	}
	core.Handle(t.Context(), job(7, 6, `,"id":"r"`))
	w.app.faults = tooLong
	core.Handle(t.Context(), w.take(t, "apns.default.normal.r.0.1"))
	w.app.faults = nil
	w.app.script = func(p int) sender.Outcome {
		if p == 4 {
			return answer("BadDeviceToken", 400)
		}
		return sender.Outcome{Class: sender.Accepted}
	}
	w.requeue(t, w.lastLetter(t))
	core.Handle(t.Context(), w.take(t, "apns.default.normal.r.0.2"))
	e := w.event(t, "push.results.apns.default.r.0.2")
	if !e.Requeued || !e.Done || e.Sent != 1 || len(e.Failures) != 1 || e.Failures[0].Index != 4 || e.Totals.Recipients != 2 {
		t.Errorf("%+v totals %+v", e, e.Totals)
	}
}
