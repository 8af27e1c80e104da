package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// clockSlack is how far the times of two events of the same moment may be apart: a worker's idea of the broker's time is that good.
const clockSlack = time.Second

// duplicate tells that a job came again under an id of its publisher's own, with the same body: nothing is sent, the first one counts. A delivery
// that may be the first one itself, again, says nothing. told is the first one's event, nil if only its plan or its waiting copy is known.
func (c *Core) duplicate(ctx context.Context, h held, told *results.Event) error {
	switch {
	case h.Stream != jobs.StreamJobs || !h.seg.Explicit:
		return nil
	case !h.Suspicious: // nobody had it before
	case h.Begun || told == nil || !h.Stored.After(told.At.Add(clockSlack)):
		return nil
	}
	e := newEvent(h.seg, results.KindDuplicateJob, c.Clock.Now())
	e.Segment, e.Segments, e.Recipients, e.Requeued, e.Worker = 0, 0, 0, false, c.Worker
	e.Round = int(h.Sequence) //nolint:gosec // sequences are far below
	e.SetID()
	if _, err := c.Events.Commit(ctx, e); err != nil {
		return fmt.Errorf("telling of the duplicate of job %s: %w", h.seg.JobID, err)
	}
	return nil
}
