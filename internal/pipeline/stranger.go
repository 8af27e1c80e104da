package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// stranger handles work of an app that this worker does not have. Replicas learn of an app at different times, so a job of it is put
// aside where a worker that has the app finds it at once: neither round nor attempts change. Only work that nobody has taken for the grace
// becomes a dead letter.
func (c *Core) stranger(ctx context.Context, h held) error {
	if c.cancelled(h) { // nobody needs the app for that
		if h.seg.Whole && !jobs.FitsOne(h.seg.Job, c.MaxPayload) {
			return c.split(ctx, h) // each segment has its event
		}
		return c.cancel(ctx, h)
	}
	switch {
	case h.Stream == jobs.StreamJobs && c.UnknownAppGrace > 0:
		if !h.held() {
			return ErrStale // whoever has it now may have the app, and must not find another copy of it beside
		}
		err := c.shelter(ctx, h.seg)
		if err == nil {
			if err = c.park(ctx, h); err == nil {
				err = c.shelter(ctx, h.seg)
			}
		}
		if !errors.Is(err, ErrCrowded) {
			return err
		}
	case h.Stream == jobs.StreamWork && !(h.Forsaken && c.Clock.Now().Sub(h.Stored) >= c.UnknownAppGrace):
		return errNotBegun // the app was taken away a moment ago, or it is early: others may have it
	}
	if h.seg.Job.OnUncertain == jobs.OnUncertainReport {
		claim, err := c.Claims.Claim(ctx, eventKey(h.seg).ID())
		if err != nil {
			return fmt.Errorf("looking for a claim of the segment: %w", err)
		}
		h.seg.Begun = h.seg.Begun || claim.Owner != ""
	}
	return c.giveUp(ctx, h, results.DeadUnknownApp, jobs.Faults{c.unknownApp(h)})
}

// shelter sees to it that work of an app that this worker does not have, or not any more, is found on PUSH_WORK.
func (c *Core) shelter(ctx context.Context, seg *jobs.Segment) error {
	if _, known := c.Apps.App(seg.Job.Platform, seg.Job.App); known {
		return nil
	}
	if err := c.Work.Shelter(ctx, seg.Job.Platform, seg.Job.App, seg.Lane); err != nil {
		return fmt.Errorf("sheltering work of an app that is not here: %w", err)
	}
	return nil
}

func (c *Core) unknownApp(h held) jobs.Fault {
	job := h.seg.Job
	known := c.Apps.Known(job.Platform)
	problem := fmt.Sprintf("no app %q has %s credentials here; known: %s", job.App, job.Platform, cmp.Or(strings.Join(known, ", "), "none"))
	switch {
	case h.Stream == jobs.StreamWork:
		problem += fmt.Sprintf("; no worker that has it came in %s", c.UnknownAppGrace)
	case c.UnknownAppGrace > 0:
		problem += "; it was not kept for a worker that has it, because work of too many unknown apps waits already"
	}
	return jobs.Fault{Field: "app", Problem: problem}
}

// giveUp buries what nobody is to begin any more. A whole job that is larger than a segment either was split, or never will be: a worker
// that is only slow may still be about to.
func (c *Core) giveUp(ctx context.Context, h held, reason string, faults jobs.Faults) error {
	if job := h.seg.Job; h.seg.Whole && !jobs.FitsOne(job, c.MaxPayload) {
		want := Plan{Fingerprint: h.seg.Fingerprint, Campaign: job.Campaign, Round: h.seg.Round, Dead: true, Bounds: []int{0, job.Recipients()}}
		plan, err := c.Status.Plan(ctx, job.Platform, job.App, h.seg.JobID, want)
		switch {
		case err != nil:
			return fmt.Errorf("giving the split of the job up: %w", err)
		case plan.Fingerprint != h.seg.Fingerprint:
			return c.reused(ctx, h)
		case plan.Dead:
		case plan.Round == h.seg.Round && reason == results.DeadPoison:
			return c.buryRest(ctx, h, plan, faults)
		case plan.Round == h.seg.Round:
			return c.split(ctx, h) // its segments wait by themselves
		}
	}
	return c.bury(ctx, h, reason, faults)
}
