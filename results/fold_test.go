package results

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
)

// jobOf makes a job with the given ids.
func jobOf(platform jobs.Platform, ids ...string) *jobs.Job {
	job := &jobs.Job{Platform: platform, ID: "j", App: "default", Message: jobs.Message{Kind: jobs.MessageText, Text: "hi"}}
	for _, id := range ids {
		job.IDs = append(job.IDs, jobs.NewToken(id))
	}
	if platform == jobs.APNS {
		job.APNS = &jobs.APNSOptions{}
	} else {
		job.GCM = &jobs.GCMOptions{}
	}
	return job
}

// numbered makes n different ids, from t0 on.
func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("t%d", i)
	}
	return ids
}

func eventOf(platform jobs.Platform, segment, segments, round, recipients, sent int) *Event {
	e := &Event{
		V: Version, Kind: KindSegment, Platform: platform, App: "default", Job: "j", Segment: segment, Segments: segments,
		Round: round, Recipients: recipients, Sent: sent, Fingerprint: "f", At: time.Unix(int64(1000+10*round+segment), 0).UTC(),
	}
	e.SetID()
	return e
}

func badToken(index int) Failure {
	return Failure{
		Index: index, Error: "APNSInvalidTokenError", Code: "8", Reason: "BadDeviceToken", Status: 400, Description: "Invalid token",
		Action: ActionCheckEnvironment,
	}
}

func retryOf(indexes ...int) *Retry { return &Retry{At: time.Unix(2000, 0), Indexes: indexes} }

func mustFold(t *testing.T, job *jobs.Job, events ...*Event) *Response {
	t.Helper()
	r, err := Fold(job, events...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFoldAPNS(t *testing.T) {
	first := eventOf(jobs.APNS, 0, 1, 0, 7, 2)
	first.Failures = []Failure{badToken(5)}
	first.Uncertain = []Uncertain{{Index: 3, Token: "t3", Reason: "AnswerLost"}}
	first.Skipped = []Skipped{{Indexes: jobs.Indexes{6}, Why: SkippedExpired}}
	first.Retry = retryOf(1, 2)
	second := eventOf(jobs.APNS, 0, 1, 1, 2, 1)
	second.ExpiredTokens = []ExpiredToken{{Failure: badToken(1), Timestamp: 1795430000, TimestampMS: 1795430000123}}
	second.ExpiredTokens[0].Reason = "Unregistered"

	r := mustFold(t, jobOf(jobs.APNS, numbered(7)...), second, first, first)
	if r.GCM != nil || !r.Complete() {
		t.Errorf("GCM %v, pending %v", r.GCM, r.Pending)
	}
	wrong := &RecipientError{
		Index: 5, Name: "APNSInvalidTokenError", Code: "8", Description: "Invalid token", Reason: "BadDeviceToken", Status: 400, Action: ActionCheckEnvironment,
	}
	gone := &RecipientError{
		Index: 1, Name: "APNSInvalidTokenError", Code: "8", Description: "Invalid token", Reason: "Unregistered", Status: 400, Action: ActionCheckEnvironment,
		Expired: true, Since: time.UnixMilli(1795430000123).UTC(),
	}
	want := &APNSResponse{
		Tokens:      numbered(7),
		Message:     jobs.Message{Kind: jobs.MessageText, Text: "hi"},
		Errors:      []*RecipientError{wrong, gone}, // in the order in which they became known
		Failures:    []string{"t5", "t1"},
		Successes:   []string{"t0", "t2", "t4"},
		TokenErrors: map[string]*RecipientError{"t5": wrong, "t1": gone},
	}
	if diff := cmp.Diff(want, r.APNS); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Uncertain{{Index: 3, Token: "t3", Reason: "AnswerLost"}}, r.Uncertain); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Skipped{{Indexes: jobs.Indexes{6}, Why: SkippedExpired}}, r.Skipped); diff != "" {
		t.Error(diff)
	}
	if want := (Totals{Recipients: 7, Sent: 3, Failures: 1, ExpiredTokens: 1, Uncertain: 1, Skipped: 1, Retries: 2}); r.Totals != want {
		t.Errorf("%+v, want %+v", r.Totals, want)
	}
}

func TestFoldGCM(t *testing.T) {
	e := eventOf(jobs.GCM, 0, 1, 0, 4, 3)
	e.CanonicalIDs = []CanonicalID{{Index: 2, OldID: "t2", NewID: "n2"}}
	e.Failures = []Failure{{Index: 1, Error: "GCMServerError", Reason: "SomethingNew", Action: ActionNone}}
	r := mustFold(t, jobOf(jobs.GCM, numbered(4)...), e)
	want := &GCMResponse{
		RegistrationIDs: numbered(4),
		Successes:       []string{"t0", "t2", "t3"},
		Failures:        []string{"t1"},
		Errors:          []*RecipientError{{Index: 1, Name: "GCMServerError", Reason: "SomethingNew", Action: ActionNone}},
		CanonicalIDs:    []CanonicalID{{Index: 2, OldID: "t2", NewID: "n2"}},
	}
	if diff := cmp.Diff(want, r.GCM); diff != "" {
		t.Error(diff)
	}
	if r.APNS != nil || r.Totals.CanonicalIDs != 1 || r.Totals.Sent != 3 {
		t.Errorf("%+v", r)
	}
}

// The reference loses duplicates of a failed token, because it compares by value.
func TestFoldDuplicateTokens(t *testing.T) {
	e := eventOf(jobs.APNS, 0, 1, 0, 4, 2)
	late := badToken(3)
	late.Reason = "Unregistered"
	e.Failures = []Failure{badToken(1), late}
	r := mustFold(t, jobOf(jobs.APNS, "a", "a", "b", "a"), e).APNS
	if diff := cmp.Diff([]string{"a", "b"}, r.Successes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "a"}, r.Failures); diff != "" {
		t.Error(diff)
	}
	if len(r.TokenErrors) != 1 || r.TokenErrors["a"].Reason != "Unregistered" {
		t.Errorf("token_errors: %v", r.TokenErrors)
	}
}

// The reference's own tests of which of many fail: only those, and all others succeed, whatever the segments.
func TestFoldManySegments(t *testing.T) {
	ids := numbered(500)
	failing := []int{1, 5, 99, 150, 210}
	var events []*Event
	for segment := range 5 {
		e := eventOf(jobs.APNS, segment, 5, 0, 100, 100)
		for _, i := range failing {
			if i/100 == segment {
				e.Failures = append(e.Failures, badToken(i))
				e.Sent--
			}
		}
		events = append(events, e)
	}
	slices.Reverse(events)
	r := mustFold(t, jobOf(jobs.APNS, ids...), events...).APNS
	want := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(failing, func(i int) bool { return ids[i] == id })
	})
	if diff := cmp.Diff(want, r.Successes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"t1", "t5", "t99", "t150", "t210"}, r.Failures); diff != "" {
		t.Error(diff)
	}
}

func TestFoldErrorsInTheOrderInWhichTheyBecameKnown(t *testing.T) {
	late, early := eventOf(jobs.APNS, 0, 2, 0, 2, 1), eventOf(jobs.APNS, 1, 2, 0, 2, 0)
	late.At = early.At.Add(time.Second)
	late.Failures, early.Failures = []Failure{badToken(1)}, []Failure{badToken(2), badToken(3)}
	r := mustFold(t, jobOf(jobs.APNS, numbered(4)...), late, early).APNS
	if diff := cmp.Diff([]string{"t2", "t3", "t1"}, r.Failures); diff != "" {
		t.Error(diff)
	}
}

func TestFoldMissingEvents(t *testing.T) {
	job := jobOf(jobs.APNS, numbered(6)...)
	s0, s1, s2 := eventOf(jobs.APNS, 0, 3, 0, 2, 2), eventOf(jobs.APNS, 1, 3, 0, 2, 1), eventOf(jobs.APNS, 2, 3, 0, 2, 1)
	s1.Failures, s2.Retry = []Failure{badToken(2)}, retryOf(5)
	s2again := eventOf(jobs.APNS, 2, 3, 1, 1, 1)
	for name, c := range map[string]struct {
		events  []*Event
		pending jobs.Indexes
		sent    []string
	}{
		"none":                         {nil, jobs.Indexes{0, 1, 2, 3, 4, 5}, []string{}},
		"the first":                    {[]*Event{s0}, jobs.Indexes{2, 3, 4, 5}, []string{"t0", "t1"}},
		"no retry yet":                 {[]*Event{s0, s1, s2}, jobs.Indexes{5}, []string{"t0", "t1", "t3", "t4"}},
		"all":                          {[]*Event{s0, s1, s2, s2again}, jobs.Indexes{}, []string{"t0", "t1", "t3", "t4", "t5"}},
		"a segment in the middle":      {[]*Event{s1}, jobs.Indexes{0, 1, 3, 4, 5}, []string{}},
		"the round before the last":    {[]*Event{s0, s1, s2again}, jobs.Indexes{4, 5}, []string{"t0", "t1", "t3"}},
		"the last round, nothing else": {[]*Event{s2again}, jobs.Indexes{0, 1, 2, 3, 4, 5}, []string{}},
	} {
		r := mustFold(t, job, c.events...)
		if diff := cmp.Diff(c.pending, r.Pending); diff != "" {
			t.Errorf("%s: pending %s", name, diff)
		}
		if diff := cmp.Diff(c.sent, r.APNS.Successes); diff != "" {
			t.Errorf("%s: successes %s", name, diff)
		}
	}
}

// A segment whose position is not known is filled in as soon as the numbers leave no other way.
func TestFoldFillsInWhatCanBeNobodyElse(t *testing.T) {
	job := jobOf(jobs.APNS, numbered(5)...)
	s0 := eventOf(jobs.APNS, 0, 2, 0, 2, 2)
	s1 := eventOf(jobs.APNS, 1, 2, 1, 1, 1) // its round 0, which failed the others, came as two rounds
	s1.Failures, s1.Recipients = []Failure{badToken(2), badToken(4)}, 3
	r := mustFold(t, job, s0, s1)
	if diff := cmp.Diff([]string{"t0", "t1", "t3"}, r.APNS.Successes); diff != "" {
		t.Error(diff)
	}
}

func TestFoldRequeuedDeadLetters(t *testing.T) {
	job := jobOf(jobs.APNS, numbered(4)...)
	dead := eventOf(jobs.APNS, 0, 1, 0, 4, 0)
	dead.Kind, dead.Dead = KindDead, &Dead{Reason: "poison"}
	dead.Skipped = []Skipped{{Indexes: jobs.Indexes{0, 1, 3}, Why: SkippedDead}}
	dead.Uncertain = []Uncertain{{Index: 2, Reason: "AnswerLost"}}
	r := mustFold(t, job, dead)
	if r.Totals.Skipped != 3 || r.Totals.Uncertain != 1 || !r.Complete() {
		t.Errorf("dead: %+v", r)
	}
	whole := eventOf(jobs.APNS, 0, 1, 1, 4, 3)
	whole.Requeued, whole.Failures = true, []Failure{badToken(2)}
	r = mustFold(t, job, dead, whole)
	if diff := cmp.Diff([]string{"t0", "t1", "t3"}, r.APNS.Successes); diff != "" || r.Totals.Skipped+r.Totals.Uncertain != 0 {
		t.Errorf("requeued: %+v %s", r.Totals, diff)
	}
	s0, s1 := eventOf(jobs.APNS, 0, 2, 1, 3, 3), eventOf(jobs.APNS, 1, 2, 1, 1, 0)
	s0.Requeued, s1.Requeued, s1.Failures = true, true, []Failure{badToken(3)}
	r = mustFold(t, job, s1, s0, dead)
	if diff := cmp.Diff([]string{"t0", "t1", "t2"}, r.APNS.Successes); diff != "" || r.Totals.Failures != 1 {
		t.Errorf("requeued and split: %+v %s", r.Totals, diff)
	}
	segment := eventOf(jobs.APNS, 1, 2, 0, 2, 0)
	segment.Kind, segment.Skipped = KindDead, []Skipped{{Indexes: jobs.Indexes{2, 3}, Why: SkippedDead}}
	again := eventOf(jobs.APNS, 1, 2, 1, 2, 2)
	again.Requeued = true
	r = mustFold(t, job, eventOf(jobs.APNS, 0, 2, 0, 2, 2), segment, again)
	if len(r.APNS.Successes) != 4 {
		t.Errorf("requeued segment: %+v", r.Totals)
	}
}

func TestFoldTargetAndOtherKinds(t *testing.T) {
	job := jobOf(jobs.GCM)
	topic := "news"
	job.GCM.Topic = &topic
	done := example(t, "job_done")
	r := mustFold(t, job, done, example(t, "provider"), eventOf(jobs.GCM, 0, 1, 0, 1, 1))
	if diff := cmp.Diff([]string{"news"}, r.GCM.Successes); diff != "" {
		t.Error(diff)
	}
}

func TestFoldRefuses(t *testing.T) {
	job := jobOf(jobs.APNS, numbered(2)...)
	change := func(change func(*Event)) []*Event {
		e := eventOf(jobs.APNS, 0, 1, 0, 2, 2)
		change(e)
		return []*Event{e}
	}
	other := eventOf(jobs.APNS, 0, 1, 1, 2, 2)
	other.Fingerprint = "g"
	split := eventOf(jobs.APNS, 1, 2, 0, 2, 2)
	for name, c := range map[string]struct {
		events []*Event
		want   string
	}{
		"another platform":           {change(func(e *Event) { e.Platform = jobs.GCM }), "does not belong"},
		"another app":                {change(func(e *Event) { e.App = "shop" }), "does not belong"},
		"another job":                {change(func(e *Event) { e.Job = "k" }), "does not belong"},
		"another body":               {[]*Event{eventOf(jobs.APNS, 0, 1, 0, 2, 2), other}, "two jobs"},
		"too many recipients":        {change(func(e *Event) { e.Recipients, e.Sent = 3, 3 }), "has 3 recipients"},
		"unbalanced":                 {change(func(e *Event) { e.Sent = 1 }), "balance"},
		"a stranger":                 {change(func(e *Event) { e.Segments, e.Sent, e.Failures = 2, 1, []Failure{badToken(2)} }), "recipient 2 of a job with 2"},
		"a stranger's canonical id":  {change(func(e *Event) { e.Segments, e.CanonicalIDs = 2, []CanonicalID{{Index: 9}} }), "recipient 9"},
		"a segment beyond the job":   {[]*Event{eventOf(jobs.APNS, 0, 2, 0, 1, 1), split}, "reaches index 2"},
		"a failure of somebody else": {[]*Event{eventOf(jobs.APNS, 0, 2, 0, 1, 1), {Kind: KindSegment, Platform: jobs.APNS, App: "default", Job: "j", Fingerprint: "f", Segment: 1, Segments: 2, Recipients: 1, Sent: 0, Failures: []Failure{badToken(1)}}, {Kind: KindSegment, Platform: jobs.APNS, App: "default", Job: "j", Fingerprint: "f", Segment: 0, Segments: 2, Round: 1, Requeued: true, Recipients: 1, Failures: []Failure{badToken(1)}}}, "counts 0 sent"},
	} {
		if _, err := Fold(job, c.events...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Fold(nil); err == nil {
		t.Error("no job is accepted")
	}
}

func TestRecipientErrorText(t *testing.T) {
	for want, e := range map[string]RecipientError{
		"APNSInvalidTokenError (code=8): Invalid token for identifier 3": {Index: 3, Name: "APNSInvalidTokenError", Code: "8", Description: "Invalid token"},
		"APNSTimeoutError: Timeout for identifier 0":                     {Name: "APNSTimeoutError", Description: "Timeout"},
		"APNSAuthError (InvalidProviderToken) for identifier 1":          {Index: 1, Name: "APNSAuthError", Reason: "InvalidProviderToken"},
		"GCMTimeoutError (code=Unavailable): Timeout for identifier 2":   {Index: 2, Name: "GCMTimeoutError", Code: "Unavailable", Description: "Timeout"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestExpiredTokenTime(t *testing.T) {
	for name, c := range map[string]struct {
		token ExpiredToken
		want  time.Time
	}{
		"milliseconds": {ExpiredToken{Timestamp: 1, TimestampMS: 1500}, time.UnixMilli(1500)},
		"seconds":      {ExpiredToken{Timestamp: 2}, time.Unix(2, 0)},
		"not said":     {ExpiredToken{}, time.Time{}},
	} {
		if got := newExpired(&c.token); !got.Since.Equal(c.want) || !got.Expired {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
