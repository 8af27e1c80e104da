package enqueue

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

var batchTime = time.Date(2026, 11, 23, 10, 0, 0, 123e6, time.UTC)

// badToken is a failure as a worker reports it. The token must never show in text.
func badToken(index int) results.Failure {
	return results.Failure{
		Index: index, Token: "5ec7e7", Error: "APNSInvalidTokenError", Code: "8", Reason: "BadDeviceToken",
		Status: 400, Description: "Invalid token", Action: results.ActionCheckEnvironment,
	}
}

func gone(index int) results.ExpiredToken {
	return results.ExpiredToken{Failure: results.Failure{
		Index: index, Token: "5ec7e7", Error: "APNSInvalidTokenError", Code: "8",
		Reason: "Unregistered", Status: 410, Description: "Invalid token", Action: results.ActionDeleteToken,
	}, Timestamp: 1795430000}
}

func segment(job string, change func(*results.Event)) *results.Event {
	e := &results.Event{
		V: results.Version, Kind: results.KindSegment, Platform: jobs.APNS, App: "default", Job: job, Segments: 1,
		Fingerprint: "f-" + job, At: batchTime, Worker: "w-1",
	}
	change(e)
	e.SetID()
	return e
}

func TestTallyFollowsEveryRecipient(t *testing.T) {
	t.Parallel()
	tally := newTally([]planned{
		{ID: "a", App: "default", Recipients: 6, Fingerprint: "f-a"},
		{ID: "b", App: "default", Recipients: 2, Fingerprint: "f-b"},
	})
	moved := 0
	tally.moved = func(settled int) { moved = settled }
	steps := []struct {
		name  string
		event *results.Event
		over  bool
		left  int
	}{
		{"some sent, one again", segment("a", func(e *results.Event) {
			e.Recipients, e.Sent, e.Segments = 4, 2, 2
			e.ExpiredTokens = []results.ExpiredToken{gone(1)}
			e.Retry = &results.Retry{Indexes: jobs.Indexes{3}}
		}), false, 5},
		{"another job of the same app", segment("c", func(e *results.Event) { e.Sent = 9 }), true, 5},
		{"the same id in another app", segment("a", func(e *results.Event) { e.Sent, e.App = 9, "other" }), true, 5},
		{"the second round", segment("a", func(e *results.Event) { e.Recipients, e.Sent, e.Round, e.Segments = 1, 1, 1, 2 }), false, 4},
		{"not about recipients", segment("a", func(e *results.Event) { e.Kind, e.Sent = results.KindDuplicateJob, 9 }), false, 4},
		{"the other segment", segment("a", func(e *results.Event) {
			e.Recipients, e.Segment, e.Segments = 2, 1, 2
			e.Failures = []results.Failure{badToken(4)}
			e.Uncertain = []results.Uncertain{{Index: 5, Token: "5ec7e7", Reason: "connection lost"}}
		}), true, 2},
		{"the end of a job that is over", segment("a", func(e *results.Event) { e.Kind, e.Sent = results.KindJobDone, 9 }), true, 2},
		{"a dead letter", segment("b", func(e *results.Event) {
			e.Kind, e.Recipients = results.KindDead, 2
			e.Dead = &results.Dead{Reason: "unknown_app", Faults: []jobs.Fault{{Field: "app", Problem: "is not configured"}}}
			e.Skipped = []results.Skipped{{Indexes: jobs.Indexes{0, 1}, Why: results.SkippedDead}}
		}), true, 0},
	}
	for _, step := range steps {
		if over := tally.add(step.event); over != step.over || tally.left() != step.left || tally.done() != (step.left == 0) {
			t.Errorf("%s: over %t, %d left, done %t", step.name, over, tally.left(), tally.done())
		}
	}
	want := results.Totals{Recipients: 8, Sent: 3, Failures: 1, ExpiredTokens: 1, Uncertain: 1, Skipped: 2, Retries: 1}
	if diff := cmp.Diff(want, tally.totals); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if tally.failed() != 5 || moved != 8 {
		t.Errorf("%d failed, progress at %d", tally.failed(), moved)
	}
	var words []string
	for _, r := range tally.reasons.sorted() {
		words = append(words, count(tally.reasons[r])+" "+r.words())
	}
	wantWords := []string{
		"2 skipped: dead, the job is a dead letter (unknown_app; app: is not configured)",
		"1 expired: Unregistered (status 410), Invalid token [APNSInvalidTokenError, code 8]: delete the token",
		"1 failed: BadDeviceToken (status 400), Invalid token [APNSInvalidTokenError, code 8]: check that token, topic and environment (production or sandbox) belong together",
		"1 uncertain: connection lost, it may or may not have arrived",
	}
	if diff := cmp.Diff(wantWords, words); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTallySeesAnIDThatIsTaken(t *testing.T) {
	t.Parallel()
	tally := newTally([]planned{{ID: "a", App: "default", Recipients: 2, Fingerprint: "f-other"}})
	over := tally.add(segment("a", func(e *results.Event) { e.Sent, e.Recipients = 5, 5 }))
	if !over || !tally.done() || tally.totals.Sent != 0 {
		t.Errorf("over %t, done %t, %d sent", over, tally.done(), tally.totals.Sent)
	}
	if diff := cmp.Diff([]string{"a"}, tally.taken.reused); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// An id stays with its content: whoever is told to publish again is told that too.
func TestRemediesAskForANewID(t *testing.T) {
	t.Parallel()
	for _, action := range []results.Action{results.ActionFixPayload, results.ActionRetry} {
		if words := remedy(action); !strings.Contains(words, "with a new id") {
			t.Errorf("%s: %s", action, words)
		}
	}
}

func TestReasonsOfEveryAction(t *testing.T) {
	t.Parallel()
	for _, action := range []results.Action{
		results.ActionDeleteToken, results.ActionCheckEnvironment, results.ActionFixCredential,
		results.ActionFixPayload, results.ActionSlowDown, results.ActionRetry,
	} {
		if remedy(action) == "" {
			t.Errorf("%s has no words", action)
		}
	}
	if got := (reason{Kind: "failed", Reason: "X", Action: results.ActionNone}).words(); got != "failed: X" {
		t.Errorf("without an action: %q", got)
	}
	for _, why := range []results.Why{results.SkippedExpired, results.SkippedCancelled, results.SkippedDead} {
		if skippedWords(why) == string(why) {
			t.Errorf("%s has no words", why)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 12345: "12,345", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	for n, want := range map[float64]string{0: "0", 0.1: "0.1", 9.94: "9.9", 10: "10", 12345.6: "12,345"} {
		if got := pace(n); got != want {
			t.Errorf("%g: %q", n, got)
		}
	}
}

func TestEventLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		event *results.Event
		want  string
	}{
		{"small job", segment("promo-7", func(e *results.Event) { e.Recipients, e.Sent, e.Done = 3, 3, true }), "promo-7: sent 3 of 3"},
		{
			"with a note", segment("PUSH_JOBS-7-abc", func(e *results.Event) {
				e.Recipients, e.Sent, e.Done, e.Detail = 3, 3, true, `its id "promo-7" belongs to another job`
			}),
			`PUSH_JOBS-7-abc: sent 3 of 3; its id "promo-7" belongs to another job`,
		},
		{"everything", segment("promo-7", func(e *results.Event) {
			e.Recipients, e.Sent, e.Segment, e.Segments, e.Round = 1000, 993, 2, 12, 1
			e.Failures = []results.Failure{badToken(1), badToken(2)}
			e.ExpiredTokens = []results.ExpiredToken{gone(3)}
			e.CanonicalIDs = []results.CanonicalID{{Index: 4, OldID: "5ec7e7", NewID: "5ec7e7"}}
			e.Uncertain = []results.Uncertain{{Index: 5, Token: "5ec7e7", Reason: "timeout"}}
			e.Skipped = []results.Skipped{{Indexes: jobs.Indexes{6, 7}, Why: results.SkippedExpired}}
			e.Retry = &results.Retry{At: batchTime.Add(7 * time.Second), Indexes: jobs.Indexes{8}}
		}), "promo-7 segment 3 of 12 round 1: sent 993 of 1,000, 2 failed BadDeviceToken, 2 skipped expired, 1 expired Unregistered, 1 uncertain timeout, 1 new registration ID, 1 again at 10:00:07Z"},
		{"job done", segment("promo-7", func(e *results.Event) {
			e.Kind, e.Totals = results.KindJobDone, &results.Totals{Recipients: 12000, Sent: 11990, Failures: 10, Retries: 4, CanonicalIDs: 1}
		}), "promo-7 done: sent 11,990 of 12,000, 10 failed, 1 with a new registration ID, 4 retried"},
		{"dead", segment("PUSH_JOBS-7-abc", func(e *results.Event) {
			e.Kind, e.App = results.KindDead, "_"
			e.Dead = &results.Dead{Reason: "invalid", Faults: []jobs.Fault{{Field: "badge", Problem: "must be a whole number"}}}
		}), "PUSH_JOBS-7-abc dead letter: invalid; badge: must be a whole number; publish the corrected job with a new id"},
		{"dead, for another reason", segment("promo-7", func(e *results.Event) { e.Kind, e.Dead = results.KindDead, &results.Dead{Reason: "poison"} }), "promo-7 dead letter: poison"},
		{"published twice", segment("promo-7", func(e *results.Event) { e.Kind = results.KindDuplicateJob }), "promo-7 was published again; its first run counts"},
	}
	for _, test := range tests {
		want := "2026-11-23T10:00:00.123Z apns/" + test.event.App + " " + test.want
		if got := eventLine(test.event); got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, want)
		} else if strings.Contains(got, "5ec7e7") {
			t.Errorf("%s: a token is shown: %s", test.name, got)
		}
	}
	credential := &results.Event{Kind: results.KindCredential, Platform: jobs.GCM, App: "shop", State: "rejected", Detail: "replace the key.", At: batchTime}
	if got := eventLine(credential); got != "2026-11-23T10:00:00.123Z gcm/shop credential rejected: replace the key." {
		t.Error(got)
	}
}
