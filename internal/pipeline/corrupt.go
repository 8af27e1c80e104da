package pipeline

import (
	"context"
	"fmt"
	"strconv"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// corruptReason is the reason of a recipient whose segment can't be read any more.
const corruptReason = "SegmentCorrupt"

// corrupt settles a work message that can't be read. Who its recipients are is said by the event of the round before, or by the
// plan of the split: they fail, with their index and without their token, and the message becomes a dead letter.
func (c *Core) corrupt(ctx context.Context, d Delivery, cause error) error {
	tail, err := jobs.ParseTail(d.Subject)
	if err != nil {
		return fmt.Errorf("a work message can't be read: %w", err)
	}
	e := &results.Event{
		V: results.Version, Kind: results.KindDead, Platform: tail.Platform, App: tail.App, Job: tail.Job, Segments: 1, Round: tail.Round,
		At: c.Clock.Now().UTC(), Worker: c.Worker,
		Dead: &results.Dead{Reason: results.DeadCorrupt, Faults: []jobs.Fault{{Problem: cause.Error()}}, Stream: d.Stream, Sequence: d.Sequence},
	}
	if tail.Segment != jobs.SegmentAll {
		if e.Segment, err = strconv.Atoi(tail.Segment); err != nil {
			return fmt.Errorf("a work message has no segment number: %w", err)
		}
	}
	if err := c.recall(ctx, tail, e); err != nil {
		return err
	}
	e.Recipients = len(e.Failures)
	if e.Totals == nil {
		e.Totals = &results.Totals{}
	}
	e.Totals.Add(e)
	e.Done = e.Segments == 1
	e.SetID()
	job := jobs.Identify(tail.Platform, nil)
	job.App = tail.App
	seg := &jobs.Segment{Job: job, JobID: tail.Job, Lane: tail.Lane, Number: e.Segment, Segments: e.Segments, Round: tail.Round, Fingerprint: e.Fingerprint}
	return c.commit(ctx, held{Delivery: d, seg: seg, follows: d.Sequence}, e)
}

// recall puts the recipients of an unreadable segment into its event.
func (c *Core) recall(ctx context.Context, tail jobs.Tail, e *results.Event) error {
	fail := func(index int) {
		e.Failures = append(e.Failures, results.Failure{Index: index, Reason: corruptReason, Action: results.ActionNone})
	}
	if tail.Round > 0 {
		before, err := c.Events.Find(ctx, results.SubjectOf(tail.Platform, tail.App, tail.Job, strconv.Itoa(e.Segment), tail.Round-1))
		if err != nil {
			return fmt.Errorf("looking for the event before the unreadable segment: %w", err)
		}
		if before == nil || before.Retry == nil {
			return nil
		}
		e.Segments, e.Campaign, e.Fingerprint, e.Totals = before.Segments, before.Campaign, before.Fingerprint, before.Totals
		for _, index := range before.Retry.Indexes {
			fail(index)
		}
		return nil
	}
	plan, err := c.Status.FindPlan(ctx, tail.Platform, tail.App, tail.Job)
	if err != nil {
		return fmt.Errorf("looking for the plan of the unreadable segment: %w", err)
	}
	if tail.Segment == jobs.SegmentAll || e.Segment >= plan.Segments() {
		return nil
	}
	e.Segments, e.Campaign, e.Fingerprint = plan.Segments(), plan.Campaign, plan.Fingerprint
	for index := plan.Bounds[e.Segment]; index < plan.Bounds[e.Segment+1]; index++ {
		fail(index)
	}
	return nil
}
