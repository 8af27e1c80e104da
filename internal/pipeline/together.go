package pipeline

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// Jobs of one recipient are handled together, as many as have come at one time: what sending, committing and acknowledging costs is
// shared. Only what is as simple as it usually is goes this way. Everything else, and everything that turns out not to be simple,
// goes the way of Handle, which does each step for itself.

// single is a job of one recipient on its way.
type single struct {
	held
	// at is its place among the deliveries.
	at    int
	round round
}

// together is one call of HandleTogether.
type together struct {
	core  *Core
	alone func(i int)
	done  func(i int, d Disposition)
}

// HandleTogether does what Handle does for each of the deliveries. For each it calls either alone, which must have it handled by Handle,
// outside this call, or done. It returns when all of the latter have been told of. Calls of alone come early; done may be called from
// several goroutines.
func (c *Core) HandleTogether(ctx context.Context, deliveries []Delivery, alone func(i int), done func(i int, d Disposition)) {
	t := &together{core: c, alone: alone, done: done}
	weight := int64(len(deliveries))
	if !c.Control.Ready(c.Draining) || c.turn.Acquire(c.Draining, weight) != nil {
		for i := range deliveries {
			done(i, GiveBack)
		}
		return
	}
	singles := make([]single, 0, len(deliveries))
	for i, d := range deliveries {
		if d.Held != nil && !d.Held() {
			done(i, Leave)
			continue
		}
		if one, simple := t.read(d); simple {
			one.at = i
			singles = append(singles, one)
		} else {
			alone(i)
		}
	}
	// What goes alone asks for its turn itself.
	c.turn.Release(weight - int64(len(singles)))
	defer c.turn.Release(int64(len(singles)))
	singles = t.unknown(ctx, t.current(ctx, singles))
	var others sync.WaitGroup
	for len(singles) > 0 {
		var app []single
		if app, singles = ofOneApp(singles); len(singles) > 0 {
			others.Go(func() { t.send(ctx, app) })
		} else {
			t.send(ctx, app)
		}
	}
	others.Wait()
}

// read decodes a delivery and says whether it is simple: a job for one recipient without variables, due now, of an app that is known, that nobody has paused
// or cancelled, that may be sent to twice if need be, of which nothing suggests that anybody has begun with it, and for which there is room under the app's rate.
func (t *together) read(d Delivery) (one single, simple bool) {
	if d.Suspicious || len(d.Body) > fewBytes && manyIDs(d.Body) {
		return one, false
	}
	seg, ok := t.segment(d)
	if !ok {
		return one, false
	}
	job, now := seg.Job, t.core.Clock.Now()
	if job.Recipients() != 1 || job.Vars != nil || job.OnUncertain == jobs.OnUncertainReport || job.DeliverAt.After(now) || !jobs.FitsOne(job, t.core.MaxPayload) {
		return one, false
	}
	app, ok := t.core.Apps.App(job.Platform, job.App)
	if !ok {
		return one, false
	}
	batch, err := app.Prepare(seg)
	if err != nil {
		return one, false
	}
	one.held = held{Delivery: d, seg: seg, app: app, batch: batch}
	if d.Stream == jobs.StreamWork {
		one.follows = d.Sequence
	}
	one.round = round{seg: seg, app: app, deadline: batch.Deadline()}
	// Under a rate of its app, room is booked last: what is booked counts as sent.
	return one, !one.round.late(now) && !t.core.cancelled(one.held) && !t.core.paused(one.held) && (!app.Rated() || batch.Book())
}

// fewBytes is how large a job is that may as well be decoded twice.
const fewBytes = 1 << 10

// segment decodes a whole job, from either stream, that nobody has begun with.
func (t *together) segment(d Delivery) (*jobs.Segment, bool) {
	if d.Stream == jobs.StreamWork {
		if first(d.Header, jobs.HeaderTotal) != "1" {
			return nil, false
		}
		seg, err := jobs.DecodeSegment(d.Subject, d.Header, d.Body)
		return seg, err == nil && seg.Whole && seg.Round == 0 && !seg.Begun && !d.Begun
	}
	platform, lane, ok := jobs.ParseIntakeSubject(d.Subject)
	if !ok {
		return nil, false
	}
	seg, err := read(d, platform, lane)
	return seg, err == nil
}

// manyIDs says whether a job looks as if it had several recipients, or variables, which goes alone anyway, so that it is not decoded twice. It
// may be wrong either way.
func manyIDs(body []byte) bool {
	_, ids, _ := bytes.Cut(body, []byte(`"ids"`))
	list, _, _ := bytes.Cut(bytes.TrimLeft(ids, ": \n\t\r"), []byte("]"))
	return bytes.HasPrefix(list, []byte("[")) && bytes.IndexByte(list, ',') >= 0 || bytes.Contains(body, []byte(`"recipients"`))
}

// current puts those aside of whose message on PUSH_WORK there may be a newer copy.
func (t *together) current(ctx context.Context, singles []single) []single {
	var copies []Delivery
	for i := range singles {
		if singles[i].Stream == jobs.StreamWork {
			copies = append(copies, singles[i].Delivery)
		}
	}
	if len(copies) == 0 {
		return singles
	}
	newest := t.core.Work.NoNewer(ctx, copies)
	rest, k := singles[:0], 0
	for _, one := range singles {
		if one.Stream == jobs.StreamWork {
			if k++; !newest[k-1] {
				t.aside(one)
				continue
			}
		}
		rest = append(rest, one)
	}
	return rest
}

// checked says whether there may be something of the job already: what is from PUSH_WORK, and what has an id that its publisher chose.
func (one *single) checked() bool { return one.Stream == jobs.StreamWork || one.seg.Explicit }

// unknown looks for what there is of jobs of which there may be something. Those of which there is anything go alone.
func (t *together) unknown(ctx context.Context, singles []single) []single {
	var segments []*jobs.Segment
	var subjects []string
	for i := range singles {
		if seg := singles[i].seg; singles[i].checked() {
			segments, subjects = append(segments, seg), append(subjects, eventKey(seg).Subject())
		}
	}
	if len(segments) == 0 {
		return singles
	}
	// In the order of Handle: the plan first.
	plan, event := t.core.Status.NoPlans(ctx, segments), t.core.Events.Absent(ctx, subjects)
	rest, k := singles[:0], 0
	for _, one := range singles {
		if one.checked() {
			if k++; !plan[k-1] || !event[k-1] {
				t.aside(one)
				continue
			}
		}
		rest = append(rest, one)
	}
	return rest
}

// aside has a delivery handled alone. The call still holds its turn, which the other way asks for anew: nothing waits for the
// two together but the one that runs alone on its worker.
func (t *together) aside(one single) { t.alone(one.at) }

// ofOneApp takes those out that are of the same app as the first. An app that was just replaced is another one.
func ofOneApp(singles []single) (same, others []single) {
	app := singles[0].app
	differs := func(one single) bool { return one.app != app }
	if !slices.ContainsFunc(singles, differs) {
		return singles, nil
	}
	for _, one := range singles {
		if differs(one) {
			others = append(others, one)
		} else {
			same = append(same, one)
		}
	}
	return same, others
}

// send sends jobs of one app, commits what became of them and does what follows.
func (t *together) send(ctx context.Context, singles []single) {
	c, job := t.core, singles[0].seg.Job
	if !c.commits.wait(c.Draining) {
		for i := range singles {
			t.done(singles[i].at, GiveBack)
		}
		return
	}
	give, ok := c.share(singles[0].held, len(singles))
	if !ok {
		for _, one := range singles {
			t.aside(one)
		}
		return
	}
	defer give()
	leave := c.breakers.of(job.Platform, job.App).enter(c.Clock.Now())
	if leave == nil || leave.probe {
		if leave != nil {
			leave.close()
		}
		for _, one := range singles {
			t.aside(one)
		}
		return
	}
	defer leave.close()
	// The broker may have given deliveries to somebody else while they waited: those are theirs.
	out := t.deliver(ctx, singles)
	give()
	recipients := make([]int, len(singles))
	for i := range recipients {
		recipients[i] = i
	}
	now := c.Clock.Now()
	verdict := leave.judge(out, recipients, func(i int) string { return singles[i].round.name(0) }, now)
	events := make([]*results.Event, 0, len(singles))
	owners := make([]*single, 0, len(singles))
	for i := range singles {
		one := &singles[i]
		one.round.out = out[i : i+1]
		if one.round.interrupted(one.held.held) {
			t.done(one.at, c.dispose(one.Delivery, ErrStale))
			continue
		}
		one.round.verdict, one.round.cancelled = verdict, c.cancelled(one.held)
		if one.round.verdict.undecided = nil; verdict.undecided[i] {
			one.round.verdict.undecided = map[int]bool{0: true}
		}
		event := one.round.settle(now, c.Random)
		event.Worker = c.Worker
		events, owners = append(events, event), append(owners, one)
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = c.lastWords()
		defer cancel()
	}
	c.tell(ctx, singles[0].held, &verdict)
	t.commit(ctx, owners, events)
}

// deliver sends to each recipient and returns their outcomes.
func (t *together) deliver(ctx context.Context, singles []single) []sender.Outcome {
	batches, out := make([]Batch, len(singles)), make([]sender.Outcome, len(singles))
	for i := range singles {
		batches[i] = singles[i].batch
	}
	// One that is not ours any more keeps the others from being begun: heartbeats leave together, so that they usually all are not.
	// A cancel stops them when it is about all of them: another's one attempt must not be lost to it.
	proceed := func() bool {
		for i := range singles {
			if !singles[i].held.held() {
				return false
			}
		}
		return t.core.Control.Orders() == nil || slices.ContainsFunc(singles, func(one single) bool { return !t.core.cancelled(one.held) })
	}
	begun := t.core.Clock.Now()
	singles[0].app.SendEach(ctx, batches, proceed, out)
	for i := range singles {
		t.core.sent(singles[i].held, 1, begun)
	}
	return out
}

// commit stores the events together. What is not simple then takes the usual steps: the same event is committed once more.
func (t *together) commit(ctx context.Context, singles []*single, events []*results.Event) {
	var others sync.WaitGroup
	for i, stored := range t.core.Events.CommitAll(ctx, events) {
		one, event := singles[i], events[i]
		switch {
		case stored.Err == nil && stored.Earlier == nil:
			t.core.Observer.Committed(event, one.seg.Published)
			if event.Retry == nil {
				t.done(one.at, Ack)
				continue
			}
			others.Go(func() { t.done(one.at, t.core.dispose(one.Delivery, t.core.proceed(ctx, one.held, event))) })
		default:
			others.Go(func() { t.done(one.at, t.core.dispose(one.Delivery, t.core.commit(ctx, one.held, event))) })
		}
	}
	others.Wait()
}
