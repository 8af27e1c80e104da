package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// commit stores the event and follows what is stored. As long as the outcome of the publish is unknown the same event is
// published again on the same key: it is stored once, whoever wins.
func (c *Core) commit(ctx context.Context, h held, event *results.Event) error {
	earlier, err := c.store(ctx, event, h.seg.Published)
	if err != nil {
		return err
	}
	switch {
	case earlier == nil:
		return c.proceed(ctx, h, event)
	case earlier.Fingerprint == h.seg.Fingerprint:
		return c.proceed(ctx, h, earlier)
	case event.Kind == results.KindDead:
		return c.reused(ctx, h)
	}
	// Another job with our id was told of first, while ours was being sent. What became of ours is still told, unless somebody was faster who
	// found the other one before he sent.
	h.seg = underOwnID(h)
	event.Job, event.Detail = h.seg.JobID, fmt.Sprintf("its id %q belongs to another job", event.Job)
	event.SetID()
	if earlier, err = c.store(ctx, event, h.seg.Published); err != nil {
		return err
	}
	if earlier != nil {
		event = earlier
	}
	return c.proceed(ctx, h, event)
}

// firstPause and lastPause are the pauses between repetitions of a commit.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// store commits until the answer is certain. It returns the event that was there before ours, nil if ours is stored.
func (c *Core) store(ctx context.Context, event *results.Event, published time.Time) (*results.Event, error) {
	over := func() {}
	defer func() { over() }()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		earlier, err := c.Events.Commit(ctx, event)
		if err == nil {
			if earlier == nil {
				c.Observer.Committed(event, published)
			}
			return earlier, nil
		}
		if errors.Is(err, results.ErrNewer) {
			return nil, fmt.Errorf("event %s was written by a newer worker, which goes on with it: %w", event.ID, err)
		}
		if errors.Is(err, ErrRefused) {
			if !shrink(event) {
				return nil, fmt.Errorf("event %s can't be stored: %w", event.ID, err)
			}
			continue
		}
		if pause == firstPause {
			over = c.commits.trouble()
			c.Observer.Trouble("committing event "+event.ID, err, true)
		}
		if c.Wait(ctx, pause) != nil {
			return nil, fmt.Errorf("event %s is not committed: %w", event.ID, err)
		}
	}
}

// again goes on from an event that was there before anything was sent.
func (c *Core) again(ctx context.Context, h held, event *results.Event) error {
	if event.Fingerprint == h.seg.Fingerprint {
		if err := c.duplicate(ctx, h, event); err != nil {
			return err
		}
	}
	return c.follow(ctx, h, event)
}

// follow goes on from an event that somebody else stored: what it says holds, not our own outcome.
func (c *Core) follow(ctx context.Context, h held, event *results.Event) error {
	if event.Fingerprint != h.seg.Fingerprint {
		return c.reused(ctx, h)
	}
	return c.proceed(ctx, h, event)
}

// proceed does what follows from a stored event. Each step may be repeated by anybody.
func (c *Core) proceed(ctx context.Context, h held, event *results.Event) error {
	if event.Kind == results.KindDead {
		if err := c.lay(ctx, h, event); err != nil {
			return err
		}
	}
	if event.Retry != nil {
		seg, err := h.decoded() // whoever told that some go on had decoded the job
		if err != nil {
			return err
		}
		next, err := nextRound(seg, event)
		if err != nil {
			return err
		}
		if _, err := c.Work.Put(ctx, next, event.Retry.At, 0); err != nil {
			return fmt.Errorf("storing round %d: %w", next.Round, err)
		}
		if c.Control.Orders().Cancel(next) {
			return c.hasten(ctx, next)
		}
		return c.shelter(ctx, next)
	}
	if h.seg.Segments == 1 {
		return nil
	}
	progress, err := c.Status.Settle(ctx, event)
	if err != nil {
		return fmt.Errorf("updating the job's status: %w", err)
	}
	if progress.Settled < progress.Segments {
		return nil
	}
	return c.finish(ctx, h.seg, progress)
}

// finish stores the job_done event. Everybody who sees the last segment settled does it; one is stored.
func (c *Core) finish(ctx context.Context, seg *jobs.Segment, progress Progress) error {
	done := newEvent(seg, results.KindJobDone, c.Clock.Now())
	done.Segment, done.Round, done.Recipients = 0, 0, progress.Totals.Recipients
	done.Totals, done.Worker, done.Done = &progress.Totals, c.Worker, true
	done.SetID()
	_, err := c.store(ctx, done, seg.Published)
	return err
}

// nextRound builds the segment of the next round from the event, never from what this worker remembers.
func nextRound(seg *jobs.Segment, event *results.Event) (*jobs.Segment, error) {
	prior, err := json.Marshal(event.Totals)
	if err != nil {
		return nil, fmt.Errorf("carrying the totals of event %s: %w", event.ID, err)
	}
	at := make(map[int]jobs.Try, len(event.Retry.Indexes))
	for _, g := range event.Retry.Groups {
		for _, index := range g.Indexes {
			at[index] = jobs.Try{Attempts: g.Attempts, NotBefore: g.NotBefore, Reason: g.Reason, Status: g.Status}
		}
	}
	next := *seg
	next.Whole, next.Round, next.Prior, next.Body = false, event.Round+1, prior, nil
	next.Positions, next.Tries = nil, nil
	job := *seg.Job
	job.IDs, job.Vars = nil, nil
	for i := range seg.Job.Recipients() {
		position := seg.Position(i)
		try, goesOn := at[position]
		if !goesOn {
			continue
		}
		delete(at, position)
		next.Positions = append(next.Positions, position)
		next.Tries = append(next.Tries, try)
		if _, target := seg.Job.Target(); !target {
			job.IDs = append(job.IDs, seg.Job.IDs[i])
			if seg.Job.Vars != nil {
				job.Vars = append(job.Vars, seg.Job.Vars[i])
			}
		}
	}
	if len(at) > 0 || len(next.Positions) != len(event.Retry.Indexes) {
		return nil, fmt.Errorf("event %s retries recipients that this segment does not have", event.ID)
	}
	next.Job = &job
	return &next, nil
}

// shrink takes off an event what it can do without, because it is too large to be stored: what a segment holds is bounded so that
// its failures fit, but not what a provider answers beside them. It answers false if there is nothing more to take off.
func shrink(e *results.Event) bool {
	if e.Accepted != nil {
		e.Accepted = nil
		return true
	}
	shorter := false
	for i := range e.Failures {
		shorter = shorter || e.Failures[i].Description != ""
		e.Failures[i].Description = ""
	}
	for i := range e.ExpiredTokens {
		shorter = shorter || e.ExpiredTokens[i].Description != ""
		e.ExpiredTokens[i].Description = ""
	}
	fits := func(id results.CanonicalID) bool { return len(id.NewID) <= len(id.OldID)+jobs.EventPerRecipient/2 }
	before := len(e.CanonicalIDs)
	e.CanonicalIDs = slices.DeleteFunc(e.CanonicalIDs, func(id results.CanonicalID) bool { return !fits(id) })
	if dropped := before - len(e.CanonicalIDs); dropped > 0 {
		shorter = true
		e.Totals.CanonicalIDs -= dropped
	}
	return shorter
}
