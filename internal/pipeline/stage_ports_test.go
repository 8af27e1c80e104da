package pipeline

import (
	"context"
	"slices"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

func (a *actor) Put(_ context.Context, seg *jobs.Segment, due time.Time, after uint64) (bool, error) {
	return a.put(seg, due, after, false)
}

func (a *actor) Hold(_ context.Context, seg *jobs.Segment, until time.Time, after uint64) (bool, error) {
	return a.put(seg, until, after, true)
}

func (a *actor) put(seg *jobs.Segment, due time.Time, after uint64, paused bool) (bool, error) {
	a.step()
	if a.poor && !a.lease {
		return false, errBroken // it asks for its lease right before: a publish is quicker than an ack wait
	}
	defer a.step()
	tail := seg.Tail().String()
	var sequence uint64
	if last := a.last(tail); last != nil {
		sequence = last.Sequence
	}
	if sequence != after {
		return false, nil
	}
	header, body, err := seg.Encode()
	if err != nil {
		return false, err
	}
	a.messages = append(a.messages, &message{tail: tail, fingerprint: seg.Fingerprint, due: due, seg: seg, paused: paused, Delivery: Delivery{
		Stream: jobs.StreamWork, Subject: seg.Tail().WorkSubject(), Header: header, Body: body, Sequence: uint64(100 + len(a.messages)), Stored: a.now,
	}})
	return true, nil
}

// Orders implements Control: what this worker has heard of.
func (a *actor) Orders() *Orders { return NewOrders(a.knows) }

// Hasten implements Work.
func (a *actor) Hasten(_ context.Context, seg *jobs.Segment) error {
	a.step()
	if last := a.last(seg.Tail().String()); last != nil && last.due.After(a.now) {
		last.due = a.now
	}
	return nil
}

// sweep turns the schedules that wait for nothing any more into work, as whoever gives an order and whoever hears of it does.
func (s *stage) sweep(orders []Order) {
	in := NewOrders(orders)
	for _, m := range s.messages {
		if !m.acked && m.due.After(s.now) && m.seg != nil && (in.Cancel(m.seg) || m.paused && !in.Pause(m.seg)) {
			m.due = s.now
		}
	}
}

// order stores an order, or withdraws all pauses.
func (s *stage) order(o Order) {
	s.given = slices.Clone(s.given)
	if o.Kind == "" {
		s.given = slices.DeleteFunc(s.given, func(o Order) bool { return o.Kind == OrderPause })
	} else {
		o.At = s.now
		s.given = append(s.given, o)
	}
	s.sweep(s.given)
}

// hear lets the worker hear of what is ordered.
func (a *actor) hear() {
	a.knows = a.given
	a.sweep(a.knows)
}

func (a *actor) Newer(_ context.Context, subject string, sequence uint64) (bool, error) {
	a.step()
	tail, err := jobs.ParseTail(subject)
	if err != nil {
		return false, err
	}
	last := a.last(tail.String())
	return last != nil && last.Sequence > sequence, nil
}

func (a *actor) NoNewer(_ context.Context, deliveries []Delivery) []bool {
	a.step()
	certain := make([]bool, len(deliveries))
	for i, d := range deliveries {
		tail, err := jobs.ParseTail(d.Subject)
		last := a.last(tail.String())
		certain[i] = err == nil && (last == nil || last.Sequence <= d.Sequence)
	}
	return certain
}

func (a *actor) Living(_ context.Context, seg *jobs.Segment) (string, error) {
	a.step()
	if last := a.last(seg.Tail().String()); last != nil {
		return last.fingerprint, nil
	}
	return "", nil
}

func (a *actor) Commit(ctx context.Context, e *results.Event) (*results.Event, error) {
	a.step()
	defer a.step()
	return a.world.Commit(ctx, e)
}

func (a *actor) CommitAll(ctx context.Context, events []*results.Event) []Commitment {
	a.step()
	defer a.step()
	return a.world.CommitAll(ctx, events)
}

func (a *actor) Absent(ctx context.Context, subjects []string) []bool {
	a.step()
	return a.world.Absent(ctx, subjects)
}

func (a *actor) NoPlans(ctx context.Context, segments []*jobs.Segment) []bool {
	a.step()
	return a.world.NoPlans(ctx, segments)
}

func (a *actor) Find(ctx context.Context, subject string) (*results.Event, error) {
	a.step()
	return a.world.Find(ctx, subject)
}

func (a *actor) Plan(ctx context.Context, p jobs.Platform, app, job string, plan Plan) (Plan, error) {
	a.step()
	defer a.step()
	return a.world.Plan(ctx, p, app, job, plan)
}

func (a *actor) FindPlan(ctx context.Context, p jobs.Platform, app, job string) (Plan, error) {
	a.step()
	return a.world.FindPlan(ctx, p, app, job)
}

func (a *actor) Settle(ctx context.Context, e *results.Event) (Progress, error) {
	a.step()
	defer a.step()
	return a.world.Settle(ctx, e)
}

func (a *actor) Bury(ctx context.Context, l Letter) error {
	a.step()
	defer a.step()
	return a.world.Bury(ctx, l)
}

func (a *actor) Claim(ctx context.Context, key string) (Claim, error) {
	a.step()
	return a.world.Claim(ctx, key)
}

func (a *actor) PutClaim(ctx context.Context, key string, claim Claim) (Claim, bool, error) {
	a.step()
	defer a.step()
	return a.world.PutClaim(ctx, key, claim)
}

func (a *actor) DropClaim(ctx context.Context, key string, revision uint64) error {
	a.step()
	defer a.step()
	return a.world.DropClaim(ctx, key, revision)
}

// App implements Apps: sending to one recipient is a step, too.
func (a *actor) App(jobs.Platform, string) (App, bool) { return stageApp{a.app, a}, !a.poor }

type stageApp struct {
	*scriptedApp
	actor *actor
}

func (s stageApp) Prepare(seg *jobs.Segment) (Batch, error) { return &stageBatch{s, seg}, nil }

func (s stageApp) SendEach(ctx context.Context, batches []Batch, proceed func() bool, out []sender.Outcome) {
	for i, b := range batches {
		b.Send(ctx, []int{0}, proceed, out[i:i+1])
	}
}

type stageBatch struct {
	stageApp
	seg *jobs.Segment
}

func (b *stageBatch) Deadline() time.Time { return b.deadline }
func (b *stageBatch) Book() bool          { return true }

func (b *stageBatch) Send(_ context.Context, recipients []int, proceed func() bool, out []sender.Outcome) {
	for _, i := range recipients {
		if !proceed() {
			out[i] = answer("ConnectionFailed", 0)
			continue
		}
		if b.actor.Orders().Cancel(b.seg) {
			b.actor.mu.Lock()
			b.actor.disobeyed = true
			b.actor.mu.Unlock()
		}
		b.actor.step()
		if answer := b.actor.answer; answer != nil {
			out[i] = answer(b.seg)
			continue
		}
		out[i] = b.script(b.seg.Position(i))
	}
}
