package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// Params are what a Core is made of. All fields but Control and Observer are required.
type Params struct {
	Events Events
	Work   Work
	Status Status
	Dead   Dead
	Claims Claims
	Apps   Apps
	Clock  Clock
	// Control is what people have ordered; nil for nobody.
	Control Control
	// Observer learns what happened, for logs and metrics; nil for nobody.
	Observer Observer
	// Random returns numbers in [0, 1) for the jitter of retries.
	Random func() float64
	// Wait blocks for d or until the context ends; it spaces the repetitions of a commit whose outcome is unknown.
	Wait func(ctx context.Context, d time.Duration) error
	// MaxPayload is the largest message the broker takes, in bytes.
	MaxPayload int
	// MaxSegments is how many segments with more than one recipient are sent at once; those of the lane high may be HighSegments more.
	MaxSegments int
	// MaxDeliveries is how many messages of PUSH_JOBS the worker handles at once, of DeliveryBytes each: an app whose provider is slow gets half
	// of them if there are others. 0 is no matter how many.
	MaxDeliveries int
	// Worker is this worker's name in events.
	Worker string
	// AckWait is after what time without a heartbeat the broker gives a delivery to somebody else.
	AckWait time.Duration
	// UnknownAppGrace is how long work of an app that nobody has waits for a worker that has it; 0 is not at all.
	UnknownAppGrace time.Duration
	// StrangerBacklog is about how many bytes of an app that this worker does not have may wait on PUSH_WORK; 0 is no limit. App.Backlog is
	// that of one that it has.
	StrangerBacklog int64
	// Nonce returns a text that nobody else uses.
	Nonce func() string
	// Draining ends when nothing more may begin; what has begun goes on under the context of its Handle.
	Draining context.Context //nolint:containedctx // it is the worker's, not a call's
}

// Observer learns what happened. Calls come from many goroutines.
type Observer interface {
	// Committed is called once for every event that this worker stored, with when the job was published.
	Committed(event *results.Event, published time.Time)
	// Sent is called after each call of a provider, also one whose event is never stored.
	Sent(sending Sending)
	// Trouble is called when a step failed; again says that it is repeated at once, else the delivery comes back after the ack
	// wait. where names the step and the job, never a recipient.
	Trouble(where string, err error, again bool)
	// News is called when a breaker opens or closes, with the event that says so.
	News(event *results.Event)
}

// Core handles deliveries. It is safe for concurrent use; one Handle call owns its delivery from start to end.
type Core struct {
	Params
	segments chan struct{}
	// high has room for the segments of the lane high that found none in segments.
	high chan struct{}
	// turn is held by every delivery under way; one that runs alone holds all of it.
	turn     *semaphore.Weighted
	breakers breakers
	backlogs backlogs
	shares   shares
	commits  commits
}

// HighSegments is how many segments of the lane high may be sent beside MaxSegments of the other lanes.
const HighSegments = 1

// New makes a Core.
func New(p Params) *Core {
	if p.Observer == nil {
		p.Observer = nobody{}
	}
	if p.Control == nil {
		p.Control = uncontrolled{}
	}
	return &Core{Params: p, segments: make(chan struct{}, max(p.MaxSegments, 1)), high: make(chan struct{}, HighSegments), turn: semaphore.NewWeighted(everybody)}
}

// Handle does everything a delivery asks for and says what to tell the broker. A cancelled context makes it stop as soon as
// what is on the wire allows; the delivery is then left to whoever gets it next.
func (c *Core) Handle(ctx context.Context, d Delivery) Disposition {
	if !c.Control.Ready(c.Draining) {
		return GiveBack
	}
	if d.Held != nil && !d.Held() {
		return Leave // it waited too long before its turn came
	}
	start, err := c.begin(ctx, d)
	if err != nil {
		return c.dispose(d, err)
	}
	d.Begun = d.Begun || start.claim.Starts > 1
	switch {
	case start.poison:
		err = c.poisoned(ctx, d, start)
	case d.Stream == jobs.StreamJobs:
		err = c.intake(ctx, d)
	default:
		err = c.work(ctx, d)
	}
	disposition := c.dispose(d, err)
	start.end(disposition)
	return disposition
}

// Gate says how long a pull for the app should wait before it asks for more work, and what ends the waiting earlier.
func (c *Core) Gate(platform jobs.Platform, app string) (wait time.Duration, changed <-chan struct{}) {
	return c.breakers.of(platform, app).gate(c.Clock.Now())
}

// TryNow lets an app that waits for its provider try at once, because something about it was mended.
func (c *Core) TryNow(platform jobs.Platform, app string) { c.breakers.of(platform, app).tryNow() }

// dispose is what an error means for the delivery.
func (c *Core) dispose(d Delivery, err error) Disposition {
	switch {
	case err == nil:
		return Ack
	case errors.Is(err, errNotBegun):
		return GiveBack
	}
	c.Observer.Trouble(d.Subject, err, false)
	return Leave
}

// lastWords is for what must still be written when the delivery's own context has ended.
func (c *Core) lastWords() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 5*time.Second)
}

// errNotBegun says that the worker stopped before the first byte of the delivery was sent.
var errNotBegun = errors.New("the worker is stopping")

// held is a delivery that was decoded into a segment.
type held struct {
	Delivery
	seg *jobs.Segment
	app App
	// batch is the segment as it was rendered for its app; nil until then.
	batch Batch
	// unread says that seg has only what jobs.Identify reads.
	unread bool
	// follows is the sequence of our own copy in PUSH_WORK, 0 for a delivery of PUSH_JOBS: what a publish that replaces it expects.
	follows uint64
}

// held says whether the delivery is still ours.
func (h held) held() bool { return h.Held == nil || h.Held() }

// intake handles a delivery of PUSH_JOBS: a whole job, as its publisher wrote it.
func (c *Core) intake(ctx context.Context, d Delivery) error {
	platform, lane, ok := jobs.ParseIntakeSubject(d.Subject)
	if !ok {
		return fmt.Errorf("subject %q is no job subject of this version; a newer worker may know it", d.Subject)
	}
	seg, err := read(d, platform, lane)
	if err != nil {
		return c.refuse(ctx, d, platform, lane, err)
	}
	seg.Begun = d.Begun
	return c.whole(ctx, held{Delivery: d, seg: seg})
}

// read decodes the job of a delivery of PUSH_JOBS.
func read(d Delivery, platform jobs.Platform, lane jobs.Lane) (*jobs.Segment, error) {
	job, err := jobs.Decode(platform, d.Body)
	if err != nil {
		return nil, err
	}
	return jobs.NewSegment(job, d.Body, lane, first(d.Header, "Nats-Msg-Id"), d.Sequence, d.Stored), nil
}

// work handles a delivery of PUSH_WORK: a segment, or a whole job that was scheduled or parked.
func (c *Core) work(ctx context.Context, d Delivery) error {
	seg, err := jobs.DecodeSegment(d.Subject, d.Header, d.Body)
	if errors.Is(err, jobs.ErrNewerSegment) {
		return fmt.Errorf("a work message is left to a newer worker: %w", err)
	}
	if err != nil {
		return c.corrupt(ctx, d, err)
	}
	// A newer copy of the same segment waits: somebody moved it on while we were cut off. Ours is history.
	newer, err := c.Work.Newer(ctx, d.Subject, d.Sequence)
	if err != nil {
		return fmt.Errorf("looking for a newer copy: %w", err)
	}
	if newer {
		return nil
	}
	seg.Begun = seg.Begun || d.Begun
	h := held{Delivery: d, seg: seg, follows: d.Sequence}
	if seg.Whole {
		return c.whole(ctx, h)
	}
	return c.segment(ctx, h)
}

// whole handles a job that is not split: it is refused, scheduled, held, split or sent, in this order. A split that was begun goes on
// before anything can refuse the job: some of its segments may be under way.
func (c *Core) whole(ctx context.Context, h held) error {
	job := h.seg.Job
	fits := jobs.FitsOne(job, c.MaxPayload)
	if h.seg.Explicit || h.Suspicious || h.Stream == jobs.StreamWork {
		plan, err := c.Status.FindPlan(ctx, job.Platform, job.App, h.seg.JobID)
		switch {
		case err != nil:
			return fmt.Errorf("looking for a plan of the job: %w", err)
		case len(plan.Bounds) > 0 && plan.Fingerprint != h.seg.Fingerprint:
			return c.reused(ctx, h)
		case len(plan.Bounds) > 0 && plan.Round >= h.seg.Round && !fits:
			if err := c.duplicate(ctx, h, nil); err != nil {
				return err
			}
			return c.split(ctx, h)
		}
		if !fits {
			// A smaller job may have had the id before.
			event, err := c.Events.Find(ctx, eventKey(h.seg).Subject())
			if err != nil {
				return fmt.Errorf("looking for an event of the job: %w", err)
			}
			switch {
			case event == nil:
			case event.Fingerprint == h.seg.Fingerprint && event.Segments > 1:
				return c.split(ctx, h) // it was split while we looked: the event is a segment's, not the whole job's
			default:
				return c.again(ctx, h, event)
			}
		}
	}
	if h.Stream == jobs.StreamJobs && h.Suspicious {
		// Whoever had it before us may have put it aside and not said so: that copy is what counts.
		living, err := c.Work.Living(ctx, h.seg)
		if err != nil {
			return fmt.Errorf("looking for a copy of the job that waits: %w", err)
		}
		if living == h.seg.Fingerprint {
			return nil
		}
		if followed, err := c.toldElsewhere(ctx, h); followed || err != nil {
			return err
		}
	}
	app, ok := c.Apps.App(job.Platform, job.App)
	if !ok {
		return c.stranger(ctx, h)
	}
	h.app = app
	// Rendered before anything else happens to the job, so that a payload fault is found once and not once per segment.
	batch, err := app.Prepare(h.seg)
	if err != nil {
		return c.unsendable(ctx, h, err)
	}
	h.batch = batch
	switch {
	case c.cancelled(h): // there is nothing to wait for
	case job.DeliverAt.After(c.Clock.Now()):
		return c.later(ctx, h, job.DeliverAt)
	case c.paused(h):
		return c.hold(ctx, h)
	}
	if !fits {
		return c.split(ctx, h)
	}
	return c.segment(ctx, h)
}

// later schedules a whole job.
func (c *Core) later(ctx context.Context, h held, due time.Time) error {
	err := c.keep(ctx, h, func() (bool, error) { return c.Work.Put(ctx, h.seg, due, h.follows) })
	if err != nil || !c.cancelled(h) {
		return err
	}
	return c.hasten(ctx, h.seg)
}

// keep puts a whole job on PUSH_WORK, for later or for when its app can send again. If a copy of it is alive there already, ours is
// one too many, unless it is the copy of another job with the same id.
func (c *Core) keep(ctx context.Context, h held, put func() (stored bool, err error)) error {
	if h.Stream == jobs.StreamJobs {
		if about, ok := c.room(ctx, h); !ok {
			return c.overflow(ctx, h, about)
		}
	}
	for {
		stored, err := put()
		if err != nil {
			return fmt.Errorf("putting the job aside: %w", err)
		}
		if stored {
			return nil
		}
		living, err := c.Work.Living(ctx, h.seg)
		switch {
		case err != nil:
			return fmt.Errorf("looking at the copy of the job that waits: %w", err)
		case living == h.seg.Fingerprint:
			return c.duplicate(ctx, h, nil)
		case living != "":
			return c.reused(ctx, h)
		case h.follows != 0:
			return nil // our own copy is gone: somebody else brought it to its end
		}
		// Gone meanwhile: try again.
	}
}

// segment handles what fits one segment: followed if its event exists, else sent.
func (c *Core) segment(ctx context.Context, h held) error {
	if h.app == nil {
		app, ok := c.Apps.App(h.seg.Job.Platform, h.seg.Job.App)
		if !ok {
			return c.stranger(ctx, h)
		}
		h.app = app
	}
	// The check before the send. A work queue forgets what was acknowledged, so a message from PUSH_WORK may be one whose event
	// is long stored; a job may be a redelivery, or carry an id that was used before.
	if h.Stream == jobs.StreamWork || h.Suspicious || h.seg.Explicit {
		event, err := c.Events.Find(ctx, eventKey(h.seg).Subject())
		if err != nil {
			return fmt.Errorf("looking for the segment's event: %w", err)
		}
		if event != nil {
			return c.again(ctx, h, event)
		}
	}
	if h.batch == nil {
		batch, err := h.app.Prepare(h.seg)
		if err != nil {
			return c.unsendable(ctx, h, err)
		}
		h.batch = batch
	}
	return c.send(ctx, h)
}

func first(header map[string][]string, key string) string {
	if values := header[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}

type nobody struct{}

func (nobody) Committed(*results.Event, time.Time) {}
func (nobody) Sent(Sending)                        {}
func (nobody) Trouble(string, error, bool)         {}
func (nobody) News(*results.Event)                 {}
