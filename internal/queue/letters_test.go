package queue

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// died is the letter of a whole job of PUSH_JOBS, as a worker lays it.
func died(t *testing.T, id, reason, fields string) pipeline.Letter {
	t.Helper()
	body := []byte(`{"id":"` + id + `","message":"hi"` + fields + `,"ids":["` + strings.Repeat("ab", 32) + `","` + strings.Repeat("cd", 32) + `"]}`)
	e := eventOf(segment(t, id, 2), "w")
	e.Kind, e.Sent, e.Totals, e.Fingerprint = results.KindDead, 0, &results.Totals{Recipients: 2, Skipped: 2}, jobs.Fingerprint(body)
	e.Skipped = []results.Skipped{{Indexes: jobs.Indexes{0, 1}, Why: results.SkippedDead}}
	e.Dead = &results.Dead{
		Reason: reason, Stream: jobs.StreamJobs, Sequence: 7, Faults: []jobs.Fault{{Field: "app", Problem: "nobody knows it, größer"}},
	}
	return pipeline.Letter{
		Platform: jobs.APNS, App: e.App, Subject: "push.apns.high", Published: time.Date(2026, 11, 23, 9, 0, 0, 5, time.UTC), Event: e, Body: body,
	}
}

// bury stores the letter and returns its sequence.
func bury(t *testing.T, c *Conn, l pipeline.Letter) uint64 {
	t.Helper()
	if err := c.Bury(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	last, err := c.lastOn(t.Context(), jobs.StreamDead, "push.dead.>")
	if err != nil {
		t.Fatal(err)
	}
	return last.Sequence
}

func TestLetterTellsItsStory(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	l := died(t, "one", "unknown_app", "")
	l.Header = map[string][]string{"Volley-Requeues": {"99"}, "volley-subject": {"x"}, "Traceparent": {"00-1"}}
	l.Event.Uncertain = []results.Uncertain{{Index: 1}}
	l.Event.Campaign = "spring"
	sequence := bury(t, c, l)
	got, err := c.DeadLetter(t.Context(), sequence)
	if err != nil {
		t.Fatal(err)
	}
	if got.Stored.IsZero() || time.Since(got.Stored) > time.Minute {
		t.Errorf("stored %s", got.Stored)
	}
	want := &DeadLetter{
		Sequence: sequence, Stored: got.Stored, Platform: jobs.APNS, App: "default", Reason: "unknown_app", Event: "apns.default.one.0.0", Job: "one",
		Campaign: "spring", Stream: jobs.StreamJobs, Subject: "push.apns.high", StreamSequence: 7, Published: l.Published, Segment: "0", Round: 0,
		Recipients: 2, Uncertain: 1, Faults: l.Event.Dead.Faults, Size: len(l.Body), Body: l.Body, Header: got.Header,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Header["Traceparent"] == nil {
		t.Errorf("the publisher's own headers are lost: %v", got.Header)
	}
	if _, err := c.DeadLetter(t.Context(), 0); !errors.Is(err, ErrNoLetter) {
		t.Errorf("number 0: %v", err)
	}
	if _, err := c.DeadLetter(t.Context(), sequence+1); !errors.Is(err, ErrNoLetter) {
		t.Error(err)
	}
}

func TestLettersByFilter(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	var sequences []uint64
	for i, l := range []pipeline.Letter{
		died(t, "a", "invalid", ""), died(t, "b", "unknown_app", ""), died(t, "c", "unknown_app", ""), died(t, "d", "unknown_app", ""),
	} {
		if i == 3 {
			l.Platform, l.App, l.Event.Platform, l.Event.App = jobs.GCM, "shop", jobs.GCM, "shop"
			l.Event.SetID()
		}
		sequences = append(sequences, bury(t, c, l))
	}
	for name, test := range map[string]struct {
		filter DeadFilter
		want   string
	}{
		"all":                    {DeadFilter{}, "abcd"},
		"platform":               {DeadFilter{Platform: jobs.GCM}, "d"},
		"app":                    {DeadFilter{App: "default"}, "abc"},
		"reason":                 {DeadFilter{Reason: "unknown_app"}, "bcd"},
		"job":                    {DeadFilter{Job: "b"}, "b"},
		"app and reason":         {DeadFilter{App: "default", Reason: "unknown_app"}, "bc"},
		"nobody":                 {DeadFilter{Platform: jobs.GCM, App: "default"}, ""},
		"another reason":         {DeadFilter{Reason: "poison"}, ""},
		"the oldest two":         {DeadFilter{Limit: 2}, "ab"},
		"as many as there are":   {DeadFilter{Limit: 4}, "abcd"},
		"the oldest of a reason": {DeadFilter{Limit: 1, Reason: "unknown_app"}, "b"},
		"younger than an hour":   {DeadFilter{NewerThan: time.Hour}, "abcd"},
		"older than an hour":     {DeadFilter{OlderThan: time.Hour}, ""},
		"without bodies":         {DeadFilter{HeadersOnly: true}, "abcd"},
	} {
		got := ""
		err := c.DeadLetters(t.Context(), test.filter, func(l DeadLetter) error {
			got += l.Job
			if (l.Body == nil) != test.filter.HeadersOnly || l.Size == 0 {
				t.Errorf("%s: %d bytes of %d", name, len(l.Body), l.Size)
			}
			return nil
		})
		if err != nil || got != test.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, test.want)
		}
	}
	count := func(filter DeadFilter) (n int) {
		if err := c.DeadLetters(t.Context(), filter, func(DeadLetter) error { n++; return nil }); err != nil {
			t.Error(err)
		}
		return n
	}
	until(t, "all are older than a moment", func() bool { return count(DeadFilter{OlderThan: time.Millisecond}) == 4 })
	until(t, "none is younger than a moment", func() bool { return count(DeadFilter{NewerThan: time.Millisecond}) == 0 })
	broken := errors.New("broken")
	if err := c.DeadLetters(t.Context(), DeadFilter{}, func(DeadLetter) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the error of fn: %v", err)
	}

	if err := c.DropLetter(t.Context(), sequences[1]); err != nil {
		t.Fatal(err)
	}
	if err := c.DropLetter(t.Context(), sequences[1]); !errors.Is(err, ErrNoLetter) {
		t.Errorf("dropped twice: %v", err)
	}
	if n := messages(t, c, jobs.StreamDead); n != 3 {
		t.Errorf("%d letters", n)
	}
	loseBroker(t, s, c)
	if _, err := c.DeadLetter(t.Context(), sequences[0]); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
	if err := c.DropLetter(t.Context(), sequences[0]); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
	if err := c.DeadLetters(t.Context(), DeadFilter{OlderThan: 1}, nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
}

func TestLettersWithoutStream(t *testing.T) {
	t.Parallel()
	c := connect(t, startServer(t, natsembed.Options{}))
	for name, err := range map[string]error{
		"load":    second(c.DeadLetter(t.Context(), 1)),
		"drop":    c.DropLetter(t.Context(), 1),
		"requeue": second(c.Requeue(t.Context(), 1, RequeueOptions{})),
		"age":     c.DeadLetters(t.Context(), DeadFilter{NewerThan: time.Hour}, nil),
	} {
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "start a worker") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A letter from before there were so many headers, or one that somebody wrote by hand.
func TestReadLetterIsLenient(t *testing.T) {
	h := nats.Header{
		HeaderReason: {"invalid"}, HeaderEvent: {"apns"}, HeaderSequence: {"-1"}, HeaderRecipients: {"many"}, HeaderFaults: {"{"},
		jobs.HeaderPublished: {"yesterday"}, jobs.HeaderRequeues: {"99999999999999999999"},
	}
	got, err := readLetter("push.dead.apns._", 5, time.Time{}, h, []byte("x"))
	want := &DeadLetter{Sequence: 5, Platform: jobs.APNS, App: "_", Reason: "invalid", Event: "apns", Header: h, Size: 1, Body: []byte("x")}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := readLetter("push.dead.apns", 5, time.Time{}, nil, nil); err == nil {
		t.Error("a message of another form is a letter")
	}
}

// The broker stores at most 64 KiB of headers. A letter that it refused would come back for ever.
func TestLetterShedsHeadersUntilItFits(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	fill := func(to int, l *pipeline.Letter, name string) int {
		l.Header = map[string][]string{name: {""}}
		msg, err := deadMsg(*l)
		if err != nil {
			t.Fatal(err)
		}
		return to - headerBytes(msg.Header)
	}
	for name, test := range map[string]struct {
		over int
		kept bool
	}{"at the limit": {0, true}, "one byte more": {1, false}} {
		l := died(t, strings.ReplaceAll(name, " ", "-"), "invalid", "")
		room := fill(maxHeaders, &l, "X-Own")
		l.Header = map[string][]string{"X-Own": {strings.Repeat("x", room+test.over)}}
		got, err := c.DeadLetter(t.Context(), bury(t, c, l))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, kept := got.Header["X-Own"]; kept != test.kept || got.Reason != "invalid" || len(got.Faults) != 1 {
			t.Errorf("%s: kept %v, %+v", name, kept, got)
		}
	}
	l := died(t, "work", "payload", "")
	l.Event.Dead.Stream = jobs.StreamWork
	l.Header = map[string][]string{
		jobs.HeaderTries: {strings.Repeat("t", 40_000)}, jobs.HeaderPrior: {strings.Repeat("p", 40_000)}, jobs.HeaderPositions: {"1-2"}, "X-Own": {"x"},
	}
	got, err := c.DeadLetter(t.Context(), bury(t, c, l))
	if err != nil {
		t.Fatal(err)
	}
	have := func(name string) bool { return got.Header[name] != nil }
	if have(jobs.HeaderPrior) || have("X-Own") || !have(jobs.HeaderTries) || !have(jobs.HeaderPositions) || len(got.Faults) != 1 {
		t.Error("not the least important was shed")
	}
}

func TestFaultsOfALetterAreCut(t *testing.T) {
	faults := make([]jobs.Fault, 51)
	for i := range faults {
		faults[i] = jobs.Fault{Field: fmt.Sprintf("f%d", i), Problem: strings.Repeat("x", 500)}
	}
	text := faultsHeader(faults)
	if len(text) > maxFaultsHeader || !strings.Contains(text, "f24") || !strings.Contains(text, "and 26 more") {
		t.Errorf("%d bytes", len(text))
	}
	if text := faultsHeader(faults[:3]); strings.Contains(text, "more") {
		t.Error("a short list is cut")
	}
	if text := faultsHeader([]jobs.Fault{{Problem: strings.Repeat("x", maxFaultsHeader)}}); !strings.Contains(text, "and 1 more") {
		t.Error("one long fault is kept")
	}
}
