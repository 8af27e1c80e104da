package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// ErrNotRequeued says that a letter can't be requeued as it is, and stays where it is. The text says why and what to do.
var ErrNotRequeued = errors.New("it can't be requeued")

// RequeueOptions are what a person can decide about a requeue.
type RequeueOptions struct {
	// ResendUncertain requeues a letter of a job with on_uncertain "report" although some of its recipients may have been reached
	// already. Without it such a letter is refused.
	ResendUncertain bool
}

// Requeued is what became of a letter.
type Requeued struct {
	// Segment is its new start.
	Segment *jobs.Segment
	// Before says that it had been requeued before, and the letter was only still there: nothing was published.
	Before bool
}

// Requeue gives the letter with that sequence a new start: its job or segment is published as its next round, once, and then
// the letter is removed. After an error it is still there, and repeating the requeue is harmless for as long as results are kept.
// Errors are ErrNoLetter, ErrNotRequeued and those of the broker.
func (c *Conn) Requeue(ctx context.Context, sequence uint64, o RequeueOptions) (*Requeued, error) {
	letter, err := c.DeadLetter(ctx, sequence)
	if err != nil {
		return nil, err
	}
	seg, err := nextLife(letter)
	if err == nil && letter.Uncertain > 0 && seg.Job.OnUncertain == jobs.OnUncertainReport && !o.ResendUncertain {
		err = fmt.Errorf("%w: %d of its recipients may have been reached already, and its job says \"on_uncertain\": \"report\", which promises that nobody is sent to twice", ErrNotRequeued, letter.Uncertain)
	}
	if err != nil {
		return nil, err
	}
	before, err := c.begun(ctx, seg)
	if err != nil {
		return nil, err
	}
	if !before {
		if err := c.served(ctx, seg.Tail()); err != nil {
			return nil, err
		}
		stored, err := c.Put(ctx, seg, time.Time{}, 0)
		if err != nil {
			return nil, err
		}
		before = !stored // a copy of this round is alive: somebody requeued it already
	}
	if err := c.DropLetter(ctx, sequence); err != nil && !errors.Is(err, ErrNoLetter) {
		return nil, fmt.Errorf("it is requeued, but still listed; drop it: %w", err)
	}
	return &Requeued{Segment: seg, Before: before}, nil
}

// begun says whether this round of the segment has its event already. It refuses a job whose id was used again since: their
// events would compete for the same keys.
func (c *Conn) begun(ctx context.Context, seg *jobs.Segment) (bool, error) {
	job := seg.Job
	last, err := c.lastOn(ctx, jobs.StreamResults, jobs.SubjectResults+"."+string(job.Platform)+"."+job.App+"."+seg.JobID+".*.*")
	if errors.Is(err, errAbsent) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if event, err := results.Decode(last.Data); err == nil && event.Fingerprint != seg.Fingerprint {
		return false, fmt.Errorf("%w: its id %q was used for a job with another body since; publish it again with an id of its own", ErrNotRequeued, seg.JobID)
	}
	event, err := c.Find(ctx, results.SubjectOf(job.Platform, job.App, seg.JobID, strconv.Itoa(seg.Number), seg.Round))
	if errors.Is(err, results.ErrNewer) {
		return true, nil
	}
	return event != nil, err
}

// served refuses work that nobody would take: PUSH_WORK has a consumer for each lane of each app that a worker was ever started with.
func (c *Conn) served(ctx context.Context, tail jobs.Tail) error {
	err := c.call(ctx, func(ctx context.Context) error {
		_, err := c.js.Consumer(ctx, jobs.StreamWork, jobs.WorkDurable(tail.Platform, tail.App, tail.Lane))
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("%w: no worker was started with %s credentials for app %q yet; configure it, start a worker, and requeue then", ErrNotRequeued, tail.Platform, tail.App)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return c.noStream(jobs.StreamWork)
	case err != nil:
		return explain("looking for the workers of app "+tail.App, err)
	}
	return nil
}

// nextLife makes the segment that a letter is requeued as: the round after the one that died, with totals that begin again.
func nextLife(letter *DeadLetter) (*jobs.Segment, error) {
	key, err := results.ParseID(letter.Event)
	if err != nil || letter.Subject == "" || key.Round >= math.MaxInt32 { // the last round that a subject can name
		return nil, fmt.Errorf("%w: an older version stored it and did not say enough about it; publish its body again (worker dead show %d --body)", ErrNotRequeued, letter.Sequence)
	}
	seg, err := letter.segment()
	if err != nil {
		return nil, err
	}
	if seg.JobID != key.Job || strconv.Itoa(seg.Number) != key.Segment {
		if !seg.Whole {
			return nil, fmt.Errorf("%w: it is a part of a job whose id %q belongs to another one; publish that job again with an id of its own", ErrNotRequeued, seg.JobID)
		}
		// Its own id belongs to another job: it goes by the one that its event has.
		seg.JobID, seg.Explicit = key.Job, false
	}
	seg.Round, seg.Requeued, seg.Requeues, seg.Prior = key.Round+1, true, letter.Requeues+1, nil
	seg.Begun = seg.Begun || letter.Uncertain > 0
	for i, try := range seg.Tries {
		// Whether it was tried, and what was heard of it, is still true of a recipient; how often and when do not count any more.
		seg.Tries[i] = jobs.Try{Attempts: min(try.Attempts, 1), Reason: try.Reason, Status: try.Status}
	}
	return seg, nil
}

// segment is what died, as its worker had it.
func (l *DeadLetter) segment() (*jobs.Segment, error) {
	if platform, lane, ok := jobs.ParseIntakeSubject(l.Subject); ok {
		job, err := jobs.Decode(platform, l.Body)
		if faults, ok := errors.AsType[jobs.Faults](err); ok {
			return nil, fmt.Errorf("%w: its job is wrong (%w); publish a corrected job, with an id of its own", ErrNotRequeued, faults)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotRequeued, err)
		}
		published := l.Published
		if published.IsZero() {
			published = l.Stored
		}
		seg := jobs.NewSegment(job, l.Body, lane, "", l.StreamSequence, published)
		seg.JobID, seg.Explicit = l.Job, !strings.HasPrefix(l.Job, jobs.StreamJobs)
		return seg, nil
	}
	seg, err := jobs.DecodeSegment(l.Subject, l.Header, l.Body)
	if errors.Is(err, jobs.ErrNewerSegment) {
		return nil, fmt.Errorf("%w by this version: %w; requeue it with a newer one", ErrNotRequeued, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its message can't be read (%w)", ErrNotRequeued, err)
	}
	return seg, nil
}
