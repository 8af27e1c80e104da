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
	batch, err := h.app.Prepare(h.seg)
	if err != nil {
		return c.unsendable(ctx, h, err)
	}
	n := h.seg.Job.Recipients()
	if n > 1 {
		select {
		case c.segments <- struct{}{}:
			defer func() { <-c.segments }()
		case <-ctx.Done():
			return errNotBegun
		}
	}
	if ctx.Err() != nil {
		return errNotBegun
	}
	now := c.Clock.Now()
	round := round{seg: h.seg, app: h.app, deadline: batch.Deadline(), out: make([]sender.Outcome, n)}
	if ready := round.ready(now); len(ready) > 0 {
		batch.Send(ctx, ready, round.out)
		if ctx.Err() != nil {
			return fmt.Errorf("stopped while sending: %w", context.Cause(ctx))
		}
		now = c.Clock.Now()
	}
	event := round.settle(now, c.Random)
	event.Worker = c.Worker
	return c.commit(ctx, h, event)
}

// unsendable handles an error of Prepare: faults of the job bury it, anything else leaves it for later.
func (c *Core) unsendable(ctx context.Context, h held, err error) error {
	var faults jobs.Faults
	if errors.As(err, &faults) {
		return c.bury(ctx, h, deadPayload, faults)
	}
	return fmt.Errorf("preparing the segment: %w", err)
}
