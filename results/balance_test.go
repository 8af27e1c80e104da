package results

import (
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
)

// An event that balances, and each single change that must break it.
func TestBalancedRules(t *testing.T) {
	for name, c := range map[string]struct {
		from   string
		change func(*Event)
		want   string
	}{
		"a recipient too many":        {"segment", func(e *Event) { e.Recipients++ }, "1001 recipients"},
		"a recipient too few":         {"segment", func(e *Event) { e.Recipients-- }, "999 recipients"},
		"sent is a wrong remainder":   {"segment", func(e *Event) { e.Sent-- }, "1000 recipients"},
		"a failure lost":              {"segment", func(e *Event) { e.Failures = nil }, "1000 recipients"},
		"an expired token lost":       {"segment", func(e *Event) { e.ExpiredTokens = nil }, "1000 recipients"},
		"an uncertain one lost":       {"segment", func(e *Event) { e.Uncertain = nil }, "1000 recipients"},
		"skipped lost":                {"segment", func(e *Event) { e.Skipped = nil }, "1000 recipients"},
		"retry lost":                  {"segment", func(e *Event) { e.Retry = nil }, "1000 recipients"},
		"a retried one lost":          {"segment", func(e *Event) { e.Retry.Indexes = e.Retry.Indexes[1:] }, "1000 recipients"},
		"negative sent":               {"segment", func(e *Event) { e.Sent = -1 }, "negative"},
		"negative recipients":         {"segment", func(e *Event) { e.Recipients = -1 }, "negative"},
		"failed and expired":          {"segment", func(e *Event) { e.Failures[0].Index = 3040 }, "index 3040 is in failures and in expired_tokens"},
		"expired and uncertain":       {"segment", func(e *Event) { e.Uncertain[0].Index = 3040 }, "index 3040"},
		"uncertain and skipped":       {"segment", func(e *Event) { e.Uncertain[0].Index = 3061 }, "index 3061"},
		"skipped and going on":        {"segment", func(e *Event) { e.Skipped[0].Indexes = jobs.Indexes{3080, 3090, 3091} }, "index 3080"},
		"skipped twice":               {"segment", func(e *Event) { e.Skipped[0].Indexes = jobs.Indexes{3060, 3060, 3062} }, "index 3060"},
		"an empty group of skipped":   {"segment", func(e *Event) { e.Skipped = append(e.Skipped, Skipped{}) }, "empty"},
		"below the segment":           {"segment", func(e *Event) { e.Failures[0].Index = 2 }, "not in [3, 4000)"},
		"above the segment":           {"segment", func(e *Event) { e.Failures[0].Index = 4000 }, "not in [3, 4000)"},
		"a canonical id of a failure": {"segment", func(e *Event) { e.CanonicalIDs = []CanonicalID{{Index: 3017}}; e.Totals.CanonicalIDs++ }, "index 3017"},
		"an accepted failure":         {"segment", func(e *Event) { e.Accepted[0].Index = 3017 }, "index 3017"},
		"accepted twice":              {"segment", func(e *Event) { e.Accepted = append(e.Accepted, e.Accepted[0]) }, "index 3000"},
		"accepted out of range":       {"segment", func(e *Event) { e.Accepted[0].Index = -1 }, "index -1"},
		"more accepted ids than sent": {"segment_last", func(e *Event) { e.Accepted = []AcceptedID{{Index: 1}, {Index: 2}} }, "2 accepted ids"},
		"more canonical ids than sent": {"segment_last", func(e *Event) {
			e.CanonicalIDs = append(e.CanonicalIDs, CanonicalID{Index: 1})
		}, "canonical ids"},
		"retry names nobody":        {"segment_last", func(e *Event) { e.Retry = &Retry{At: e.At} }, "names nobody"},
		"retry has no time":         {"segment", func(e *Event) { e.Retry.At = time.Time{} }, "no time"},
		"done, but going on":        {"segment", func(e *Event) { e.Done = true }, "done"},
		"a group names a stranger":  {"segment", func(e *Event) { e.Retry.Groups[0].Indexes = jobs.Indexes{3071} }, "3071"},
		"two groups name the same":  {"segment", func(e *Event) { e.Retry.Groups[0].Indexes = jobs.Indexes{3070, 3080} }, "3080"},
		"no group names one":        {"segment", func(e *Event) { e.Retry.Groups[1].Indexes = jobs.Indexes{3080, 3081} }, "1 of retry.indexes"},
		"totals with a wrong sum":   {"segment", func(e *Event) { e.Totals.Sent-- }, "totals"},
		"totals of something else":  {"segment", func(e *Event) { e.Totals.Retries = 9 }, "round 0"},
		"negative totals":           {"segment_last", func(e *Event) { e.Totals.Retries = -2 }, "negative"},
		"totals without the event":  {"segment_last", func(e *Event) { e.Totals.Failures, e.Totals.Sent = 0, 5 }, "less than"},
		"outside a one-segment job": {"segment_last", func(e *Event) { e.Failures[0].Index = 5 }, "not in [0, 5)"},
		"a dead recipient lost":     {"dead", func(e *Event) { e.Skipped[0].Indexes = jobs.Indexes{0} }, "3 recipients"},
		"a dead one out of range":   {"dead", func(e *Event) { e.Skipped[0].Indexes = jobs.Indexes{0, 3} }, "not in [0, 3)"},
		"a dead one twice":          {"dead", func(e *Event) { e.Skipped[0].Indexes = jobs.Indexes{0, 1} }, "index 1"},
		"job_done without totals":   {"job_done", func(e *Event) { e.Totals = nil }, "without totals"},
		"job_done with somebody":    {"job_done", func(e *Event) { e.Totals.Sent-- }, "settled"},
		"job_done of another size":  {"job_done", func(e *Event) { e.Recipients-- }, "11499"},
		"job_done that sent":        {"job_done", func(e *Event) { e.Sent = 1 }, "of its own"},
		"job_done that goes on":     {"job_done", func(e *Event) { e.Retry = &Retry{} }, "of its own"},
		"an alarm with recipients":  {"provider", func(e *Event) { e.Recipients = 1 }, "1 recipients"},
	} {
		e := example(t, c.from)
		if err := e.Balanced(); err != nil {
			t.Fatalf("%s before the change: %v", c.from, err)
		}
		c.change(e)
		if err := e.Balanced(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something with %q", name, err, c.want)
		}
	}
}

func TestBalancedAtTheLimits(t *testing.T) {
	retry := func(segment, segments, round int, indexes ...int) *Event {
		return &Event{
			Kind: KindSegment, Segment: segment, Segments: segments, Round: round, Recipients: len(indexes),
			Retry: &Retry{At: time.Unix(1, 0), Indexes: indexes},
		}
	}
	for name, c := range map[string]struct {
		event *Event
		want  bool
	}{
		"last of segment 0":            {retry(0, 2, 0, 999), true},
		"first of segment 1":           {retry(0, 2, 0, 1000), false},
		"last of a later round":        {retry(0, 1, 1, maxRecipients-1), true},
		"after the last":               {retry(0, 1, 1, maxRecipients), false},
		"only recipient":               {retry(0, 1, 0, 0), true},
		"second of one":                {retry(0, 1, 0, 1), false},
		"an unnumbered segment":        {retry(0, 0, 0, 0), true},
		"a segment beyond every limit": {retry(1<<30, 1<<31, 0, maxRecipients), false},
	} {
		if err := c.event.Balanced(); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAcceptedAndCanonicalOfOneRecipient(t *testing.T) {
	e := example(t, "segment_last")
	e.Accepted = []AcceptedID{{Index: 4, ID: "m"}}
	if err := e.Balanced(); err != nil {
		t.Error(err)
	}
}

func TestTotalsAddUpOverRounds(t *testing.T) {
	first := &Event{
		Kind: KindSegment, Segments: 1, Recipients: 5, Sent: 2, Failures: make([]Failure, 1), CanonicalIDs: make([]CanonicalID, 1),
		Retry: &Retry{At: time.Unix(1, 0), Indexes: jobs.Indexes{3, 4}},
	}
	second := &Event{
		Kind: KindSegment, Segments: 1, Round: 1, Recipients: 2, ExpiredTokens: []ExpiredToken{{Failure: Failure{Index: 3}}},
		Skipped: []Skipped{{Indexes: jobs.Indexes{4}, Why: SkippedExpired}},
	}
	var sum Totals
	sum.Add(first)
	sum.Add(second)
	want := Totals{Recipients: 5, Sent: 2, Failures: 1, ExpiredTokens: 1, CanonicalIDs: 1, Skipped: 1, Retries: 2}
	if sum != want || sum.Settled() != 5 {
		t.Errorf("%+v settled %d, want %+v", sum, sum.Settled(), want)
	}
	second.Totals = &sum
	if err := second.Balanced(); err != nil {
		t.Error(err)
	}
	job := sum
	job.AddTotals(Totals{Recipients: 1, Sent: 1, Failures: 2, ExpiredTokens: 3, CanonicalIDs: 4, Uncertain: 5, Skipped: 6, Retries: 7})
	if want := (Totals{Recipients: 6, Sent: 3, Failures: 3, ExpiredTokens: 4, CanonicalIDs: 5, Uncertain: 5, Skipped: 7, Retries: 9}); job != want {
		t.Errorf("%+v, want %+v", job, want)
	}
}
