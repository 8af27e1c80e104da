package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

const (
	// clockTolerance is how far clocks may differ without a warning.
	clockTolerance = 30 * time.Second
	// fullShare is the share of a stream's limit above which it is told, in percent.
	fullShare = 80
	// muchMemory is what stored events may take of the server's memory without a warning, in bytes.
	muchMemory = 1 << 30
)

// broker connects to the broker as a worker would, and looks at it.
func (d *doctor) broker(ctx context.Context) {
	c := d.config
	options := queue.Options{URL: c.NATS.URL.Reveal(), Creds: c.NATS.Creds, Identity: Identity(c.NATS), Name: "volley check", Logger: zerolog.Nop()}
	if c.NATS.Embedded() {
		// A worker may be running with it; starting another one on its store is not for a check.
		options.Creds, options.Identity = "", queue.Identity{}
		if options.URL = "nats://" + c.NATS.Listen; c.NATS.Listen == "" {
			d.ok("NATS server", "inside the worker and for this process only: it can't be looked at from outside")
			return
		}
	}
	conn, err := queue.Connect(ctx, options)
	switch {
	case err != nil && c.NATS.Embedded() && errors.Is(err, queue.ErrUnavailable):
		d.ok("NATS server", "inside the worker, which does not run now: its streams can't be looked at")
		return
	case errors.Is(err, queue.ErrCredentials):
		d.fail(ErrCredentials, "NATS server", err.Error(), "")
		return
	case err != nil:
		d.fail(ErrBroker, "NATS server", err.Error(), "")
		return
	}
	defer conn.Close()
	var apps []queue.AppLane
	for _, s := range d.keeper.sides() {
		apps = append(apps, queue.AppLane{Platform: s.platform, App: s.name})
	}
	in, err := conn.Inspect(ctx, topologyOf(c), apps)
	if err != nil {
		d.fail(ErrBroker, "NATS server", err.Error(), "")
		return
	}
	d.inspected(in)
}

// inspected tells of what was found at the broker.
func (d *doctor) inspected(in *queue.Inspection) {
	text := fmt.Sprintf("%s, version %s, messages up to %s, answers in %s", in.Name, in.Version, bytesOf(int64(in.MaxPayload)), in.RoundTrip.Round(10*time.Microsecond))
	if in.Cluster != "" {
		text += ", of the cluster " + in.Cluster
	}
	switch {
	case in.Old:
		d.fail(ErrBroker, "NATS server", text+": it has no message schedules", "use NATS 2.12 or newer")
	case in.MaxPayload < 2*jobs.EventReserve:
		d.fail(ErrBroker, "NATS server", text, fmt.Sprintf("set max_payload to 1 MiB; Volley needs %s at least", bytesOf(2*jobs.EventReserve)))
	default:
		d.ok("NATS server", text)
	}
	switch {
	case !in.Timed:
		d.ok("NATS clock", "not known: there is no stream yet that tells")
	case in.Ahead.Abs() > clockTolerance:
		d.warn("NATS clock", fmt.Sprintf("%s ahead of this machine's; deadlines and schedules follow it", in.Ahead.Round(time.Second)), "let a time service set both clocks")
	default:
		d.ok("NATS clock", fmt.Sprintf("%s ahead of this machine's", in.Ahead.Round(time.Millisecond)))
	}
	switch text := fmt.Sprintf("the streams may take %s", bytesOf(in.Limits)); {
	case in.Store == 0:
		d.ok("NATS store", text+"; the server does not tell how much it has")
	case in.Limits > in.Store/100*fullShare:
		d.fail(ErrBroker, "NATS store", fmt.Sprintf("%s, more than %d %% of the %s that the account has", text, fullShare, bytesOf(in.Store)), "give JetStream more of the disk, or lower the size of PUSH_JOBS and PUSH_RESULTS")
	default:
		d.ok("NATS store", text+" of "+bytesOf(in.Store))
	}
	for _, s := range in.Streams {
		d.stream(s)
	}
	for _, one := range in.Durables {
		d.durable(one)
	}
}

// stream tells of one stream.
func (d *doctor) stream(s queue.StreamLook) {
	subject := "stream " + s.Stream
	if s.Missing {
		d.ok(subject, "is not there yet; a worker makes it when it starts")
		return
	}
	text := fmt.Sprintf("%d messages, %s", s.Messages, bytesOf(s.Bytes))
	if s.Limit > 0 {
		text += " of " + bytesOf(s.Limit)
	}
	sound := true
	if s.Newer {
		sound = false
		d.warn(subject, "was made by a newer Volley and is left as it is", "update this worker")
	}
	for _, x := range s.Differences {
		sound = false
		what := fmt.Sprintf("%s is %s, not %s", x.Field, x.Have, x.Want)
		if x.Fixed {
			d.fail(ErrBroker, subject, what+", and can't be changed", "if the stream is not Volley's, use another account; else delete it when it is empty")
			continue
		}
		d.warn(subject, what, "a worker corrects it when it starts; see who changes it")
	}
	if s.Limit > 0 && s.Bytes > s.Limit/100*fullShare {
		sound = false
		switch s.Stream {
		case jobs.StreamJobs:
			d.warn(subject, text+": a full one refuses publishers", "start more workers, or give it more room")
		case jobs.StreamResults:
			d.warn(subject, text+": workers wait for room in a full one", "shorten results.retention, or give it more room")
		default:
			d.warn(subject, text+": a full one drops its oldest", "see worker dead list, or give it more room")
		}
	}
	if sound {
		d.ok(subject, text)
	}
	switch {
	case s.Stream == jobs.StreamResults:
		d.memory(s)
	case s.Stream == jobs.StreamDead && s.Messages > 0:
		d.warn("dead letters", fmt.Sprintf("%d wait for somebody", s.Messages), "see worker dead list")
	}
}

// memory tells what the stored events take of the server's memory, and what they will if they go on to come as they did.
func (d *doctor) memory(s queue.StreamLook) {
	now, then := int64(s.Messages)*eventMemory, int64(0)
	if age := d.now().Sub(s.Oldest); s.Messages > 0 && age > time.Minute && s.Retention > 0 {
		then = int64(float64(now) / float64(age) * float64(max(s.Retention, age)))
	}
	text := fmt.Sprintf("%d events take about %s of the server's memory", s.Messages, bytesOf(now))
	if then > 0 {
		text += fmt.Sprintf("; at this rate %s when they are kept for %s", bytesOf(then), s.Retention)
	}
	if max(now, then) > muchMemory {
		d.warn("events' memory", text, "shorten results.retention, or see to it that the server has that much")
		return
	}
	d.ok("events' memory", text)
}

// durable tells of one durable, if there is something to tell.
func (d *doctor) durable(l queue.DurableLook) {
	subject := "durable " + l.Durable
	switch {
	case l.Missing:
		d.ok(subject, "is not there yet; a worker makes it when it starts")
	case l.Newer:
		d.warn(subject, "was made by a newer Volley and is left as it is", "update this worker")
	case l.Foreign:
		d.warn(subject, fmt.Sprintf("is no durable of Volley's and takes messages from %s", l.Stream), "delete it, or whoever reads from it takes jobs away")
	case l.Unclaimed && l.Pending > 0:
		d.warn(subject, fmt.Sprintf("%d segments wait for an app that is not in this configuration", l.Pending), "configure the app on some worker until they are sent")
	case l.Unclaimed:
		d.ok(subject, "is of an app that is not in this configuration; nothing waits for it")
	case len(l.Differences) == 0:
		d.ok(subject, fmt.Sprintf("%d wait", l.Pending))
	}
	for _, x := range l.Differences {
		d.warn(subject, fmt.Sprintf("%s is %s, not %s", x.Field, x.Have, x.Want), "a worker corrects it when it starts; do all workers have the same settings?")
	}
}
