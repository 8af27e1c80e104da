package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// heardNothing is the reason of a recipient that somebody else may have sent to, who then was heard of no more.
const heardNothing = "SenderLost"

// claimPause is the pause before a claim of unknown outcome is looked at again.
const claimPause = 200 * time.Millisecond

// claimOnce makes a segment of a job with on_uncertain "report" ours before its first byte is sent. It answers false if somebody
// claimed it before: then nobody may send it any more.
func (c *Core) claimOnce(ctx context.Context, h held) (mine bool, err error) {
	key := eventKey(h.seg).ID()
	owner := c.Worker + " " + c.Nonce()
	for {
		claim, err := c.Claims.Claim(ctx, key)
		if err != nil {
			return false, fmt.Errorf("claiming the segment: %w", err)
		}
		if claim.Owner != "" {
			// Our own name: the write whose answer was lost did happen.
			return claim.Owner == owner, nil
		}
		claim.Owner = owner
		if _, stored, err := c.Claims.PutClaim(ctx, key, claim); err == nil && stored {
			return true, nil
		} else if err != nil {
			c.Observer.Trouble("claiming segment "+key, err, true)
			if c.Wait(ctx, claimPause) != nil {
				return false, fmt.Errorf("claiming the segment: %w", err)
			}
		}
	}
}

// disclaim takes back a claim under which nothing was sent.
func (c *Core) disclaim(key string) {
	ctx, cancel := c.lastWords()
	defer cancel()
	claim, err := c.Claims.Claim(ctx, key)
	if err == nil {
		err = c.Claims.DropClaim(ctx, key, claim.Revision)
	}
	if err != nil {
		c.Observer.Trouble("taking back the claim of "+key, err, false)
	}
}

// lost gives up on a segment that somebody else claimed and did not report on. That one may still be at it, so its event is
// waited for as long as a delivery can be its own; then every recipient that was due is uncertain.
func (c *Core) lost(ctx context.Context, h held) error {
	if err := c.Wait(c.Draining, c.AckWait); err != nil {
		return errNotBegun
	}
	event, err := c.Events.Find(ctx, eventKey(h.seg).Subject())
	if err != nil {
		return fmt.Errorf("looking for the segment's event: %w", err)
	}
	if event != nil {
		return c.follow(ctx, h, event)
	}
	r := c.round(h)
	now := c.Clock.Now()
	senderLost := &sender.Reason{Name: heardNothing, Class: sender.Uncertain, Action: results.ActionNone}
	for _, i := range r.due(now) { // whoever claimed them had time left
		r.out[i] = sender.Failed(senderLost, 0)
	}
	e := r.settle(now, c.Random)
	e.Worker = c.Worker
	return c.commit(ctx, h, e)
}
