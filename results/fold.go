package results

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/volleypush/volley/jobs"
)

// Fold rebuilds the reference's response from a job and its events. The events may come in any order, some twice, and
// with events of other kinds among them; job.IDs must be the job's original ids. A recipient whose event is missing is
// Pending. Fold fails for an event of another job, for one with another body than the rest, and for one that names a
// recipient that the job does not have.
func Fold(job *jobs.Job, events ...*Event) (*Response, error) {
	if job == nil {
		return nil, errors.New("folding events needs their job")
	}
	f := folding{
		job: job, outcome: make([]outcome, job.Recipients()),
		rounds: make(map[roundKey]*Event), first: make(map[roundKey]*Event),
	}
	ordered, err := f.gather(events)
	if err != nil {
		return nil, err
	}
	for _, e := range ordered {
		if err := f.add(e); err != nil {
			return nil, fmt.Errorf("folding event %s: %w", e.ID, err)
		}
	}
	f.complete()
	return f.response(), nil
}

// outcome is the last that is known of one recipient.
type outcome struct {
	place     place
	event     *Event
	err       *RecipientError
	reason    string
	why       Why
	canonical string
}

type place uint8

const (
	pending place = iota
	accepted
	failed
	uncertain
	skipped
)

// roundKey names one event of a segment. A job that died before it was split has segment 0 of 1, which is not the
// segment 0 of many that it may get when it is requeued.
type roundKey struct{ segments, segment, round int }

func keyOf(e *Event) roundKey { return roundKey{max(e.Segments, 1), e.Segment, e.Round} }

type folding struct {
	job     *jobs.Job
	outcome []outcome
	rounds  map[roundKey]*Event
	// first is the event that opens each segment: round 0, or the first after it was requeued whole.
	first   map[roundKey]*Event
	retries int
	// unplaced counts acceptances that can't be said to be anybody's yet.
	unplaced int
}

// gather picks the events that place recipients, each once, in the order of their rounds.
func (f *folding) gather(events []*Event) ([]*Event, error) {
	var ordered []*Event
	identity := func(e *Event) [4]string { return [4]string{string(e.Platform), e.App, e.Job, e.Fingerprint} }
	for _, e := range events {
		if e.Kind != KindSegment && e.Kind != KindDead {
			continue
		}
		if e.Platform != f.job.Platform || e.App != f.job.App {
			return nil, fmt.Errorf("event %s does not belong to the job: its platform and app are %s and %s", e.ID, e.Platform, e.App)
		}
		if f.job.ID != "" && e.Job != f.job.ID {
			return nil, fmt.Errorf("event %s does not belong to job %s", e.ID, f.job.ID)
		}
		if len(ordered) > 0 && identity(e) != identity(ordered[0]) {
			return nil, fmt.Errorf("events %s and %s belong to two jobs", ordered[0].ID, e.ID)
		}
		key := keyOf(e)
		if f.rounds[key] != nil {
			continue
		}
		f.rounds[key] = e
		ordered = append(ordered, e)
	}
	slices.SortFunc(ordered, func(a, b *Event) int {
		return cmp.Or(cmp.Compare(a.Round, b.Round), cmp.Compare(a.Segment, b.Segment), cmp.Compare(b.Recipients, a.Recipients))
	})
	for _, e := range ordered {
		key := keyOf(e)
		key.round = 0
		if f.first[key] == nil && (e.Round == 0 || e.Requeued) {
			f.first[key] = e
		}
	}
	return ordered, nil
}

// members lists whom the event is about. It answers false if that can't be told from the events at hand: an event names
// those who were accepted only by their number.
func (f *folding) members(e *Event) (jobs.Indexes, bool) {
	if e.Segments <= 1 && e.Recipients == len(f.outcome) {
		return span(0, e.Recipients), true
	}
	before := keyOf(e)
	before.round--
	if previous := f.rounds[before]; previous != nil {
		if previous.Retry != nil {
			return previous.Retry.Indexes, true
		}
		return f.members(previous) // a dead letter that was requeued
	}
	opening := keyOf(e)
	opening.round = 0
	if f.first[opening] != e {
		return nil, false
	}
	start := 0
	for opening.segment = range e.Segment {
		earlier := f.first[opening]
		if earlier == nil {
			return nil, false
		}
		start += earlier.Recipients
	}
	return span(start, e.Recipients), true
}

func span(start, n int) jobs.Indexes {
	out := make(jobs.Indexes, n)
	for i := range out {
		out[i] = start + i
	}
	return out
}

func (f *folding) add(e *Event) error {
	if err := e.Balanced(); err != nil {
		return err
	}
	if e.Recipients > len(f.outcome) {
		return fmt.Errorf("it has %d recipients, the job has %d", e.Recipients, len(f.outcome))
	}
	f.retries += e.retrying()
	if err := f.addNamed(e); err != nil {
		return err
	}
	for _, c := range e.CanonicalIDs {
		if err := f.set(c.Index, outcome{place: accepted, event: e, canonical: c.NewID}); err != nil {
			return err
		}
	}
	members, known := f.members(e)
	if !known {
		f.unplaced += e.Sent - len(e.CanonicalIDs)
		return nil
	}
	sent := 0
	for _, i := range members {
		if i >= len(f.outcome) {
			return fmt.Errorf("its segment reaches index %d, the job has %d recipients", i, len(f.outcome))
		}
		o := &f.outcome[i]
		if o.event != e {
			*o = outcome{place: accepted, event: e}
		}
		if o.place == accepted {
			sent++
		}
	}
	if sent != e.Sent {
		return fmt.Errorf("it counts %d sent, but leaves %d of its segment unnamed", e.Sent, sent)
	}
	return nil
}

// addNamed places every recipient whose index the event names.
func (f *folding) addNamed(e *Event) error {
	var errs []error
	for i := range e.Failures {
		x := &e.Failures[i]
		errs = append(errs, f.set(x.Index, outcome{place: failed, event: e, err: newError(x)}))
	}
	for i := range e.ExpiredTokens {
		x := &e.ExpiredTokens[i]
		errs = append(errs, f.set(x.Index, outcome{place: failed, event: e, err: newExpired(x)}))
	}
	for _, u := range e.Uncertain {
		errs = append(errs, f.set(u.Index, outcome{place: uncertain, event: e, reason: u.Reason}))
	}
	for _, s := range e.Skipped {
		for _, i := range s.Indexes {
			errs = append(errs, f.set(i, outcome{place: skipped, event: e, why: s.Why}))
		}
	}
	if e.Retry != nil {
		for _, i := range e.Retry.Indexes {
			errs = append(errs, f.set(i, outcome{place: pending, event: e}))
		}
	}
	return errors.Join(errs...)
}

func (f *folding) set(index int, o outcome) error {
	if index < 0 || index >= len(f.outcome) {
		return fmt.Errorf("it names recipient %d of a job with %d", index, len(f.outcome))
	}
	f.outcome[index] = o
	return nil
}

// complete gives the acceptances without an owner to whoever is left, if the numbers say that it can be nobody else.
func (f *folding) complete() {
	left := 0
	for i := range f.outcome {
		if f.outcome[i].place == pending {
			left++
		}
	}
	if left != f.unplaced {
		return
	}
	for i := range f.outcome {
		if f.outcome[i].place == pending {
			f.outcome[i].place = accepted
		}
	}
}
