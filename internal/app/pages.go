package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/volleypush/volley/internal/dash"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// pageBroker is what the web page knows of the broker: it translates between its words and those of the queue.
type pageBroker struct {
	conn  *queue.Conn
	loads *remembered[queue.Load]
	waits *remembered[dash.Waiting]
}

// Backlog implements dash.Broker.
func (p pageBroker) Backlog() (dash.Backlog, bool) {
	load, ok := p.loads.get()
	b := dash.Backlog{At: load.At}
	for _, d := range load.Durables {
		b.Queues = append(b.Queues, dash.Queue{Platform: d.Platform, App: d.App, Lane: d.Lane, Waiting: d.Pending, InFlight: d.InFlight, Age: d.Age})
	}
	for _, s := range load.Streams {
		if s.Stream == jobs.StreamDead {
			b.Letters = s.Messages
		}
	}
	return b, ok
}

// Waiting implements dash.Broker.
func (p pageBroker) Waiting() (dash.Waiting, bool) { return p.waits.get() }

// WaitingJob implements dash.Broker.
func (p pageBroker) WaitingJob(ctx context.Context, job dash.JobKey) (*dash.WaitingJob, error) {
	found, err := p.look(ctx, pipeline.Scope{Platform: job.Platform, App: job.App, Job: job.Job})
	if err != nil || len(found.Jobs) == 0 {
		return nil, err
	}
	return &found.Jobs[0], nil
}

// lookAtWaiting looks at the queues.
func (p pageBroker) lookAtWaiting(ctx context.Context) (dash.Waiting, error) {
	return p.look(ctx, pipeline.Scope{})
}

func (p pageBroker) look(ctx context.Context, scope pipeline.Scope) (w dash.Waiting, err error) {
	found, partial, err := p.conn.Waits(ctx, scope)
	w.Partial = partial
	for _, j := range found {
		w.Jobs = append(w.Jobs, dash.WaitingJob{
			JobKey: dash.JobKey{Platform: j.Platform, App: j.App, Job: j.Job}, Campaign: j.Campaign, Lane: j.Lane, State: string(j.State),
			Recipients: j.Totals.Recipients, Published: j.Published, DeliverAt: j.DeliverAt,
		})
	}
	return w, err
}

// Follow implements dash.Broker.
func (p pageBroker) Follow(ctx context.Context, last int, fn func(*results.Event) error) error {
	return p.conn.Results(ctx, queue.Query{Last: last, Follow: true}, fn)
}

// Event implements dash.Broker.
func (p pageBroker) Event(ctx context.Context, subject string) (*results.Event, error) {
	return p.conn.Find(ctx, subject)
}

// JobEvents implements dash.Broker.
func (p pageBroker) JobEvents(ctx context.Context, job dash.JobKey, fn func(*results.Event) error) error {
	return p.conn.Results(ctx, queue.Query{Platform: job.Platform, App: job.App, Job: job.Job}, fn)
}

// JobsByID implements dash.Broker.
func (p pageBroker) JobsByID(ctx context.Context, id string) ([]dash.JobKey, error) {
	found, err := p.conn.JobsOf(ctx, id)
	keys := make([]dash.JobKey, 0, len(found))
	for _, k := range found {
		keys = append(keys, dash.JobKey{Platform: k.Platform, App: k.App, Job: k.Job})
	}
	return keys, err
}

// Letters implements dash.Broker.
func (p pageBroker) Letters(ctx context.Context, q dash.LetterQuery) (letters []dash.Letter, more uint64, err error) {
	found, more, err := p.conn.NewestLetters(ctx, queue.DeadFilter{Platform: q.Platform, App: q.App, Reason: q.Reason, Job: q.Job}, q.Before, q.Limit)
	for i := range found {
		letters = append(letters, pageLetter(&found[i]))
	}
	return letters, more, err
}

// Letter implements dash.Broker.
func (p pageBroker) Letter(ctx context.Context, sequence uint64) (*dash.Letter, error) {
	found, err := p.conn.DeadLetter(ctx, sequence)
	if err != nil {
		return nil, pageFault(err)
	}
	letter := pageLetter(found)
	return &letter, nil
}

func pageLetter(l *queue.DeadLetter) dash.Letter {
	return dash.Letter{
		Sequence: l.Sequence, Stored: l.Stored, Platform: l.Platform, App: l.App, Reason: l.Reason, Event: l.Event, Job: l.Job, Campaign: l.Campaign,
		Subject: l.Subject, Published: l.Published, Recipients: l.Recipients, Uncertain: l.Uncertain, Requeues: l.Requeues, Faults: l.Faults,
		Header: l.Header, Size: l.Size, Body: l.Body,
	}
}

// Requeue implements dash.Broker.
func (p pageBroker) Requeue(ctx context.Context, sequence uint64, resendUncertain bool) (string, error) {
	done, err := p.conn.Requeue(ctx, sequence, queue.RequeueOptions{ResendUncertain: resendUncertain})
	if err != nil {
		return "", pageFault(err)
	}
	return done.Segment.Tail().String(), nil
}

// Drop implements dash.Broker.
func (p pageBroker) Drop(ctx context.Context, sequence uint64) error {
	return pageFault(p.conn.DropLetter(ctx, sequence))
}

// pageFault says in the page's words what is wrong.
func pageFault(err error) error {
	switch {
	case errors.Is(err, queue.ErrNoLetter):
		return fmt.Errorf("%w: %w", dash.ErrAbsent, err)
	case errors.Is(err, queue.ErrNotRequeued):
		return fmt.Errorf("%w: %w", dash.ErrRefused, err)
	}
	return err
}
