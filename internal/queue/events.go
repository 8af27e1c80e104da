package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

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
	msg, err := c.eventMsg(event)
	if err == nil {
		_, err = c.publish(ctx, msg)
	}
	return c.outcome(ctx, event, err)
}

// CommitAll implements pipeline.Events. A stream without leader is not waited for, as Commit does.
func (c *Conn) CommitAll(ctx context.Context, events []*results.Event) []pipeline.Commitment {
	commitments, all, owners := make([]pipeline.Commitment, len(events)), make([]reply, 0, len(events)), make([]int, 0, len(events))
	for i, event := range events {
		msg, err := c.eventMsg(event)
		if err != nil {
			commitments[i].Err = err
			continue
		}
		all, owners = append(all, reply{ask: msg}), append(owners, i)
	}
	c.askAll(ctx, all)
	for k, r := range all {
		err := r.err
		if err == nil {
			if _, _, stored := plainAcknowledgement(r.msg.Data); stored {
				continue
			}
			_, err = acknowledgement(r.msg.Data)
		}
		if err != nil {
			one := &commitments[owners[k]]
			one.Earlier, one.Err = c.outcome(ctx, events[owners[k]], err)
		}
	}
	return commitments
}

// outcome is what a publish of the event comes to.
func (c *Conn) outcome(ctx context.Context, event *results.Event, err error) (earlier *results.Event, _ error) {
	switch {
	case err == nil:
		return nil, nil
	case errors.Is(err, pipeline.ErrRefused):
		return nil, err
	case answered(err) == codeWrongSequence:
		return c.committed(ctx, event.Subject())
	default:
		// 10164 (another write of this subject is in flight), 10158, a timeout, a disconnect: not known.
		return nil, explain("committing event "+event.ID, err)
	}
}

// eventMsg is the publish of an event. It has no Nats-Msg-Id: that would hold for a window only, and cost three times the memory.
func (c *Conn) eventMsg(event *results.Event) (*nats.Msg, error) {
	body, err := results.Encode(event)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", pipeline.ErrRefused, err)
	}
	return &nats.Msg{Subject: event.Subject(), Header: c.never, Data: body}, nil
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

// Absent implements pipeline.Events. It asks the leader of the stream, as Find does.
func (c *Conn) Absent(ctx context.Context, subjects []string) []bool {
	return c.absent(ctx, jobs.StreamResults, subjects)
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
