package pipeline

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// calls is what a HandleTogether said of each delivery.
type calls struct {
	mu    sync.Mutex
	alone []int
	done  map[int]Disposition
}

func togetherOf(ctx context.Context, core *Core, deliveries ...Delivery) *calls {
	c := &calls{done: map[int]Disposition{}}
	core.HandleTogether(ctx, deliveries, func(i int) { c.alone = append(c.alone, i) }, func(i int, d Disposition) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.done[i] = d
	})
	slices.Sort(c.alone)
	return c
}

// singleJobs makes n jobs of one recipient.
func singleJobs(n int, fields string) []Delivery {
	all := make([]Delivery, n)
	for i := range all {
		all[i] = job(uint64(i+1), 1, fields)
	}
	return all
}

func TestTogetherSendsCommitsAndAcknowledgesEach(t *testing.T) {
	w := newWorld()
	w.app.onSend = func() { w.steps = append(w.steps, "send") }
	c := togetherOf(t.Context(), w.core(), singleJobs(3, "")...)
	if diff := cmp.Diff(map[int]Disposition{0: Ack, 1: Ack, 2: Ack}, c.done); diff != "" || len(c.alone) > 0 {
		t.Fatal(diff, c.alone)
	}
	for i, step := range w.steps {
		if got := step == "send"; got != (i < 3) {
			t.Errorf("step %d is %q; all are sent to before the first is committed", i, step)
		}
	}
	if len(w.steps) != 6 || len(w.events) != 3 {
		t.Errorf("steps %v, %d events", w.steps, len(w.events))
	}
	for subject := range w.events {
		if e := w.event(t, subject); e.Sent != 1 || !e.Done || e.Worker != "w-1" || e.Attempt != 1 {
			t.Errorf("event %+v", e)
		}
	}
}

// What is not as simple as it usually is goes the way of Handle, untouched.
func TestOnlySimpleJobsGoTogether(t *testing.T) {
	for name, change := range map[string]func(*world, *Delivery){
		"two recipients":   func(_ *world, d *Delivery) { *d = job(1, 2, "") },
		"at most once":     func(_ *world, d *Delivery) { *d = job(1, 1, `,"on_uncertain":"report"`) },
		"for later":        func(_ *world, d *Delivery) { *d = job(1, 1, `,"deliver_at":"2026-11-23T10:00:01Z"`) },
		"unknown app":      func(_ *world, d *Delivery) { *d = job(1, 1, `,"app":"nobody"`) },
		"not JSON":         func(_ *world, d *Delivery) { d.Body = []byte("{") },
		"unknown subject":  func(_ *world, d *Delivery) { d.Subject = "push.fax" },
		"suspicious":       func(_ *world, d *Delivery) { d.Suspicious = true },
		"from PUSH_WORK":   func(_ *world, d *Delivery) { d.Stream = jobs.StreamWork },
		"payload fault":    func(w *world, _ *Delivery) { w.app.faults = jobs.Faults{{Problem: "too large"}} },
		"too late":         func(w *world, _ *Delivery) { w.app.deadline = w.now },
		"id has an event":  func(w *world, d *Delivery) { *d = known(w) },
		"id has a plan":    func(w *world, d *Delivery) { *d = planned(w) },
		"failed look-up":   func(w *world, d *Delivery) { *d = job(1, 1, `,"id":"x"`); w.fail["find"] = 1 },
		"failed plan":      func(w *world, d *Delivery) { *d = job(1, 1, `,"id":"x"`); w.fail["find-plan"] = 1 },
		"cancelled":        func(w *world, _ *Delivery) { w.order(OrderCancel) },
		"paused":           func(w *world, _ *Delivery) { w.order(OrderPause) },
		"no room":          func(w *world, _ *Delivery) { w.app.rated, w.app.full = true, true },
		"app is out":       nil,
		"app may be tried": nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			d := job(1, 1, "")
			core, breaker := w.core(), (*breaker)(nil)
			if change != nil {
				change(w, &d)
			} else {
				breaker = core.breakers.of(jobs.APNS, jobs.DefaultApp)
				breaker.hold(reasons["Quota"], w.now.Add(map[string]time.Duration{"app is out": time.Hour}[name]))
			}
			w.app.sent = nil
			c := togetherOf(t.Context(), core, d, job(2, 1, `,"app":"other"`))
			if diff := cmp.Diff([]int{0, 1}, c.alone); diff != "" || len(c.done) > 0 || len(w.app.sent) > 0 {
				t.Errorf("%s, done %v, sent %v", diff, c.done, w.app.sent)
			}
			if name == "app may be tried" && breaker.enter(w.now) == nil {
				t.Error("the probe is kept from the one that goes alone")
			}
		})
	}
}

// order gives an order for all jobs.
func (w *world) order(kind OrderKind) {
	w.orders = NewOrders([]Order{{Kind: kind, At: w.now.Add(time.Hour)}})
}

// A cancel in the middle of sending: nobody else is sent to.
func TestCancelledWhileSentTogether(t *testing.T) {
	w := newWorld()
	w.app.script = func(int) sender.Outcome {
		w.order(OrderCancel)
		return sender.Outcome{Class: sender.Accepted}
	}
	c := togetherOf(t.Context(), w.core(), singleJobs(3, "")...)
	if diff := cmp.Diff(map[int]Disposition{0: Ack, 1: Ack, 2: Ack}, c.done); diff != "" || len(w.puts) > 0 {
		t.Error(diff, w.tails())
	}
	cancelled := 0
	for subject := range w.events {
		if e := w.event(t, subject); len(e.Skipped) > 0 && e.Skipped[0].Why == results.SkippedCancelled {
			cancelled++
		}
	}
	if cancelled != 2 || len(w.app.sent) != 1 {
		t.Errorf("%d are skipped, %d were sent to", cancelled, len(w.app.sent))
	}
}

// A cancel of one of them in the middle of sending keeps none of the others from being sent to.
func TestCancelOfOneOfThoseThatAreSentTogether(t *testing.T) {
	w := newWorld()
	w.app.script = func(int) sender.Outcome {
		w.orders = NewOrders([]Order{{Kind: OrderCancel, Scope: Scope{Job: "b"}}})
		return sender.Outcome{Class: sender.Accepted}
	}
	togetherOf(t.Context(), w.core(), job(1, 1, `,"id":"a"`), job(2, 1, `,"id":"b"`), job(3, 1, `,"id":"c"`))
	for _, id := range []string{"a", "c"} {
		if e := w.event(t, "push.results.apns.default."+id+".0.0"); e.Sent != 1 {
			t.Errorf("%s: %+v", id, e)
		}
	}
}

// known is a job whose id has an event.
func known(w *world) Delivery {
	d := job(1, 1, `,"id":"x"`)
	w.core().Handle(context.Background(), d)
	return d
}

func planned(w *world) Delivery {
	w.plans["apns.default.x"] = Plan{Fingerprint: "f", Bounds: []int{0, 1}}
	return job(1, 1, `,"id":"x"`)
}

// Jobs with ids of their publishers' are looked up once, and sent together if nothing is found.
func TestExplicitIDsGoTogether(t *testing.T) {
	w := newWorld()
	c := togetherOf(t.Context(), w.core(), job(1, 1, `,"id":"a"`), job(2, 1, ""), job(3, 1, `,"id":"b"`))
	if diff := cmp.Diff(map[int]Disposition{0: Ack, 1: Ack, 2: Ack}, c.done); diff != "" {
		t.Error(diff)
	}
	w.event(t, "push.results.apns.default.a.0.0")
	w.event(t, "push.results.apns.default.b.0.0")
}

// Somebody told of a job with the same id while ours was being sent: what is stored is followed.
func TestTogetherFollowsWhatWasStoredMeanwhile(t *testing.T) {
	w := newWorld()
	d := job(1, 1, `,"id":"x"`)
	w.app.onSend = func() {
		w.app.onSend = nil
		e := newEvent(&jobs.Segment{
			Job: &jobs.Job{Platform: jobs.APNS, App: "default", IDs: make([]jobs.Token, 1)}, JobID: "x", Segments: 1,
			Fingerprint: jobs.Fingerprint(d.Body),
		}, results.KindSegment, w.now)
		e.Retry = &results.Retry{At: w.now, Indexes: jobs.Indexes{0}, Groups: []results.RetryGroup{{Indexes: jobs.Indexes{0}, Attempts: 1}}}
		e.Totals = &results.Totals{}
		w.events[e.Subject()] = e
	}
	c := togetherOf(t.Context(), w.core(), d)
	if c.done[0] != Ack || len(w.puts) != 1 {
		t.Errorf("%v, %v", c.done, w.tails())
	}
}

func TestTogetherRepeatsACommitOfUnknownOutcome(t *testing.T) {
	w := newWorld()
	w.fail["commit"] = 2
	c := togetherOf(t.Context(), w.core(), singleJobs(2, "")...)
	if diff := cmp.Diff(map[int]Disposition{0: Ack, 1: Ack}, c.done); diff != "" || len(w.events) != 2 || len(w.app.sent) != 2 {
		t.Errorf("%s: %d events, %d sent", diff, len(w.events), len(w.app.sent))
	}
}

// Who goes on after a transient answer waits on PUSH_WORK before the delivery is acknowledged; a step that fails leaves it.
func TestTogetherStoresTheNextRound(t *testing.T) {
	w := newWorld()
	w.app.script = func(int) sender.Outcome { return answer("ServiceUnavailable", 503) }
	w.fail["put"] = 1
	c := togetherOf(t.Context(), w.core(), singleJobs(2, "")...)
	var got []Disposition
	for _, d := range c.done {
		got = append(got, d)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]Disposition{Leave, Ack}, got); diff != "" || len(w.puts) != 1 {
		t.Error(diff, w.tails())
	}
}

// Deliveries that are not ours any more are not sent; those that were lost on the way are left to their new owners.
func TestTogetherAsksForTheLeases(t *testing.T) {
	w := newWorld()
	held := true
	all := singleJobs(3, "")
	all[0].Held = func() bool { return false }
	all[1].Held = func() bool { return held }
	w.app.onSend = func() { held = false }
	c := togetherOf(t.Context(), w.core(), all...)
	if c.done[0] != Leave || c.done[1] != Leave || len(w.app.sent) != 0 {
		t.Errorf("%v, sent %v", c.done, w.app.sent)
	}
	// The third is ours: nobody was asked for it, so it waits for its next round.
	if c.done[2] != Ack || len(w.puts) != 1 {
		t.Errorf("%v, %v", c.done, w.tails())
	}
}

func TestTogetherGivesBackWhenTheWorkerStops(t *testing.T) {
	w := newWorld()
	core := w.core()
	draining, stop := context.WithCancel(t.Context())
	core.Draining = draining
	stop()
	c := togetherOf(t.Context(), core, singleJobs(2, "")...)
	if diff := cmp.Diff(map[int]Disposition{0: GiveBack, 1: GiveBack}, c.done); diff != "" || len(w.app.sent) > 0 {
		t.Error(diff, w.app.sent)
	}
}

// A refused event sheds what it can do without, as always.
func TestTogetherShrinksARefusedEvent(t *testing.T) {
	w := newWorld()
	w.app.script = func(int) sender.Outcome { return sender.Outcome{Class: sender.Accepted, ProviderID: "id"} }
	w.refuse = func(e *results.Event) bool { return e.Accepted != nil }
	if c := togetherOf(t.Context(), w.core(), job(1, 1, "")); c.done[0] != Ack || len(w.events) != 1 {
		t.Errorf("%v, %d events", c.done, len(w.events))
	}
}

// An outage in the middle of many jobs opens the breaker once, costs nobody an attempt and is told once.
func TestOutageAmongJobsThatGoTogether(t *testing.T) {
	w := newWorld()
	rank := uint32(0)
	w.app.script = func(int) sender.Outcome {
		rank++
		out := answer("ServiceUnavailable", 503)
		if rank <= 4 {
			out = sender.Outcome{Class: sender.Accepted}
		}
		out.Rank = rank
		return out
	}
	core := w.core()
	c := togetherOf(t.Context(), core, singleJobs(12, "")...)
	if len(c.done) != 12 || slices.Contains(slices.Collect(maps.Values(c.done)), Leave) {
		t.Fatal(c.done)
	}
	news := 0
	for subject, e := range w.events {
		if e.Kind == results.KindProvider {
			news++
			continue
		}
		w.event(t, subject)
		if e.Retry != nil && e.Retry.Groups[0].Attempts != 0 {
			t.Errorf("%s costs an attempt", e.ID)
		}
	}
	if wait, _ := core.Gate(jobs.APNS, jobs.DefaultApp); news != 1 || len(w.puts) != 8 || wait <= 0 {
		t.Errorf("%d provider events, %d in the next round, the gate is open after %s", news, len(w.puts), wait)
	}
}

// A refused credential holds its own app up, and the other app's jobs of the same call are told of without waiting for it.
func TestAppsOfOneCallDoNotWaitForEachOther(t *testing.T) {
	w := newWorld()
	release := make(chan struct{})
	w.app.onSend = func() { <-release }
	w.others = map[string]*scriptedApp{"other": {attempts: 10, deadline: tenOClock.Add(time.Hour)}}
	told := make(chan int, 4)
	deliveries := []Delivery{job(1, 1, ""), job(2, 1, `,"app":"other"`), job(3, 1, ""), job(4, 1, `,"app":"other"`)}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		w.core().HandleTogether(t.Context(), deliveries, func(int) { t.Error("goes alone") }, func(i int, _ Disposition) { told <- i })
	}()
	got := []int{<-told, <-told}
	slices.Sort(got)
	if diff := cmp.Diff([]int{1, 3}, got); diff != "" {
		t.Error(diff)
	}
	close(release)
	<-finished
	if len(told) != 2 {
		t.Errorf("%d told of in the end", len(told))
	}
}

// What runs alone on its worker waits for a call that is under way, and what goes alone from that call can have its turn after it.
func TestTogetherTakesPartInTheTurn(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.app.onSend = func() {
		if core.turn.TryAcquire(everybody) {
			t.Error("somebody may run alone while jobs are sent together")
		}
	}
	togetherOf(t.Context(), core, job(1, 1, ""), job(2, 2, ""), job(3, 1, `,"id":"a"`))
	if !core.turn.TryAcquire(everybody) {
		t.Error("a turn is not given back")
	}
}

func TestManyIDs(t *testing.T) {
	for body, want := range map[string]bool{
		`{"ids":["a","b"]}`:                      true,
		"{\"ids\" :\n [\"a\",\"b\"]}":            true,
		`{"ids":["a"],"message":"x, y"}`:         false,
		`{"ids":"a","title_loc_args":["a","b"]}`: false,
		`{"topic":"news"}`:                       false,
		`{"ids":["a"`:                            false,
		``:                                       false,
	} {
		if got := manyIDs([]byte(body)); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}
