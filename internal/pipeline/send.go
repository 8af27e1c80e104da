package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

// send sends a segment, commits what became of it and does what follows.
func (c *Core) send(ctx context.Context, h held) error {
	if h.seg.Job.OnUncertain == jobs.OnUncertainReport {
		mine, err := c.claimOnce(ctx, h)
		if err != nil {
			return err
		}
		if !mine {
			return c.lost(ctx, h)
		}
	}
	n := h.seg.Job.Recipients()
	if n > 1 {
		select {
		case c.segments <- struct{}{}:
			defer func() { <-c.segments }()
		case <-c.Draining.Done():
			return c.unbegun(h)
		}
	}
	if c.Draining.Err() != nil {
		return c.unbegun(h)
	}
	// The broker may have given the delivery to somebody else while it waited: then it is theirs.
	if !h.held() {
		return ErrStale
	}
	now := c.Clock.Now()
	round := round{seg: h.seg, app: h.app, deadline: h.batch.Deadline(), out: make([]sender.Outcome, n)}
	if ready := round.ready(now); len(ready) > 0 {
		h.batch.Send(ctx, ready, h.held, round.out)
		if round.interrupted(h.held) {
			return ErrStale
		}
		now = c.Clock.Now()
	}
	event := round.settle(now, c.Random)
	event.Worker = c.Worker
	if ctx.Err() != nil {
		// Told to stop at once. What is known is still told, or those who were reached would be sent to again.
		var cancel context.CancelFunc
		ctx, cancel = c.lastWords()
		defer cancel()
	}
	return c.commit(ctx, h, event)
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
	var faults jobs.Faults
	if errors.As(err, &faults) {
		return c.bury(ctx, h, deadPayload, faults)
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
