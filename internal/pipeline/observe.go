package pipeline

import (
	"context"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

// Sending is one call of a provider, for a whole segment or for the one recipient that probes.
type Sending struct {
	Platform jobs.Platform
	// App is one that this worker has.
	App string
	// Recipients is how many were sent to.
	Recipients int
	// Took is how long it was from the call to the last outcome.
	Took time.Duration
	// First says that nobody of them was sent to before, as far as is known: it is no later round, no requeued dead letter and no
	// delivery that somebody else may have begun.
	First bool
	// Suspicious says that somebody else may have begun with the delivery, so that these recipients may be reached twice.
	Suspicious bool
	// Age is how long the job had waited when the call began: since it was published, or since its deliver_at.
	Age time.Duration
}

// transmit has the segment's batch send to the recipients, and tells the observer.
func (c *Core) transmit(ctx context.Context, h held, recipients []int, proceed func() bool, out []sender.Outcome) {
	begun := c.Clock.Now()
	h.batch.Send(ctx, recipients, proceed, out)
	c.sent(h, len(recipients), begun)
}

// sent tells the observer that recipients of the delivery were sent to.
func (c *Core) sent(h held, recipients int, begun time.Time) {
	due := h.seg.Published
	if h.seg.Job.DeliverAt.After(due) {
		due = h.seg.Job.DeliverAt
	}
	// The clock is the broker's, which may be set between two looks.
	c.Observer.Sent(Sending{
		Platform: h.seg.Job.Platform, App: h.seg.Job.App, Recipients: recipients, Took: max(c.Clock.Now().Sub(begun), 0),
		First: h.seg.Round == 0 && !h.seg.Requeued && !h.Suspicious, Suspicious: h.Suspicious, Age: max(begun.Sub(due), 0),
	})
}

// Segments is how many segments with more than one recipient are being sent now, and how many may be. Safe for concurrent use.
func (c *Core) Segments() (underWay, most int) {
	return len(c.segments) + len(c.high), cap(c.segments) + cap(c.high)
}

// BreakerState is the state of one app's breaker on one platform.
type BreakerState struct {
	// Open says that its jobs wait.
	Open bool
	// Cause is the provider's reason for which it opened; nil while it is closed.
	Cause *sender.Reason
	// Until is when the next recipient may be tried.
	Until time.Time
}

// Breaker is the state of the app's breaker. Safe for concurrent use.
func (c *Core) Breaker(platform jobs.Platform, app string) BreakerState {
	b := c.breakers.of(platform, app)
	b.mu.Lock()
	defer b.mu.Unlock()
	return BreakerState{Open: b.cause != nil, Cause: b.cause, Until: b.until}
}
