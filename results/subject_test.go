package results

import (
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
)

func TestSubjectOfEachKind(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 9, 59, 0, time.UTC)
	base := Event{Platform: jobs.APNS, App: "default", Job: "promo-7", Segment: 3, Round: 2, State: "opened", Reading: "0b5e7c1a-93d4", At: at}
	for kind, want := range map[Kind]string{
		KindSegment:      "push.results.apns.default.promo-7.3.2",
		KindDead:         "push.results.apns.default.promo-7.3.2",
		KindJobDone:      "push.results.apns.default.promo-7.done.0",
		KindDuplicateJob: "push.results.apns.default.promo-7.duplicate.2",
		KindCredential:   "push.results.apns.default._credential.opened.2992380",
		KindProvider:     "push.results.apns.default._provider.opened.2992380",
		KindFeedback:     "push.results.apns.default._feedback.0b5e7c1a-93d4.2",
	} {
		e := base
		e.Kind = kind
		if got := e.Subject(); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
		e.SetID()
		if k := e.Key(); SubjectOf(k.Platform, k.App, k.Job, k.Segment, k.Round) != want {
			t.Errorf("%s: SubjectOf makes another subject", kind)
		}
		if want := strings.TrimPrefix(want, "push.results."); e.ID != want {
			t.Errorf("%s: id %s, want %s", kind, e.ID, want)
		}
		key, err := ParseSubject(want)
		if err != nil || key != e.Key() {
			t.Errorf("%s: parsed as %+v, %v; want %+v", kind, key, err, e.Key())
		}
	}
}

func TestAlarmsShareASubjectForTenMinutes(t *testing.T) {
	subject := func(at time.Time) string {
		return (&Event{Kind: KindProvider, Platform: jobs.GCM, App: "a", State: "closed", At: at}).Subject()
	}
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	if subject(start) != subject(start.Add(10*time.Minute-1)) {
		t.Error("two subjects within one slot")
	}
	if subject(start) == subject(start.Add(10*time.Minute)) {
		t.Error("one subject for two slots")
	}
}

func TestParseSubjectRefuses(t *testing.T) {
	good := "push.results.apns.default.promo-7.3.2"
	if _, err := ParseSubject(good); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{
		"", "push.results", "push.results.", "push.work.apns.default.promo-7.3.2",
		good + ".1", strings.TrimSuffix(good, ".2"), good + "x", good + "\n",
		"push.results.web.default.promo-7.3.2",
		"push.results.apns..promo-7.3.2",
		"push.results.apns.default.*.3.2",
		"push.results.apns.default.promo-7.>.2",
		"push.results.apns.default.promo-7.03.2",
		"push.results.apns.default.promo-7.-3.2",
		"push.results.apns.default.promo-7.x.2",
		"push.results.apns.default.promo-7.99999999999.2",
		"push.results.apns.default.promo-7.3.02",
		"push.results.apns.default.promo-7.3.-2",
		"push.results.apns.default.promo-7.3.+2",
		"push.results.apns.default.promo-7.3.99999999999999999999",
	} {
		if key, err := ParseSubject(subject); err == nil {
			t.Errorf("%q was read as %+v", subject, key)
		}
	}
}

func FuzzParseSubject(f *testing.F) {
	f.Add("push.results.apns.default.promo-7.3.2")
	f.Add("push.results.gcm._._credential.rejected.2992380")
	f.Add("push.results.gcm.a.b.done.0")
	f.Fuzz(func(t *testing.T, subject string) {
		key, err := ParseSubject(subject)
		if err != nil {
			return
		}
		if key.Subject() != subject {
			t.Fatalf("%q became %q", subject, key.Subject())
		}
		id := key.ID()
		if !key.is(id) || key.is(id+"0") || key.is(id[:len(id)-1]) || key.is("") {
			t.Fatalf("%q is not told from what is like it", id)
		}
	})
}
