package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// refuse buries a job that can't be decoded, with as much of its identity as can be read.
func (c *Core) refuse(ctx context.Context, d Delivery, platform jobs.Platform, lane jobs.Lane, err error) error {
	var faults jobs.Faults
	if !errors.As(err, &faults) {
		faults = jobs.Faults{{Problem: err.Error()}}
	}
	seg := unread(d, platform, lane)
	return c.bury(ctx, held{Delivery: d, seg: seg}, results.DeadInvalid, faults)
}

// reused buries a job whose id belongs to another job. Its event can't be stored under that id, so it goes by the id it would
// have had without one. If both were sent before either was told of, and ours was told of first, the id is ours all the same.
func (c *Core) reused(ctx context.Context, h held) error {
	event, err := c.Events.Find(ctx, eventKey(h.seg).Subject())
	switch {
	case err != nil:
		return fmt.Errorf("looking for the event of the job: %w", err)
	case event != nil && event.Fingerprint == h.seg.Fingerprint && event.Segments == h.seg.Segments:
		return c.proceed(ctx, h, event)
	}
	fault := jobs.Fault{Field: "id", Problem: fmt.Sprintf("%q was used for a job with another body; publish the corrected job under a new id", h.seg.JobID)}
	h.seg = underOwnID(h)
	return c.bury(ctx, h, results.DeadIDReused, jobs.Faults{fault})
}

// toldElsewhere follows the event of a job that whoever had it before us told of by the id that it would have had without one, because another
// job was told of by its own first. It answers false if there is none.
func (c *Core) toldElsewhere(ctx context.Context, h held) (followed bool, err error) {
	if !h.seg.Explicit {
		return false, nil
	}
	own := h
	own.seg = underOwnID(h)
	event, err := c.Events.Find(ctx, eventKey(own.seg).Subject())
	switch {
	case err != nil:
		return false, fmt.Errorf("looking for an event of the job under another id: %w", err)
	case event == nil || event.Fingerprint != h.seg.Fingerprint:
		return false, nil
	}
	return true, c.proceed(ctx, own, event)
}

// underOwnID is the segment under the id that the job would have had without one.
func underOwnID(h held) *jobs.Segment {
	seg := *h.seg
	seg.JobID, _ = jobs.ResolveID("", "", h.Sequence, h.Stored)
	if h.Stream == jobs.StreamWork {
		seg.JobID = strings.Replace(seg.JobID, jobs.StreamJobs, jobs.StreamWork, 1)
	}
	return &seg
}

// bury commits the event of a dead letter; proceed then stores the letter itself, and only after that the delivery is
// acknowledged.
func (c *Core) bury(ctx context.Context, h held, reason string, faults jobs.Faults) error {
	e := newEvent(h.seg, results.KindDead, c.Clock.Now())
	e.Dead = &results.Dead{Reason: reason, Faults: faults, Stream: h.Stream, Sequence: h.Sequence}
	e.Worker = c.Worker
	e.Done = h.seg.Segments == 1
	// It may have killed its worker after the first byte, or somebody began with it who was heard of no more.
	begun := (reason == results.DeadPoison || h.seg.Begun) && (!h.seg.Whole || jobs.FitsOne(h.seg.Job, c.MaxPayload))
	var unsent jobs.Indexes
	for i := range e.Recipients {
		why := heardNothing
		if !begun {
			if why = h.lost(i); why == "" {
				unsent = append(unsent, h.seg.Position(i))
				continue
			}
		}
		e.Uncertain = append(e.Uncertain, results.Uncertain{Index: h.seg.Position(i), Token: h.seg.Job.Recipient(i), Reason: why})
	}
	if len(unsent) > 0 {
		e.Skipped = []results.Skipped{{Indexes: unsent, Why: results.SkippedDead}}
	}
	r := round{seg: h.seg}
	e.Totals = r.totals(e)
	return c.commit(ctx, h, e)
}

// lost is why an earlier round may have reached recipient i without knowing; "" if none did. Without the app nobody can tell what its last
// answer means.
func (h held) lost(i int) string {
	if h.seg.Tries == nil {
		return ""
	}
	last := h.seg.Tries[i].Reason
	if last != "" && h.app != nil && h.app.Reason(last).Class != sender.Uncertain {
		return ""
	}
	return last
}

// lay stores the letter that belongs to a dead event.
func (c *Core) lay(ctx context.Context, h held, event *results.Event) error {
	letter := Letter{
		Platform: event.Platform, App: event.App, Subject: h.Subject, Published: h.seg.Published, Header: h.Header, Body: h.Body, Event: event,
	}
	if err := c.Dead.Bury(ctx, letter); err != nil {
		return fmt.Errorf("storing the dead letter of %s: %w", event.ID, err)
	}
	return nil
}
