package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// Params are what a Core is made of. All fields but Observer are required.
type Params struct {
	Events Events
	Work   Work
	Status Status
	Dead   Dead
	Apps   Apps
	Clock  Clock
	// Observer learns what happened, for logs and metrics; nil for nobody.
	Observer Observer
	// Random returns numbers in [0, 1) for the jitter of retries.
	Random func() float64
	// Wait blocks for d or until the context ends; it spaces the repetitions of a commit whose outcome is unknown.
	Wait func(ctx context.Context, d time.Duration) error
	// MaxPayload is the largest message the broker takes, in bytes.
	MaxPayload int
	// MaxSegments is how many segments with more than one recipient are sent at once.
	MaxSegments int
	// Worker is this worker's name in events.
	Worker string
}

// Observer learns what happened. Calls come from many goroutines.
type Observer interface {
	// Committed is called once for every event that this worker stored.
	Committed(event *results.Event)
	// Trouble is called when a step failed and the delivery will come back; where names the step and the job, never a recipient.
	Trouble(where string, err error)
}

// Core handles deliveries. It is safe for concurrent use; one Handle call owns its delivery from start to end.
type Core struct {
	Params
	segments chan struct{}
}

// New makes a Core.
func New(p Params) *Core {
	if p.Observer == nil {
		p.Observer = nobody{}
	}
	return &Core{Params: p, segments: make(chan struct{}, max(p.MaxSegments, 1))}
}

// Handle does everything a delivery asks for and says what to tell the broker. A cancelled context makes it stop as soon as
// what is on the wire allows; the delivery is then left to whoever gets it next.
func (c *Core) Handle(ctx context.Context, d Delivery) Disposition {
	var err error
	if d.Stream == jobs.StreamJobs {
		err = c.intake(ctx, d)
	} else {
		err = c.work(ctx, d)
	}
	switch {
	case err == nil:
		return Ack
	case errors.Is(err, errNotBegun):
		return GiveBack
	}
	c.Observer.Trouble(d.Subject, err)
	return Leave
}

// errNotBegun says that the worker stopped before the first byte of the delivery was sent.
var errNotBegun = errors.New("the worker is stopping")

// held is a delivery that was decoded into a segment.
type held struct {
	Delivery
	seg *jobs.Segment
	app App
	// follows is the sequence of our own copy in PUSH_WORK, 0 for a delivery of PUSH_JOBS: what a publish that replaces it expects.
	follows uint64
}

// intake handles a delivery of PUSH_JOBS: a whole job, as its publisher wrote it.
func (c *Core) intake(ctx context.Context, d Delivery) error {
	platform, lane, ok := jobs.ParseIntakeSubject(d.Subject)
	if !ok {
		return fmt.Errorf("subject %q is no job subject of this version; a newer worker may know it", d.Subject)
	}
	msgID := first(d.Header, "Nats-Msg-Id")
	job, err := jobs.Decode(platform, d.Body)
	if err != nil {
		return c.refuse(ctx, d, platform, lane, err)
	}
	id, explicit := jobs.ResolveID(job.ID, msgID, d.Sequence, d.Stored)
	seg := &jobs.Segment{
		Job: job, JobID: id, Lane: lane, Whole: true, Segments: 1, Total: job.Recipients(),
		Published: d.Stored, Fingerprint: jobs.Fingerprint(d.Body), Explicit: explicit, Body: d.Body,
	}
	return c.whole(ctx, held{Delivery: d, seg: seg})
}

// work handles a delivery of PUSH_WORK: a segment, or a whole job that was scheduled or parked.
func (c *Core) work(ctx context.Context, d Delivery) error {
	seg, err := jobs.DecodeSegment(d.Subject, d.Header, d.Body)
	if err != nil {
		return fmt.Errorf("a work message can't be read: %w", err)
	}
	// A newer copy of the same segment waits: somebody moved it on while we were cut off. Ours is history.
	newer, err := c.Work.Newer(ctx, d.Subject, d.Sequence)
	if err != nil {
		return fmt.Errorf("looking for a newer copy: %w", err)
	}
	if newer {
		return nil
	}
	h := held{Delivery: d, seg: seg, follows: d.Sequence}
	if seg.Whole {
		return c.whole(ctx, h)
	}
	return c.segment(ctx, h)
}

// whole handles a job that is not split: it is refused, scheduled, split or sent, in this order.
func (c *Core) whole(ctx context.Context, h held) error {
	job := h.seg.Job
	app, ok := c.Apps.App(job.Platform, job.App)
	if !ok {
		return c.bury(ctx, h, deadUnknownApp, jobs.Faults{c.unknownApp(job)})
	}
	h.app = app
	// Rendered before anything else happens to the job, so that a payload fault is found once and not once per segment.
	if _, err := app.Prepare(h.seg); err != nil {
		return c.unsendable(ctx, h, err)
	}
	if job.DeliverAt.After(c.Clock.Now()) {
		if _, err := c.Work.Put(ctx, h.seg, job.DeliverAt, h.follows); err != nil {
			return fmt.Errorf("scheduling the job: %w", err)
		}
		return nil
	}
	if !jobs.FitsOne(job, c.MaxPayload) {
		return c.split(ctx, h)
	}
	return c.segment(ctx, h)
}

// segment handles what fits one segment: followed if its event exists, else sent.
func (c *Core) segment(ctx context.Context, h held) error {
	if h.app == nil {
		app, ok := c.Apps.App(h.seg.Job.Platform, h.seg.Job.App)
		if !ok {
			return c.bury(ctx, h, deadUnknownApp, jobs.Faults{c.unknownApp(h.seg.Job)})
		}
		h.app = app
	}
	// The check before the send. A work queue forgets what was acknowledged, so a message from PUSH_WORK may be one whose event
	// is long stored; a job may be a redelivery, or carry an id that was used before.
	if h.Stream == jobs.StreamWork || h.Suspicious || h.seg.Explicit {
		event, err := c.Events.Find(ctx, eventSubject(h.seg))
		if err != nil {
			return fmt.Errorf("looking for the segment's event: %w", err)
		}
		if event != nil {
			return c.follow(ctx, h, event)
		}
	}
	return c.send(ctx, h)
}

func (c *Core) unknownApp(job *jobs.Job) jobs.Fault {
	known := c.Apps.Known(job.Platform)
	problem := fmt.Sprintf("no app %q has %s credentials here; known: %s", job.App, job.Platform, list(known))
	return jobs.Fault{Field: "app", Problem: problem}
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	text := names[0]
	for _, name := range names[1:] {
		text += ", " + name
	}
	return text
}

func first(header map[string][]string, key string) string {
	if values := header[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}

type nobody struct{}

func (nobody) Committed(*results.Event) {}
func (nobody) Trouble(string, error)    {}
