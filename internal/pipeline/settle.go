package pipeline

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// round is one sending of a segment: who is sent to, and what became of it. All of it is pure.
type round struct {
	seg *jobs.Segment
	// app is nil if this worker does not have it: then the round is cancelled.
	app App
	// deadline is when the provider should no longer be asked; zero allows one attempt and no retry.
	deadline time.Time
	// out is parallel to the segment's recipients; sender.Unset for those this round did not send to.
	out []sender.Outcome
	// verdict is what the app's breaker made of the outcomes.
	verdict verdict
	// cancelled says that people have cancelled the job: nobody goes on.
	cancelled bool
}

// nearlyDue is how early a recipient may be sent to again with others: the broker's clock, which fires the schedule, and our idea
// of it differ a little, and a round that sends to nobody is worth nothing.
const nearlyDue = time.Second

// ready lists who is sent to now: everybody whose time has come, unless the deadline has passed.
func (r *round) ready(now time.Time) []int {
	if r.late(now) {
		return nil
	}
	return r.due(now)
}

// due lists everybody whose time has come, also if it is over.
func (r *round) due(now time.Time) []int {
	due := make([]int, 0, len(r.out))
	for i := range r.out {
		if !r.try(i).NotBefore.After(now.Add(nearlyDue)) {
			due = append(due, i)
		}
	}
	return due
}

// name tells a recipient apart from those of other jobs.
func (r *round) name(i int) string { return r.seg.JobID + "/" + strconv.Itoa(r.seg.Position(i)) }

func (r *round) late(now time.Time) bool { return !r.deadline.IsZero() && !now.Before(r.deadline) }

func (r *round) try(i int) jobs.Try {
	if r.seg.Tries == nil {
		return jobs.Try{}
	}
	return r.seg.Tries[i]
}

// settle gives every recipient its place in one event. random jitters the retries.
func (r *round) settle(now time.Time, random func() float64) *results.Event {
	e := newEvent(r.seg, results.KindSegment, now)
	next := retries{round: r, now: now, random: random}
	var skipped jobs.Indexes
	for i := range r.out {
		out := &r.out[i]
		if out.Class != sender.Unset {
			e.Attempt = max(e.Attempt, r.try(i).Attempts+1)
		}
		switch out.Class {
		case sender.Accepted:
			r.accept(e, i)
		case sender.Expired:
			token := results.ExpiredToken{Failure: r.failure(i, out.Reason, out.Status)}
			if !out.Timestamp.IsZero() {
				token.Timestamp, token.TimestampMS = out.Timestamp.Unix(), out.Timestamp.UnixMilli()
			}
			e.ExpiredTokens = append(e.ExpiredTokens, token)
		case sender.Rejected, sender.BadJob:
			e.Failures = append(e.Failures, r.failure(i, out.Reason, out.Status))
		case sender.Transient, sender.Throttled, sender.Unsent, sender.Uncertain, sender.Credential:
			if r.cancelled || !next.take(i) {
				r.giveUp(e, i, &skipped)
			}
		default: // not sent to in this round: not due yet, or too late
			if r.cancelled || !next.ride(i) {
				r.unreached(e, i, &skipped)
			}
		}
	}
	if len(skipped) > 0 {
		why := results.SkippedExpired
		if r.cancelled {
			why = results.SkippedCancelled
		}
		e.Skipped = append(e.Skipped, results.Skipped{Indexes: skipped, Why: why})
	}
	e.Retry = next.retry()
	e.Totals = r.totals(e)
	e.Done = e.Retry == nil && r.seg.Segments == 1
	return e
}

func (r *round) accept(e *results.Event, i int) {
	e.Sent++
	out := &r.out[i]
	if out.CanonicalID != "" {
		e.CanonicalIDs = append(e.CanonicalIDs, results.CanonicalID{
			Index: r.seg.Position(i), OldID: r.seg.Job.Recipient(i), NewID: out.CanonicalID,
		})
	}
	if out.ProviderID != "" && r.app.MessageIDs() {
		e.Accepted = append(e.Accepted, results.AcceptedID{Index: r.seg.Position(i), ID: out.ProviderID})
	}
}

// giveUp places a recipient that can't be tried again: its last answer is what it failed with. One that was certainly never
// reached, in this round or an earlier one, ran out of time; one whose answer was lost stays uncertain.
func (r *round) giveUp(e *results.Event, i int, skipped *jobs.Indexes) {
	out := &r.out[i]
	switch {
	case out.Class == sender.Uncertain:
		r.uncertain(e, i, out.Reason.Name)
	case out.Class == sender.Unsent && (r.cancelled || !r.deadline.IsZero()):
		r.unreached(e, i, skipped)
	default:
		e.Failures = append(e.Failures, r.failure(i, out.Reason, out.Status))
	}
}

// unreached places a recipient that was not sent to before its deadline passed or its job was cancelled, by what earlier rounds heard of
// it. If somebody began with this round and was heard of no more, that one may have reached it.
func (r *round) unreached(e *results.Event, i int, skipped *jobs.Indexes) {
	last := r.lastAnswer(i)
	switch {
	case last != nil && last.Class == sender.Uncertain:
		r.uncertain(e, i, last.Name)
	case r.seg.Begun && r.seg.Job.OnUncertain != jobs.OnUncertainReport: // a claim would tell
		r.uncertain(e, i, heardNothing)
	case last == nil:
		*skipped = append(*skipped, r.seg.Position(i))
	default:
		e.Failures = append(e.Failures, r.failure(i, last, r.try(i).Status))
	}
}

// lastAnswer is what earlier rounds heard of a recipient last, or that its answer was lost; nil if it was certainly never reached.
func (r *round) lastAnswer(i int) *sender.Reason {
	name := r.try(i).Reason
	switch {
	case name == "":
		return nil
	case r.app == nil: // nobody can tell what it means
		return &sender.Reason{Name: name, Class: sender.Uncertain}
	}
	if reason := r.app.Reason(name); reason.Class != sender.Unsent {
		return reason
	}
	return nil
}

func (r *round) uncertain(e *results.Event, i int, reason string) {
	e.Uncertain = append(e.Uncertain, results.Uncertain{Index: r.seg.Position(i), Token: r.seg.Job.Recipient(i), Reason: reason})
}

func (r *round) failure(i int, reason *sender.Reason, status int) results.Failure {
	return results.Failure{
		Index: r.seg.Position(i), Token: r.seg.Job.Recipient(i),
		Error: reason.Error, Code: reason.Code, Reason: reason.Name, Status: status,
		Description: reason.Description, Action: reason.Action,
	}
}

// totals adds the round to what the earlier rounds of the segment came to.
func (r *round) totals(e *results.Event) *results.Totals {
	var sum results.Totals
	if r.seg.Prior != nil {
		// Written by settle of the round before; an unreadable one was refused when the segment was decoded.
		_ = json.Unmarshal(r.seg.Prior, &sum)
	}
	sum.Add(e)
	return &sum
}

// newEvent makes the event of a segment with everything but its outcome.
func newEvent(seg *jobs.Segment, kind results.Kind, now time.Time) *results.Event {
	e := &results.Event{
		V: results.Version, Kind: kind,
		Platform: seg.Job.Platform, App: seg.Job.App, Job: seg.JobID, Campaign: seg.Job.Campaign,
		Segment: seg.Number, Segments: seg.Segments, Round: seg.Round, Recipients: seg.Job.Recipients(),
		Fingerprint: seg.Fingerprint, Requeued: seg.Requeued, At: now.UTC().Truncate(time.Millisecond),
	}
	e.SetID()
	return e
}

// eventKey is the key of the event of the segment's current round.
func eventKey(seg *jobs.Segment) results.Key {
	return results.Key{Platform: seg.Job.Platform, App: seg.Job.App, Job: seg.JobID, Segment: strconv.Itoa(seg.Number), Round: seg.Round}
}
