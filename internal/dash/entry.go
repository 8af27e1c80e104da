package dash

import (
	"github.com/volleypush/volley/results"
)

// entryOf is an event in short.
func entryOf(e *results.Event, reasons map[string]int) Entry {
	entry := Entry{
		ID: e.ID, Kind: e.Kind, Platform: e.Platform, App: e.App, Job: e.Job, Campaign: e.Campaign, Segment: e.Segment, Segments: e.Segments,
		Round: e.Round, Attempt: e.Attempt, Recipients: e.Recipients, Counts: countsOf(e), State: e.State, Detail: e.Detail, Done: e.Done,
		At: e.At, Worker: e.Worker,
	}
	if e.Kind == results.KindJobDone && e.Totals != nil {
		entry.Counts = totalsOf(e.Totals)
	}
	most := 0
	for reason, n := range reasons {
		if n > most || n == most && reason < entry.Reason {
			entry.Reason, most = reason, n
		}
	}
	if e.Dead != nil {
		entry.Reason = e.Dead.Reason
	}
	return entry
}

// countsOf is where the recipients of an event have their places.
func countsOf(e *results.Event) Counts {
	c := Counts{Sent: count(e.Sent), Failed: count(len(e.Failures)), Expired: count(len(e.ExpiredTokens)), Uncertain: count(len(e.Uncertain))}
	for _, s := range e.Skipped {
		c.Skipped += count(len(s.Indexes))
	}
	if e.Retry != nil {
		c.Retried = count(len(e.Retry.Indexes))
	}
	return c
}

// totalsOf is the same of a whole job.
func totalsOf(t *results.Totals) Counts {
	return Counts{
		Sent: count(t.Sent), Failed: count(t.Failures), Expired: count(t.ExpiredTokens), Uncertain: count(t.Uncertain),
		Skipped: count(t.Skipped), Retried: count(t.Retries),
	}
}

// count is a number of recipients, which is never negative in an event that was stored.
func count(n int) uint64 { return uint64(max(n, 0)) }

// reasonsOf counts why recipients of an event did not get their push.
func reasonsOf(e *results.Event) map[string]int {
	var reasons map[string]int
	add := func(reason string, n int) {
		if reasons == nil {
			reasons = make(map[string]int)
		}
		reasons[cut(reason, maxName)] += n
	}
	for i := range e.Failures {
		add(e.Failures[i].Reason, 1)
	}
	for i := range e.ExpiredTokens {
		add(e.ExpiredTokens[i].Reason, 1)
	}
	for _, u := range e.Uncertain {
		add("uncertain: "+u.Reason, 1)
	}
	for _, s := range e.Skipped {
		add("skipped: "+string(s.Why), len(s.Indexes))
	}
	return reasons
}

// otherReasons stands for the reasons beyond maxReasons.
const otherReasons = "others"

func addReasons(to, from map[string]int) {
	for reason, n := range from {
		if _, ok := to[reason]; !ok && len(to) >= maxReasons {
			reason = otherReasons
		}
		to[reason] += n
	}
}
