package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

const (
	// absentAsks is how often the leader is asked for an event that a refusal says is there, absentWait the pause between.
	absentAsks = 4
	absentWait = 100 * time.Millisecond
)

// Commit implements pipeline.Events: it stores the event on its own subject if none is stored there, once for as long as
// results are kept. An error says that the outcome is not known; commit the same event again. Of the errors, ErrFull and
// ErrTooBig are certain refusals.
func (c *Conn) Commit(ctx context.Context, event *results.Event) (*results.Event, error) {
	body, err := results.Encode(event)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", pipeline.ErrRefused, err)
	}
	subject := event.Subject()
	_, err = c.publish(ctx, eventMsg(subject, body))
	switch {
	case err == nil:
		return nil, nil
	case answered(err) == codeWrongSequence:
		return c.committed(ctx, subject)
	default:
		// 10164 (another write of this subject is in flight), 10158, a timeout, a disconnect: not known.
		return nil, explain("committing event "+event.ID, err)
	}
}

// eventMsg is the publish of an event. It has no Nats-Msg-Id: that would hold for a window only, and cost three times the memory.
func eventMsg(subject string, body []byte) *nats.Msg {
	msg := &nats.Msg{Subject: subject, Header: nats.Header{}, Data: body}
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	return msg
}

// committed loads the event that the refusal of another says is there. "Not found" contradicts the refusal, so it is asked again.
func (c *Conn) committed(ctx context.Context, subject string) (*results.Event, error) {
	for ask := 1; ; ask++ {
		event, err := c.Find(ctx, subject)
		if event != nil || err != nil {
			return event, err
		}
		if ask == absentAsks {
			return nil, fmt.Errorf("%w: %s has an event that can't be found yet", ErrUnavailable, subject)
		}
		select {
		case <-time.After(absentWait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Find implements pipeline.Events. It asks the leader of the stream; nil means that the leader has none.
func (c *Conn) Find(ctx context.Context, subject string) (*results.Event, error) {
	found, err := c.lastOn(ctx, jobs.StreamResults, subject)
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	event, err := results.Decode(found.Data)
	if err != nil {
		return nil, fmt.Errorf("the event on %s (sequence %d of %s) can't be read: %w", subject, found.Sequence, jobs.StreamResults, err)
	}
	return event, nil
}
