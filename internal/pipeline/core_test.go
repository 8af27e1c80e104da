package pipeline

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

func TestSmallJobIsSentCommittedAndOnlyThenAcknowledged(t *testing.T) {
	w := newWorld()
	w.app.onSend = func() { w.steps = append(w.steps, "send") }
	if got := w.core().Handle(t.Context(), job(7, 3, "")); got != Ack {
		t.Fatalf("disposition %d, want Ack", got)
	}
	if diff := cmp.Diff([]string{"send", "commit apns.default." + w.onlyJob(t) + ".0.0"}, w.steps); diff != "" {
		t.Error(diff)
	}
	e := w.event(t, "push.results.apns.default."+w.onlyJob(t)+".0.0")
	if e.Sent != 3 || !e.Done || e.Attempt != 1 || e.Totals.Sent != 3 || e.Worker != "w-1" {
		t.Errorf("event %+v totals %+v", e, e.Totals)
	}
}

func (w *world) onlyJob(t *testing.T) string {
	t.Helper()
	for _, e := range w.events {
		return e.Job
	}
	t.Fatal("no event")
	return ""
}

func TestCommitOfUnknownOutcomeIsRepeatedAndNeverAcknowledgedBefore(t *testing.T) {
	w := newWorld()
	w.fail["commit"] = 3
	if got := w.core().Handle(t.Context(), job(7, 1, "")); got != Ack {
		t.Fatalf("disposition %d, want Ack", got)
	}
	if n := len(w.steps); n != 4 {
		t.Errorf("steps %v, want four commits", w.steps)
	}
	if len(w.app.sent) != 1 {
		t.Errorf("sent %d times", len(w.app.sent))
	}
}

// Every port that fails leaves the delivery unacknowledged.
func TestFailedStepLeavesTheDelivery(t *testing.T) {
	for _, step := range []string{"plan", "put", "find", "newer", "settle", "bury"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld()
			d := job(7, 2500, `,"id":"big"`)
			switch step {
			case "bury":
				d.Body = []byte(`{`)
			case "find", "newer", "settle":
				if got := w.core().Handle(t.Context(), d); got != Ack {
					t.Fatal("splitting failed")
				}
				d = w.take(t, "apns.default.normal.big.1.0")
			}
			w.fail[step] = 1
			if got := w.core().Handle(t.Context(), d); got != Leave {
				t.Errorf("disposition %d, want Leave", got)
			}
			if got := w.core().Handle(t.Context(), d); got != Ack {
				t.Errorf("disposition %d the second time, want Ack", got)
			}
		})
	}
}

func TestExistingEventIsFollowedAndNothingIsSent(t *testing.T) {
	tests := map[string]func(*Delivery){
		"suspicious delivery": func(d *Delivery) { d.Suspicious = true },
		"explicit id":         func(*Delivery) {},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			fields := ""
			if name == "explicit id" {
				fields = `,"id":"promo"`
			}
			d := job(7, 2, fields)
			w.core().Handle(t.Context(), d)
			change(&d)
			if got := w.core().Handle(t.Context(), d); got != Ack {
				t.Fatalf("disposition %d, want Ack", got)
			}
			if len(w.app.sent) != 2 {
				t.Errorf("sent to %v, want each recipient once", w.app.sent)
			}
		})
	}
}

func TestLargeJobIsSplitAndFinishedByWhoeverSettlesLast(t *testing.T) {
	w := newWorld()
	core := w.core()
	d := job(7, 2500, `,"id":"big","campaign":"c"`)
	if core.Handle(t.Context(), d) != Ack {
		t.Fatal("not acknowledged")
	}
	want := []string{"apns.default.normal.big.0.0", "apns.default.normal.big.1.0", "apns.default.normal.big.2.0"}
	if diff := cmp.Diff(want, w.tails()); diff != "" {
		t.Fatal(diff)
	}
	for _, i := range []int{2, 0, 1} {
		seg := w.take(t, want[i])
		for range 2 { // the second time as a redelivery after the acknowledgement was lost
			if core.Handle(t.Context(), seg) != Ack {
				t.Fatal("not acknowledged")
			}
		}
	}
	slices.Sort(w.app.sent)
	if len(w.app.sent) != 2500 || len(slices.Compact(w.app.sent)) != 2500 {
		t.Errorf("%d sent", len(w.app.sent))
	}
	done := w.events["push.results.apns.default.big.done.0"]
	if done == nil || done.Kind != results.KindJobDone || done.Totals.Sent != 2500 || done.Totals.Recipients != 2500 {
		t.Fatalf("job_done %+v", done)
	}
	// The job again, after everything is over: every segment finds its event.
	core.Handle(t.Context(), d)
	for _, tail := range w.tails() {
		core.Handle(t.Context(), w.take(t, tail))
	}
	if len(w.app.sent) != 2500 {
		t.Errorf("a finished job was sent again")
	}
}

func TestRetryIsBuiltFromTheStoredEvent(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.app.script = func(p int) sender.Outcome {
		if p == 1 || p == 4 {
			return answer("ServiceUnavailable", 503)
		}
		return sender.Outcome{Class: sender.Accepted}
	}
	core.Handle(t.Context(), job(7, 6, `,"id":"r"`))
	first := w.event(t, "push.results.apns.default.r.0.0")
	if first.Sent != 4 || first.Retry.Indexes.String() != "1,4" || first.Done {
		t.Fatalf("%+v %+v", first, first.Retry)
	}
	if wait := first.Retry.At.Sub(tenOClock); wait < minBackoff || wait > 2*time.Second {
		t.Errorf("first retry after %s", wait)
	}
	w.app.script, w.app.sent = nil, nil
	if core.Handle(t.Context(), w.take(t, "apns.default.normal.r.0.1")) != Ack {
		t.Fatal("not acknowledged")
	}
	second := w.event(t, "push.results.apns.default.r.0.1")
	if diff := cmp.Diff([]int{1, 4}, w.app.sent); diff != "" {
		t.Error(diff)
	}
	if second.Attempt != 2 || !second.Done || second.Totals.Sent != 6 || second.Totals.Recipients != 6 || second.Totals.Retries != 2 {
		t.Errorf("%+v totals %+v", second, second.Totals)
	}
}

func TestRetriesEndAtTheAttemptLimitWithTheLastReason(t *testing.T) {
	w := newWorld()
	w.app.attempts = 2
	w.app.script = func(p int) sender.Outcome {
		if p == 0 {
			return answer("ServiceUnavailable", 503)
		}
		return sender.Outcome{Class: sender.Accepted} // so that nobody thinks the provider is out
	}
	core := w.core()
	core.Handle(t.Context(), job(7, 2, `,"id":"r"`))
	core.Handle(t.Context(), w.take(t, "apns.default.normal.r.0.1"))
	e := w.event(t, "push.results.apns.default.r.0.1")
	if len(e.Failures) != 1 || e.Failures[0].Reason != "ServiceUnavailable" || e.Failures[0].Status != 503 || e.Retry != nil {
		t.Errorf("%+v", e)
	}
	if len(w.puts) != 0 {
		t.Errorf("more work: %v", w.tails())
	}
}

func TestDelayObeysFloorRetryAfterAndDeadline(t *testing.T) {
	w := newWorld()
	w.app.script = func(p int) sender.Outcome {
		out := answer("ServiceUnavailable", 503)
		switch p {
		case 0:
			out = answer("TooManyRequests", 429)
		case 1:
			out.RetryAfter = 3 * time.Minute
		case 2:
			out.RetryAfter = 2 * time.Hour // after the deadline
		case 4:
			return sender.Outcome{Class: sender.Accepted}
		}
		return out
	}
	core := w.core()
	core.Handle(t.Context(), job(7, 5, `,"id":"r"`))
	e := w.event(t, "push.results.apns.default.r.0.0")
	due := map[string]time.Duration{}
	for _, g := range e.Retry.Groups {
		due[g.Indexes.String()] = g.NotBefore.Sub(tenOClock)
	}
	want := map[string]time.Duration{"0": 7 * time.Minute, "1": 3 * time.Minute, "3": 1500 * time.Millisecond}
	if diff := cmp.Diff(want, due); diff != "" {
		t.Error(diff)
	}
	if !e.Retry.At.Equal(tenOClock.Add(1500 * time.Millisecond)) {
		t.Errorf("the next round is due at %s, not at the earliest time", e.Retry.At)
	}
	if len(e.Failures) != 1 || e.Failures[0].Index != 2 {
		t.Errorf("failures %+v", e.Failures)
	}
	// The next round sends only to who is due; the others ride on, uncounted.
	w.app.sent = nil
	core.Handle(t.Context(), w.take(t, "apns.default.normal.r.0.1"))
	if diff := cmp.Diff([]int{3}, w.app.sent); diff != "" {
		t.Error(diff)
	}
	second := w.event(t, "push.results.apns.default.r.0.1")
	for _, g := range second.Retry.Groups {
		if g.Indexes.String() == "0" && (g.Attempts != 1 || !g.NotBefore.Equal(tenOClock.Add(7*time.Minute))) {
			t.Errorf("recipient 0 rode on as %+v", g)
		}
	}
}

func TestUnsentBurnsNoAttempt(t *testing.T) {
	w := newWorld()
	w.app.attempts = 1
	w.app.script = func(int) sender.Outcome { return answer("ConnectionFailed", 0) }
	core := w.core()
	core.Handle(t.Context(), job(7, 1, `,"id":"r"`))
	for round := 1; round <= 3; round++ {
		core.Handle(t.Context(), w.take(t, "apns.default.normal.r.0."+string(rune('0'+round))))
	}
	e := w.event(t, "push.results.apns.default.r.0.3")
	if e.Retry == nil || e.Retry.Groups[0].Attempts != 0 {
		t.Errorf("%+v", e.Retry)
	}
	// Past the deadline it was certainly never sent.
	w.now = w.app.deadline
	core.Handle(t.Context(), w.take(t, "apns.default.normal.r.0.4"))
	e = w.event(t, "push.results.apns.default.r.0.4")
	if len(e.Skipped) != 1 || e.Skipped[0].Why != results.SkippedExpired || e.Skipped[0].Indexes.String() != "0" {
		t.Errorf("%+v", e)
	}
}

func TestTriedRecipientThatRunsOutOfTimeFailsWithItsLastReason(t *testing.T) {
	w := newWorld()
	w.app.script = func(int) sender.Outcome { return answer("ServiceUnavailable", 503) }
	core := w.core()
	core.Handle(t.Context(), job(7, 1, `,"id":"r"`))
	d := w.take(t, "apns.default.normal.r.0.1")
	w.now, w.app.sent = w.app.deadline, nil
	core.Handle(t.Context(), d)
	e := w.event(t, "push.results.apns.default.r.0.1")
	if len(e.Failures) != 1 || e.Failures[0].Reason != "ServiceUnavailable" || e.Failures[0].Status != 503 || len(w.app.sent) != 0 {
		t.Errorf("%+v sent %v", e, w.app.sent)
	}
}

func TestExpirationZeroIsOneAttempt(t *testing.T) {
	w := newWorld()
	w.app.deadline = time.Time{}
	w.app.script = func(p int) sender.Outcome {
		return []sender.Outcome{answer("ServiceUnavailable", 503), answer("ConnectionFailed", 0), answer("AnswerLost", 0)}[p]
	}
	w.core().Handle(t.Context(), job(7, 3, `,"id":"r"`))
	e := w.event(t, "push.results.apns.default.r.0.0")
	if len(e.Failures) != 2 || len(e.Uncertain) != 1 || e.Retry != nil {
		t.Errorf("%+v", e)
	}
}

func TestPlacesOfFinalAnswers(t *testing.T) {
	w := newWorld()
	w.app.script = func(p int) sender.Outcome {
		switch p {
		case 0:
			return answer("BadDeviceToken", 400)
		case 1:
			out := answer("Unregistered", 410)
			out.Timestamp = time.UnixMilli(1795430000123)
			return out
		case 2:
			return sender.Outcome{Class: sender.Accepted, CanonicalID: "new", ProviderID: "id-2"}
		}
		return sender.Outcome{Class: sender.Accepted}
	}
	w.core().Handle(t.Context(), job(7, 4, `,"id":"r"`))
	e := w.event(t, "push.results.apns.default.r.0.0")
	if e.Sent != 2 || len(e.Failures) != 1 || len(e.ExpiredTokens) != 1 || len(e.CanonicalIDs) != 1 || len(e.Accepted) != 1 {
		t.Fatalf("%+v", e)
	}
	if e.ExpiredTokens[0].TimestampMS != 1795430000123 || e.ExpiredTokens[0].Timestamp != 1795430000 || e.ExpiredTokens[0].Index != 1 {
		t.Errorf("%+v", e.ExpiredTokens[0])
	}
	if !strings.HasSuffix(e.Failures[0].Token, "0") || e.Failures[0].Code != "8" {
		t.Errorf("%+v", e.Failures[0])
	}
}

func TestScheduledJobWaitsWholeOnPushWork(t *testing.T) {
	w := newWorld()
	core := w.core()
	core.Handle(t.Context(), job(7, 2, `,"id":"later","deliver_at":"2026-11-23T11:00:00Z"`))
	waiting := w.puts["apns.default.normal.later.all.0"]
	if !waiting.due.Equal(tenOClock.Add(time.Hour)) || len(w.app.sent) != 0 {
		t.Fatalf("%+v sent %v", waiting, w.app.sent)
	}
	w.app.deadline = tenOClock.Add(2 * time.Hour)
	if core.Handle(t.Context(), w.take(t, "apns.default.normal.later.all.0")) != Ack {
		t.Fatal("not acknowledged")
	}
	if e := w.event(t, "push.results.apns.default.later.0.0"); e.Sent != 2 {
		t.Errorf("%+v", e)
	}
}

func TestOldCopyOfASegmentIsHistory(t *testing.T) {
	w := newWorld()
	core := w.core()
	core.Handle(t.Context(), job(7, 2500, `,"id":"big"`))
	w.newer = true
	if core.Handle(t.Context(), w.take(t, "apns.default.normal.big.1.0")) != Ack {
		t.Error("not acknowledged")
	}
	if len(w.app.sent) != 0 {
		t.Errorf("%d sent", len(w.app.sent))
	}
}

// A worker with other limits that repeats a split follows the plan it finds.
func TestSplitFollowsTheStoredPlan(t *testing.T) {
	w := newWorld()
	first := w.core()
	w.fail["put"] = 1
	d := job(7, 2500, `,"id":"big"`)
	if first.Handle(t.Context(), d) != Leave {
		t.Fatal("acknowledged")
	}
	second := w.core()
	second.MaxPayload = 256 << 10 // would make more segments
	if second.Handle(t.Context(), d) != Ack {
		t.Fatal("not acknowledged")
	}
	if n := len(w.puts); n != 3 {
		t.Errorf("%d segments, the plan has 3", n)
	}
	for tail, p := range w.puts {
		if p.seg.Segments != 3 {
			t.Errorf("%s says there are %d", tail, p.seg.Segments)
		}
	}
}
