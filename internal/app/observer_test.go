package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/obs"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

var observedAt = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// observed is an observer, what it writes at a level, and its clock.
func observed(level zerolog.Level) (o *observer, out *bytes.Buffer, now *time.Time) {
	out, now = &bytes.Buffer{}, &time.Time{}
	*now = observedAt
	o = newObserver(zerolog.New(out).Level(level), obs.NewMetrics(obs.Sources{}, zerolog.Nop()), provider.NewRegistry(), func() time.Time { return *now })
	return o, out, now
}

func failures(n int, reason string) []results.Failure {
	all := make([]results.Failure, n)
	for i := range all {
		all[i] = results.Failure{Token: "secret-token", Reason: reason}
	}
	return all
}

func TestObserverLines(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(*observer)
		want []string // one for each line, fields as they stand there
	}{
		"a job of one segment": {func(o *observer) {
			o.Committed(&results.Event{
				Kind: results.KindSegment, Platform: jobs.APNS, App: "shop", Job: "j", Campaign: "promo", Done: true, At: observedAt, Failures: failures(1, "BadTopic"),
				Totals: &results.Totals{Recipients: 3, Sent: 2, Failures: 1},
			}, observedAt.Add(-2*time.Second))
		}, []string{`"level":"info","platform":"apns","app":"shop","job":"j","campaign":"promo","recipients":3,"sent":2,"failed":1,"expired":0,"uncertain":0,"skipped":0,"reasons":{"BadTopic":1},"rounds":1,"took":2000,"message":"job done"`}},
		"a job with rounds tells the reasons of all of them": {func(o *observer) {
			o.Committed(&results.Event{Kind: results.KindSegment, Platform: jobs.APNS, App: "shop", Job: "j", Segments: 1, Recipients: 9, Failures: failures(3, "BadTopic"), Retry: &results.Retry{Indexes: []int{1}}}, observedAt)
			o.Committed(&results.Event{
				Kind: results.KindSegment, Platform: jobs.APNS, App: "shop", Job: "j", Round: 1, Done: true, At: observedAt, Failures: failures(1, "TooManyRequests"),
				Totals: &results.Totals{Recipients: 9, Sent: 5, Failures: 4},
			}, observedAt)
		}, []string{`"reasons":{"BadTopic":3,"TooManyRequests":1},"rounds":2`}},
		"a job of many segments, some of them sent by others": {func(o *observer) {
			o.Committed(&results.Event{Kind: results.KindSegment, Platform: jobs.APNS, App: "shop", Job: "big", Segments: 3, Failures: failures(2, "BadTopic")}, observedAt)
			o.Committed(&results.Event{Kind: results.KindJobDone, Platform: jobs.APNS, App: "shop", Job: "big", At: observedAt, Totals: &results.Totals{Recipients: 2500, Sent: 2490, Failures: 10}}, observedAt)
			o.Committed(&results.Event{Kind: results.KindJobDone, Platform: jobs.APNS, App: "shop", Job: "big", At: observedAt, Totals: &results.Totals{Recipients: 2500, Sent: 2500}}, observedAt)
		}, []string{`"sent":2490,"failed":10,"expired":0,"uncertain":0,"skipped":0,"reasons_here":{"BadTopic":2}`, `"sent":2500,"failed":0,"expired":0,"uncertain":0,"skipped":0,"rounds"`}},
		"a dead letter warns with its faults": {func(o *observer) {
			o.Committed(&results.Event{Kind: results.KindDead, Done: true, Dead: &results.Dead{Reason: "invalid", Faults: []jobs.Fault{{Field: "mesage", Problem: "unknown field"}}}}, observedAt)
		}, []string{`"level":"warn","reason":"invalid","faults":"mesage: unknown field"`}},
		"trouble that comes back":  {func(o *observer) { o.Trouble("push.apns", errors.New("broken"), false) }, []string{`"level":"warn","where":"push.apns","error":"broken","message":"this delivery comes back after the ack wait"`}},
		"trouble that is repeated": {func(o *observer) { o.Trouble("push.apns", errors.New("broken"), true) }, []string{`"message":"trying again"`}},
		"an outage warns": {func(o *observer) {
			o.News(&results.Event{Kind: results.KindProvider, App: "shop", State: "opened", Detail: "the provider is out"})
		}, []string{`"level":"warn","event":"","platform":"","app":"shop","state":"opened","message":"the provider is out"`}},
	} {
		t.Run(name, func(t *testing.T) {
			o, out, _ := observed(zerolog.InfoLevel)
			test.do(o)
			lines := strings.SplitAfter(out.String(), "\n")
			if len(lines)-1 != len(test.want) {
				t.Fatalf("%d lines, want %d: %s", len(lines)-1, len(test.want), out)
			}
			for i, want := range test.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("%s is not in %s", want, lines[i])
				}
			}
			if strings.Contains(out.String(), "secret") {
				t.Errorf("a recipient is named: %s", out)
			}
		})
	}
}

// A million jobs of one recipient are one line a minute, not a million.
func TestJobsOfOneRecipientAreSummedUp(t *testing.T) {
	o, out, _ := observed(zerolog.InfoLevel)
	for i := range 1000 {
		e := &results.Event{Kind: results.KindSegment, Platform: jobs.GCM, App: "shop", Job: fmt.Sprint(i), Done: true, Totals: &results.Totals{Recipients: 1, Sent: 1}}
		if i%100 == 0 {
			e.Totals, e.Failures = &results.Totals{Recipients: 1, Failures: 1}, failures(1, fmt.Sprintf("Word%d", i/200))
		}
		o.Committed(e, observedAt)
	}
	if out.Len() > 0 {
		t.Errorf("written before the sum: %s", out)
	}
	o.tellSums()
	want := `{"level":"info","platform":"gcm","app":"shop","jobs":1000,"sent":990,"failed":10,"expired":0,"uncertain":0,"skipped":0,` +
		`"reasons":{"Word0":2,"Word1":2,"Word2":2,"Word3":2,"Word4":2},"message":"jobs of one recipient done"}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	if o.tellSums(); out.Len() > 0 {
		t.Errorf("told twice: %s", out)
	}
	o, out, _ = observed(zerolog.DebugLevel)
	o.Committed(&results.Event{Kind: results.KindSegment, Platform: jobs.GCM, App: "shop", Job: "one", Done: true, Totals: &results.Totals{Recipients: 1, Sent: 1}}, observedAt)
	if !strings.Contains(out.String(), `"level":"debug"`) || !strings.Contains(out.String(), `"job":"one"`) {
		t.Errorf("at debug each has its line: %s", out)
	}
}

// What goes wrong a million times is told a few times a minute, with how often it was not told.
func TestWarningsAreSampled(t *testing.T) {
	o, out, now := observed(zerolog.InfoLevel)
	warn := func(n int) {
		for i := range n {
			o.Committed(&results.Event{Kind: results.KindDead, Platform: jobs.APNS, App: fmt.Sprintf("invented-%d", i), Dead: &results.Dead{Reason: "unknown_app"}}, observedAt)
			o.Trouble("push.apns", errors.New("broken"), true)
		}
	}
	warn(1000)
	if n := strings.Count(out.String(), "\n"); n != 2*burst {
		t.Errorf("%d lines, want %d of each kind", n, burst)
	}
	out.Reset()
	*now = now.Add(burstPeriod)
	warn(1)
	for line := range strings.Lines(out.String()) {
		var fields struct {
			NotWritten int `json:"not_written"`
		}
		if err := json.Unmarshal([]byte(line), &fields); err != nil || fields.NotWritten != 1000-burst {
			t.Errorf("%s %v", line, err)
		}
	}
}

func TestJobBookIsBounded(t *testing.T) {
	var b jobBook
	event := func(job string) *results.Event { return &results.Event{Job: job, Failures: failures(1, "BadTopic")} }
	for i := range maxBook + 1 {
		b.note(event(fmt.Sprint(i)))
	}
	if len(b.seen) != maxBook || len(b.order) != maxBook {
		t.Errorf("%d jobs in %d places", len(b.seen), len(b.order))
	}
	if s := b.take(event("0")); len(s.reasons) > 0 {
		t.Error("the first is still there")
	}
	if s := b.take(event("1")); s.reasons["BadTopic"] != 1 || len(b.seen) != maxBook-1 || len(b.order) != maxBook-1 {
		t.Errorf("%+v, %d left", s, len(b.seen))
	}
	s := jobSeen{}
	for i := range 2 * maxReasons {
		s.add(&results.Event{Failures: failures(1, fmt.Sprint(i))})
	}
	if len(s.reasons) != maxReasons+1 || s.reasons["other"] != maxReasons || s.failed() != 2*maxReasons {
		t.Errorf("%d reasons: %v", len(s.reasons), s.reasons)
	}
}
