package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// send sends a segment, commits what became of it and does what follows.
func (c *Core) send(ctx context.Context, h held) error {
	if c.Draining.Err() != nil {
		return errNotBegun
	}
	switch {
	case c.cancelled(h):
		return c.cancel(ctx, h)
	case c.paused(h):
		return c.hold(ctx, h)
	}
	if h.Stream == jobs.StreamJobs && h.app.Rated() && !h.batch.Book() {
		return c.park(ctx, h) // it waits where it holds up nobody else's jobs
	}
	give, ok := c.share(h, weight(h.Delivery))
	if !ok {
		return c.park(ctx, h)
	}
	defer give()
	leave := c.breakers.of(h.seg.Job.Platform, h.seg.Job.App).enter(c.Clock.Now())
	if leave == nil {
		return c.park(ctx, h)
	}
	defer leave.close()
	if h.seg.Job.OnUncertain == jobs.OnUncertainReport {
		mine, err := c.claimOnce(ctx, h)
		if err != nil {
			return err
		}
		if !mine {
			return c.lost(ctx, h)
		}
	}
	release, ok := c.place(h)
	if !ok {
		return c.unbegun(h)
	}
	defer release()
	// The broker may have given the delivery to somebody else while it waited: then it is theirs.
	if !h.held() {
		return ErrStale
	}
	r := c.round(h)
	proceed := func() bool { return h.held() && !c.cancelled(h) }
	ready := r.ready(c.Clock.Now())
	if leave.probe && len(ready) > 0 {
		c.transmit(ctx, h, ready[:1], proceed, r.out)
		r.verdict = leave.judge(r.out, ready[:1], r.name, c.Clock.Now())
		c.tell(ctx, h, &r.verdict)
		if r.verdict.open {
			return c.probed(ctx, h, &r, ready[0])
		}
		ready = ready[1:]
	}
	if len(ready) > 0 {
		c.transmit(ctx, h, ready, proceed, r.out)
		if r.interrupted(h.held) {
			return ErrStale
		}
		r.verdict = leave.judge(r.out, ready, r.name, c.Clock.Now())
	}
	give()
	r.cancelled = c.cancelled(h)
	event := r.settle(c.Clock.Now(), c.Random)
	event.Worker = c.Worker
	if ctx.Err() != nil {
		// Told to stop at once. What is known is still told, or those who were reached would be sent to again.
		var cancel context.CancelFunc
		ctx, cancel = c.lastWords()
		defer cancel()
	}
	c.tell(ctx, h, &r.verdict)
	return c.commit(ctx, h, event)
}

// place waits for leave to send: while a commit is refused nothing new begins, and only so many segments are under way at once.
func (c *Core) place(h held) (release func(), ok bool) {
	if !c.commits.wait(c.Draining) {
		return nil, false
	}
	// Work of an app with a rate has slots of its own, which it may hold while it waits.
	if h.seg.Job.Recipients() == 1 || h.Stream == jobs.StreamWork && h.app.Rated() {
		return func() {}, c.Draining.Err() == nil
	}
	var high chan struct{}
	if h.seg.Lane == jobs.LaneHigh {
		high = c.high
	}
	select {
	case c.segments <- struct{}{}:
		return func() { <-c.segments }, true
	case high <- struct{}{}:
		return func() { <-high }, true
	case <-c.Draining.Done():
		return nil, false
	}
}

// park puts a delivery of an app that can't send now onto the app's own queue, as it is: neither round nor attempts change. It
// is not pulled from there before the breaker lets a probe through.
func (c *Core) park(ctx context.Context, h held) error {
	if h.seg.Whole {
		return c.keep(ctx, h, func() (bool, error) { return c.Work.Put(ctx, h.seg, time.Time{}, h.follows) })
	}
	// Refused means that a newer copy is alive: ours is one too many.
	if _, err := c.Work.Put(ctx, h.seg, time.Time{}, h.follows); err != nil {
		return fmt.Errorf("parking the segment: %w", err)
	}
	return nil
}

// probed ends a probe that failed. The recipient that was tried goes on with the others as if nothing had happened, unless it may have
// been reached and must not be sent to again: then that is said in an event.
func (c *Core) probed(ctx context.Context, h held, r *round, i int) error {
	if r.out[i].Class == sender.Uncertain && h.seg.Job.OnUncertain == jobs.OnUncertainReport {
		event := r.settle(c.Clock.Now(), c.Random)
		event.Worker = c.Worker
		return c.commit(ctx, h, event)
	}
	if h.seg.Job.OnUncertain == jobs.OnUncertainReport {
		c.disclaim(eventKey(h.seg).ID())
	}
	h.seg.Begun = h.seg.Begun || r.out[i].Class == sender.Uncertain
	return c.park(ctx, h)
}

// unbegun gives back a segment that has its turn but was not begun.
func (c *Core) unbegun(h held) error {
	if h.seg.Job.OnUncertain == jobs.OnUncertainReport {
		c.disclaim(eventKey(h.seg).ID())
	}
	return errNotBegun
}

// unsendable handles an error of Prepare: faults of the job bury it, anything else leaves it for later.
func (c *Core) unsendable(ctx context.Context, h held, err error) error {
	if faults, ok := errors.AsType[jobs.Faults](err); ok {
		return c.bury(ctx, h, results.DeadPayload, faults)
	}
	return fmt.Errorf("preparing the segment: %w", err)
}

// interrupted says whether the sending was cut short because the delivery is not ours any more: who was not reached is the new
// owner's to send to, and so is the telling.
func (r *round) interrupted(held func() bool) bool {
	for i := range r.out {
		if r.out[i].Class == sender.Unsent {
			return !held()
		}
	}
	return false
}
