package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

// heldWithoutDeadline is how long a paused segment whose job has no deadline is put aside at a time.
const heldWithoutDeadline = 365 * 24 * time.Hour

// cancelled says whether people have cancelled the delivery.
func (c *Core) cancelled(h held) bool { return c.Control.Orders().Cancel(h.seg) }

// paused says whether people have paused the delivery. What is over its deadline has nothing to wait for: it is told as expired.
func (c *Core) paused(h held) bool {
	orders := c.Control.Orders()
	if orders == nil || !orders.Pause(h.seg) {
		return false
	}
	deadline := h.batch.Deadline()
	return deadline.IsZero() || c.Clock.Now().Before(deadline)
}

// hold puts a paused delivery aside, as it is, where nobody pulls it: a schedule for its deadline, which whoever withdraws the pause
// turns into work. So it holds up no other job of its app, and it is told of in time if the pause outlasts it.
func (c *Core) hold(ctx context.Context, h held) error {
	until := h.batch.Deadline()
	if until.IsZero() {
		until = c.Clock.Now().Add(heldWithoutDeadline)
	}
	put := func() (bool, error) { return c.Work.Hold(ctx, h.seg, until, h.follows) }
	var err error
	if h.seg.Whole {
		err = c.keep(ctx, h, put)
	} else if _, err = put(); err != nil { // refused means that a newer copy is alive: ours is one too many
		err = fmt.Errorf("putting the segment aside: %w", err)
	}
	if err != nil || c.Control.Orders().Pause(h.seg) {
		return err
	}
	return c.hasten(ctx, h.seg) // withdrawn meanwhile, or cancelled
}

// hasten turns a schedule that was just made into work: whoever turned all others into work may not have seen it.
func (c *Core) hasten(ctx context.Context, seg *jobs.Segment) error {
	if err := c.Work.Hasten(ctx, seg); err != nil {
		return fmt.Errorf("turning a schedule into work: %w", err)
	}
	return nil
}

// cancel gives everybody in a cancelled delivery a final place.
func (c *Core) cancel(ctx context.Context, h held) error {
	if h.seg.Job.OnUncertain == jobs.OnUncertainReport {
		mine, err := c.claimOnce(ctx, h)
		if err != nil {
			return err
		}
		if !mine {
			return c.lost(ctx, h) // somebody may have sent to them
		}
	}
	if !h.held() {
		return ErrStale
	}
	r := c.round(h)
	r.cancelled = true
	event := r.settle(c.Clock.Now(), c.Random)
	event.Worker = c.Worker
	return c.commit(ctx, h, event)
}

// round begins a round of the delivery's segment. Without its app nobody in it can go on.
func (c *Core) round(h held) round {
	r := round{seg: h.seg, app: h.app, out: make([]sender.Outcome, h.seg.Job.Recipients()), cancelled: h.app == nil || c.cancelled(h)}
	if h.batch != nil {
		r.deadline = h.batch.Deadline()
	}
	return r
}

// uncontrolled is the Control of a core that nobody gives orders.
type uncontrolled struct{}

func (uncontrolled) Ready(ctx context.Context) bool { return ctx.Err() == nil }
func (uncontrolled) Orders() *Orders                { return nil }
