package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// Put implements pipeline.Work. The broker's refusal because another copy of the segment is alive is stored=false; any error
// means that the outcome is not known, or certainly negative with ErrTooBig.
func (c *Conn) Put(ctx context.Context, segment *jobs.Segment, due time.Time, after uint64) (stored bool, err error) {
	return c.put(ctx, segment, due, after, false)
}

// headerHeld marks a schedule that waits for a pause to be withdrawn, not for its time.
const headerHeld = "Volley-Held"

// Hold implements pipeline.Work.
func (c *Conn) Hold(ctx context.Context, segment *jobs.Segment, until time.Time, after uint64) (stored bool, err error) {
	return c.put(ctx, segment, until, after, true)
}

func (c *Conn) put(ctx context.Context, segment *jobs.Segment, due time.Time, after uint64, held bool) (stored bool, err error) {
	header, body, err := segment.Encode()
	if err != nil {
		return false, err
	}
	if held {
		header[headerHeld] = []string{"true"}
	}
	tail := segment.Tail()
	_, err = c.publish(ctx, workMsg(tail, header, body, due, c.Now(), after))
	switch {
	case err == nil:
		return true, nil
	case answered(err) == codeWrongSequence:
		return false, nil
	default:
		return false, explain("storing segment "+tail.String(), err)
	}
}

// workMsg is the publish of a segment. The broker sees one condition over both subjects of the segment, work and later, and
// refuses unless the last copy there is the one that the caller holds.
//
// header comes from Segment.Encode and nothing else: a Nats-* header of a delivery (Nats-Schedule-Next: purge, say) would tell
// the broker to do something again.
func workMsg(tail jobs.Tail, header map[string][]string, body []byte, due, now time.Time, after uint64) *nats.Msg {
	msg := &nats.Msg{Subject: tail.WorkSubject(), Header: nats.Header(header), Data: body}
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(after, 10))
	msg.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, tail.AnySubject())
	if due.After(now) {
		// The library's own option writes whole seconds, cut off: a schedule would fire up to a second early.
		msg.Subject = tail.LaterSubject()
		msg.Header.Set(jetstream.ScheduleHeader, "@at "+due.UTC().Format(time.RFC3339Nano))
		msg.Header.Set(jetstream.ScheduleTargetHeader, tail.WorkSubject())
	}
	return msg
}

// Newer implements pipeline.Work: whether a copy of the segment, runnable or scheduled, was stored after this one.
func (c *Conn) Newer(ctx context.Context, subject string, sequence uint64) (bool, error) {
	tail, err := jobs.ParseTail(subject)
	if err != nil {
		return false, err
	}
	last, err := c.lastOn(ctx, jobs.StreamWork, tail.AnySubject())
	if errors.Is(err, errAbsent) {
		return false, nil // not even the copy asked about: it was acknowledged meanwhile
	}
	if err != nil {
		return false, err
	}
	return last.Sequence > sequence, nil
}

// NoNewer implements pipeline.Work. What is gone has no newer copy either.
func (c *Conn) NoNewer(ctx context.Context, deliveries []pipeline.Delivery) []bool {
	all, certain := make([]reply, 0, len(deliveries)), make([]bool, len(deliveries))
	owners := make([]int, 0, len(deliveries))
	for i, d := range deliveries {
		if tail, err := jobs.ParseTail(d.Subject); err == nil {
			all, owners = append(all, reply{ask: lastQuestion(jobs.StreamWork, tail.AnySubject())}), append(owners, i)
		}
	}
	c.askAll(ctx, all)
	for k, r := range all {
		if d := deliveries[owners[k]]; r.err == nil {
			last, err := parseStored(jobs.StreamWork, d.Subject, r.msg)
			certain[owners[k]] = errors.Is(err, errAbsent) || err == nil && last.Sequence <= d.Sequence
		}
	}
	return certain
}

// Living implements pipeline.Work: the fingerprint of the job that the living copy of the segment belongs to.
func (c *Conn) Living(ctx context.Context, segment *jobs.Segment) (string, error) {
	last, err := c.lastOn(ctx, jobs.StreamWork, segment.Tail().AnySubject())
	if errors.Is(err, errAbsent) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	header, err := nats.DecodeHeadersMsg(last.Headers)
	if err != nil {
		return "", fmt.Errorf("the living copy of segment %s has headers that can't be read: %w", segment.Tail(), err)
	}
	return header.Get(jobs.HeaderFingerprint), nil
}
