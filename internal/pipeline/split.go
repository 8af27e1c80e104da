package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// split puts a job on PUSH_WORK in segments. The plan is stored before the first segment: whoever repeats a split that was
// cut off follows the same boundaries, whatever its own limits are. A segment that is finished already is put again and then
// found finished by the check before its send.
func (c *Core) split(ctx context.Context, h held) error {
	job := h.seg.Job
	want := Plan{Fingerprint: h.seg.Fingerprint, Campaign: job.Campaign, Round: h.seg.Round, Bounds: job.Split(c.MaxPayload)}
	plan, err := c.Status.Plan(ctx, job.Platform, job.App, h.seg.JobID, want)
	if err != nil {
		return fmt.Errorf("storing the plan of the split: %w", err)
	}
	if plan.Fingerprint != h.seg.Fingerprint {
		return c.reused(ctx, h)
	}
	if plan.Dead || plan.Round > h.seg.Round {
		return c.givenUp(ctx, h)
	}
	for i := range plan.Segments() {
		// Refused means that this segment's copy is alive: somebody was here before us.
		if _, err := c.Work.Put(ctx, h.seg.Sub(plan.Bounds, i), time.Time{}, 0); err != nil {
			return fmt.Errorf("storing segment %d of %d: %w", i, plan.Segments(), err)
		}
	}
	return c.shelter(ctx, h.seg)
}

// givenUp ends a split of a job that somebody took for poison while we were slow: its event says what holds.
func (c *Core) givenUp(ctx context.Context, h held) error {
	event, err := c.Events.Find(ctx, eventKey(h.seg).Subject())
	switch {
	case err != nil:
		return fmt.Errorf("looking for the event of the job: %w", err)
	case event != nil:
		return c.follow(ctx, h, event)
	}
	return c.bury(ctx, h, results.DeadPoison, jobs.Faults{{Problem: "its workers ended several times without finishing it; look at their logs before you requeue it"}})
}
