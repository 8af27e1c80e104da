//go:build chaos && unix

package app

import (
	"context"
	"time"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// ports puts the points into the ports.
func (m *mortal) ports(p pipeline.Params) pipeline.Params {
	p.Events = mortalEvents{p.Events, m}
	p.Work = mortalWork{p.Work, p.Events, m}
	p.Apps = mortalApps{p.Apps, m}
	return p
}

type mortalEvents struct {
	pipeline.Events
	m *mortal
}

func (e mortalEvents) Commit(ctx context.Context, event *results.Event) (*results.Event, error) {
	if event.Kind != results.KindSegment && event.Kind != results.KindDead {
		return e.Events.Commit(ctx, event)
	}
	e.m.reach(sent)
	one := underwayOf(ctx)
	earlier, err := e.commit(ctx, event, one)
	if err == nil && earlier == nil {
		e.m.reach(committed)
	}
	return earlier, err
}

// CommitAll comes after the sending of all: each of them reaches the points.
func (e mortalEvents) CommitAll(ctx context.Context, events []*results.Event) []pipeline.Commitment {
	group, _ := ctx.Value(gatheringKey{}).(gathering)
	for range events {
		e.m.reach(sent)
	}
	all := e.commitAll(ctx, events, group)
	for _, one := range all {
		if one.Err == nil && one.Earlier == nil {
			e.m.reach(committed)
		}
	}
	return all
}

func (e mortalEvents) commitAll(ctx context.Context, events []*results.Event, group gathering) []pipeline.Commitment {
	e.m.door.RLock()
	defer e.m.door.RUnlock()
	all := e.Events.CommitAll(ctx, events)
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	for i, event := range events {
		if all[i].Err == nil {
			one := group.sent(event)
			one.Sending, one.settled = nil, true
		}
	}
	return all
}

// commit holds the door open: a death comes before the commit or after its answer.
func (e mortalEvents) commit(ctx context.Context, event *results.Event, one *underway) (*results.Event, error) {
	e.m.door.RLock()
	defer e.m.door.RUnlock()
	earlier, err := e.Events.Commit(ctx, event)
	if err == nil {
		e.m.mu.Lock()
		defer e.m.mu.Unlock()
		one.Sending, one.settled = nil, true
	}
	return earlier, err
}

type mortalWork struct {
	pipeline.Work
	events pipeline.Events
	m      *mortal
}

func (w mortalWork) Put(ctx context.Context, segment *jobs.Segment, due time.Time, after uint64) (bool, error) {
	stored, err := w.Work.Put(ctx, segment, due, after)
	if err != nil || !stored || after != 0 || segment.Round != 0 {
		return stored, err
	}
	if segment.Whole {
		w.m.reach(scheduled)
	} else if w.m.reached(inSplit) {
		w.finished(ctx, segment)
		w.m.die()
	}
	return stored, err
}

// finished waits until the first segment of the split has its event.
func (w mortalWork) finished(ctx context.Context, segment *jobs.Segment) {
	subject := results.SubjectOf(segment.Job.Platform, segment.Job.App, segment.JobID, "0", 0)
	for {
		if event, err := w.events.Find(ctx, subject); err == nil && event != nil {
			return
		}
		<-time.After(lookAgain)
	}
}

type mortalApps struct {
	pipeline.Apps
	m *mortal
}

func (a mortalApps) App(platform jobs.Platform, name string) (pipeline.App, bool) {
	app, ok := a.Apps.App(platform, name)
	if !ok {
		return nil, false
	}
	return mortalApp{app, a.m}, true
}

type mortalApp struct {
	pipeline.App
	m *mortal
}

func (a mortalApp) Prepare(segment *jobs.Segment) (pipeline.Batch, error) {
	batch, err := a.App.Prepare(segment)
	if err != nil {
		return nil, err
	}
	return mortalBatch{batch, segment, a.m}, nil
}

type mortalBatch struct {
	pipeline.Batch
	segment *jobs.Segment
	m       *mortal
}

func (b mortalBatch) Send(ctx context.Context, recipients []int, proceed func() bool, out []sender.Outcome) {
	s, one := b.segment, underwayOf(ctx)
	b.m.change(func() {
		if one.Sending == nil { // else a probe came before
			one.Sending = &sending{Platform: s.Job.Platform, App: s.Job.App, Job: s.JobID, Segment: s.Number, Round: s.Round}
		}
		for _, i := range recipients {
			one.Sending.Indexes = append(one.Sending.Indexes, s.Position(i))
		}
	})
	if b.m.reached(midSend) {
		half := (len(recipients) + 1) / 2
		b.Batch.Send(ctx, recipients[:half], proceed, out)
		b.m.die()
		recipients = recipients[half:]
	}
	b.Batch.Send(ctx, recipients, proceed, out)
}

func (a mortalApp) SendEach(ctx context.Context, batches []pipeline.Batch, proceed func() bool, out []sender.Outcome) {
	group, _ := ctx.Value(gatheringKey{}).(gathering)
	inner := make([]pipeline.Batch, len(batches))
	dies := false
	for i, b := range batches {
		b := b.(mortalBatch)
		inner[i] = b.Batch
		s := b.segment
		a.m.change(func() {
			group.sends(s).Sending = &sending{Platform: s.Job.Platform, App: s.Job.App, Job: s.JobID, Indexes: jobs.Indexes{0}}
		})
		dies = a.m.reached(midSend) || dies
	}
	half := 0
	if dies {
		half = (len(inner) + 1) / 2
		a.App.SendEach(ctx, inner[:half], proceed, out[:half])
		a.m.die()
	}
	a.App.SendEach(ctx, inner[half:], proceed, out[half:])
}
