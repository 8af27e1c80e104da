package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

// Receipt is the broker's acknowledgement of a job.
type Receipt struct {
	// Sequence is the job's place in PUSH_JOBS.
	Sequence uint64
	// Duplicate says that the same id was stored within the last two minutes already: Sequence is that of the first.
	Duplicate bool
}

// PublishJob puts a job on its lane and waits for the acknowledgement. id is the job's id, which body should contain too:
// it makes a repeated publish harmless within two minutes; "" for none. Errors are ErrFull, ErrTooBig and ErrUnavailable;
// after the last one the job may be stored or not, and publishing it again with the same id is right.
func (c *Conn) PublishJob(ctx context.Context, platform jobs.Platform, lane jobs.Lane, app, id string, body []byte) (Receipt, error) {
	msg := jobMsg(Outgoing{platform, lane, app, id, body})
	ack, err := c.publish(ctx, msg)
	if err != nil {
		return Receipt{}, c.explainJob(msg, err)
	}
	return Receipt{Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
}

// Outgoing is a job that is to be published.
type Outgoing struct {
	Platform jobs.Platform
	Lane     jobs.Lane
	// App and ID are as in PublishJob.
	App, ID string
	Body    []byte
}

// Posted is what PublishJob returns.
type Posted struct {
	Receipt
	Err error
}

// PublishJobs does PublishJob for each of the jobs, at one time: they are stored in this order, and it costs a tenth of as many calls. A stream
// without leader is not waited for.
func (c *Conn) PublishJobs(ctx context.Context, all []Outgoing) []Posted {
	asks, posted := make([]reply, len(all)), make([]Posted, len(all))
	for i, o := range all {
		asks[i].ask = jobMsg(o)
	}
	c.askAll(ctx, asks)
	for i, r := range asks {
		err := r.err
		if err == nil {
			var ack *jetstream.PubAck
			if ack, err = acknowledgement(r.msg.Data); err == nil {
				posted[i].Receipt = Receipt{Sequence: ack.Sequence, Duplicate: ack.Duplicate}
				continue
			}
		}
		posted[i].Err = c.explainJob(r.ask, err)
	}
	return posted
}

// jobMsg is the publish of a job.
func jobMsg(o Outgoing) *nats.Msg {
	msg := &nats.Msg{Subject: jobs.IntakeSubject(o.Platform, o.Lane), Data: o.Body}
	if o.ID != "" {
		// The same window serves both platforms and all apps, so the id alone is not enough.
		msg.Header = nats.Header{jetstream.MsgIDHeader: {string(o.Platform) + "." + o.App + "." + o.ID}}
	}
	return msg
}

// errUnsent says that a message did not leave this process. The library speaks of a full buffer, which is the one that we don't let
// it have.
var errUnsent = fmt.Errorf("%w, nothing was sent", nats.ErrDisconnected)

// Kept says which job the broker kept where it answered with Receipt.Duplicate: the fingerprint of that one's bytes. It is looked
// for in the queue, among the segments and in the events of the id; "" says that no trace of it is left.
func (c *Conn) Kept(ctx context.Context, platform jobs.Platform, app, id string, r Receipt) (fingerprint string, err error) {
	// In the order in which a job moves: it is in the next place before it leaves the one before.
	first, err := c.jobAt(ctx, r.Sequence)
	if err == nil {
		return jobs.Fingerprint(first.Data), nil
	}
	if errors.Is(err, errAbsent) {
		first, err = c.lastOn(ctx, jobs.StreamWork, "push.*."+string(platform)+"."+app+".*."+id+".*.*")
	}
	if err == nil {
		header, err := nats.DecodeHeadersMsg(first.Headers)
		if err != nil {
			return "", fmt.Errorf("a segment of job %s has headers that can't be read: %w", id, err)
		}
		return header.Get(jobs.HeaderFingerprint), nil
	}
	if !errors.Is(err, errAbsent) {
		return "", err
	}
	event, err := c.Find(ctx, jobs.SubjectResults+"."+string(platform)+"."+app+"."+id+".*.*")
	if event == nil || err != nil {
		return "", err
	}
	return event.Fingerprint, nil
}

// jobAt asks the leader for the job with that sequence; errAbsent if it left the queue.
func (c *Conn) jobAt(ctx context.Context, sequence uint64) (*stored, error) {
	reply, err := c.ask(ctx, &nats.Msg{Subject: apiGet + jobs.StreamJobs, Data: fmt.Appendf(nil, `{"seq":%d}`, sequence)})
	what := fmt.Sprintf("job %d", sequence)
	if err != nil {
		return nil, explain("reading "+what+" from "+jobs.StreamJobs, err)
	}
	return parseStored(jobs.StreamJobs, what, reply)
}

// explainJob is the sentence for a job that was not, or perhaps not, stored.
func (c *Conn) explainJob(msg *nats.Msg, err error) error {
	err = explain("publishing on "+msg.Subject, err)
	switch {
	case errors.Is(err, ErrTooBig):
		return fmt.Errorf("a job of %d bytes is larger than %s takes (%d bytes, headers included): split its ids into several jobs: %w",
			msg.Size(), jobs.StreamJobs, c.MaxPayload()-jobs.JobReserve, err)
	case errors.Is(err, ErrFull):
		return fmt.Errorf("%s is full: start more workers (or find out why the running ones don't take jobs) and publish again; nothing was stored: %w",
			jobs.StreamJobs, err)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("no stream at %s takes %s: start a worker on this server once, it creates the streams; in a cluster, wait for a leader and publish again: %w",
			c.url, msg.Subject, err)
	case errors.Is(err, errUnsent):
		return fmt.Errorf("there is no connection to %s, so the job was not sent: publish it again with the same id when the server is back: %w", c.url, err)
	case forbidden(err):
		return fmt.Errorf("%s forbids this user to publish on %s, nothing was stored: give it that permission, or use another user: %w", c.url, msg.Subject, err)
	case errors.Is(err, ErrUnavailable):
		return fmt.Errorf("%s did not acknowledge the job, which may be stored or not: publish it again with the same id: %w", c.url, err)
	default:
		return err
	}
}
