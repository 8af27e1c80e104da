package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// hastening is how many schedules are turned into work at once.
const hastening = 32

// The broker's headers of a message that ends a schedule: in one step it is stored and the schedule is gone.
const (
	headerScheduler    = "Nats-Scheduler"
	headerScheduleNext = "Nats-Schedule-Next"
	endOfSchedule      = "purge"
)

// Waiting is a message of PUSH_WORK: a segment, or a whole job, that waits to be sent, or is being sent.
type Waiting struct {
	Tail     jobs.Tail
	Campaign string
	// Published is when its job was stored, Total how many recipients the job has.
	Published time.Time
	Total     int
	// Due is when a schedule becomes work; zero for what is work already. Held says that it waits for a pause to be withdrawn, at most
	// until then.
	Due  time.Time
	Held bool

	found *stored
}

// Scope is the scope of its job.
func (w *Waiting) Scope() pipeline.Scope {
	return pipeline.Scope{Platform: w.Tail.Platform, App: w.Tail.App, Lane: w.Tail.Lane, Campaign: w.Campaign, Job: w.Tail.Job}
}

// waiting calls fn with every message of PUSH_WORK in the scope in the order in which they were stored, one at a time, so that it does not
// matter how many there are. which is "later" for schedules, "*" for all. passed, if set, is told of each message that was read. An error of
// either ends it and is returned.
func (c *Conn) waiting(ctx context.Context, which string, scope pipeline.Scope, passed func(*stored) error, fn func(*Waiting) error) error {
	subject := strings.Join([]string{"push", which, orAny(string(scope.Platform)), orAny(scope.App), orAny(string(scope.Lane)), orAny(scope.Job), "*", "*"}, ".")
	for next := uint64(1); ; {
		found, err := c.nextOn(ctx, jobs.StreamWork, subject, next)
		switch {
		case errors.Is(err, errAbsent):
			return nil
		case answered(err) == codeStreamNotFound:
			return c.noStream(jobs.StreamWork)
		case err != nil:
			return err
		}
		next = found.Sequence + 1
		if passed != nil {
			if err := passed(found); err != nil {
				return err
			}
		}
		w, err := readWaiting(found)
		if err != nil {
			c.log.Warn().Err(err).Str("subject", found.Subject).Msg("a message can't be read and is left alone")
			continue
		}
		if !scope.Covers(w.Scope()) {
			continue
		}
		if err := fn(w); err != nil {
			return err
		}
	}
}

func readWaiting(found *stored) (*Waiting, error) {
	tail, err := jobs.ParseTail(found.Subject)
	if err != nil {
		return nil, err
	}
	header, err := nats.DecodeHeadersMsg(found.Headers)
	if err != nil {
		return nil, fmt.Errorf("its headers: %w", err)
	}
	w := &Waiting{Tail: tail, Campaign: header.Get(jobs.HeaderCampaign), found: found}
	if w.Published, err = time.Parse(time.RFC3339Nano, header.Get(jobs.HeaderPublished)); err != nil {
		return nil, fmt.Errorf("header %s: %w", jobs.HeaderPublished, err)
	}
	if w.Total, err = strconv.Atoi(header.Get(jobs.HeaderTotal)); err != nil {
		return nil, fmt.Errorf("header %s: %w", jobs.HeaderTotal, err)
	}
	if found.Subject == tail.WorkSubject() {
		return w, nil
	}
	w.Held = header.Get(headerHeld) != ""
	if w.Due, err = time.Parse(time.RFC3339Nano, strings.TrimPrefix(header.Get(jetstream.ScheduleHeader), "@at ")); err != nil {
		return nil, fmt.Errorf("header %s: %w", jetstream.ScheduleHeader, err)
	}
	return w, nil
}

// Sweep turns every schedule of the scope that waits for nothing any more into work at once: what is cancelled, and what was put aside
// for a pause that does not hold any more. It answers how many. What becomes a schedule meanwhile may be missed.
func (c *Conn) Sweep(ctx context.Context, scope pipeline.Scope, orders *pipeline.Orders) (int, error) {
	var group errgroup.Group
	group.SetLimit(hastening)
	var hastened atomic.Int64
	err := c.waiting(ctx, "later", scope, nil, func(s *Waiting) error {
		job := s.Scope()
		cancelled := orders.Of(pipeline.OrderCancel, job, s.Published) != nil
		if !cancelled && (!s.Held || orders.Of(pipeline.OrderPause, job, s.Published) != nil) {
			return nil
		}
		group.Go(func() error {
			done, err := c.hasten(ctx, s.found)
			if done {
				hastened.Add(1)
			}
			return err
		})
		return nil
	})
	err = errors.Join(err, group.Wait())
	if err != nil {
		err = fmt.Errorf("turning schedules into work: %w", err)
	}
	return int(hastened.Load()), err
}

// Hasten implements pipeline.Work.
func (c *Conn) Hasten(ctx context.Context, segment *jobs.Segment) error {
	found, err := c.lastOn(ctx, jobs.StreamWork, segment.Tail().LaterSubject())
	if errors.Is(err, errAbsent) {
		return nil
	}
	if err == nil {
		_, err = c.hasten(ctx, found)
	}
	return err
}

// hasten turns a schedule into work in one step of the broker; done is false if it is no schedule any more.
func (c *Conn) hasten(ctx context.Context, found *stored) (done bool, err error) {
	tail, err := jobs.ParseTail(found.Subject)
	if err != nil {
		return false, err
	}
	header, err := nats.DecodeHeadersMsg(found.Headers)
	if err != nil {
		return false, fmt.Errorf("schedule %s has headers that can't be read: %w", found.Subject, err)
	}
	msg := &nats.Msg{Subject: tail.WorkSubject(), Header: nats.Header{}, Data: found.Data}
	for name, values := range header {
		if !strings.HasPrefix(name, "Nats-") && name != headerHeld {
			msg.Header[name] = values
		}
	}
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(found.Sequence, 10))
	msg.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, tail.AnySubject())
	msg.Header.Set(headerScheduler, found.Subject)
	msg.Header.Set(headerScheduleNext, endOfSchedule)
	_, err = c.publish(ctx, msg)
	switch code := answered(err); {
	case err == nil:
		return true, nil
	case code == codeWrongSequence, code == codeWriteInFlight: // it fired, or somebody else was faster
		return false, nil
	default:
		return false, explain("turning schedule "+tail.String()+" into work", err)
	}
}
