package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// errKilled is what the end of a process looks like here: no deferred call of Handle must do what a dead process can't, so
// none is there, and a panic that the test catches leaves everything as it was.
type killed struct{}

// dies handles a delivery on a worker that dies when it sends.
func (w *world) dies(t *testing.T, d Delivery) {
	t.Helper()
	w.app.onSend = func() { panic(killed{}) }
	defer func() {
		w.app.onSend = nil
		if _, ok := recover().(killed); !ok {
			t.Error("the worker did not die")
		}
	}()
	w.core().Handle(t.Context(), d)
}

func TestPoisonStopsAfterThreeCountedStarts(t *testing.T) {
	w := newWorld()
	d := job(7, 2, `,"id":"poison"`)
	w.dies(t, d) // its first start is as good as any other
	d.Suspicious = true
	for range 3 {
		w.dies(t, d)
	}
	if got := w.core().Handle(t.Context(), d); got != Ack {
		t.Fatalf("disposition %d, want Ack", got)
	}
	e := w.event(t, "push.results.apns.default.poison.0.0")
	if e.Kind != results.KindDead || e.Dead.Reason != results.DeadPoison || len(e.Uncertain) != 2 || len(e.Skipped) != 0 {
		t.Errorf("%+v %+v", e, e.Dead)
	}
	if !strings.Contains(e.Dead.Faults[0].Problem, "3 times") || len(w.dead) != 1 {
		t.Errorf("%+v, %d letters", e.Dead, len(w.dead))
	}
}

// A bystander that was under way each time comes through when it is alone.
func TestBystanderOfPoisonComesThrough(t *testing.T) {
	w := newWorld()
	bystander := job(8, 1, `,"id":"good"`)
	bystander.Suspicious = true
	w.dies(t, bystander)
	w.dies(t, bystander)
	if got := w.core().Handle(t.Context(), bystander); got != Ack {
		t.Fatalf("disposition %d", got)
	}
	if e := w.event(t, "push.results.apns.default.good.0.0"); e.Sent != 1 {
		t.Errorf("%+v", e)
	}
	if len(w.claims) != 0 {
		t.Errorf("claims stay behind: %v", w.claims)
	}
}

func TestSuspectRunsAlone(t *testing.T) {
	w := newWorld()
	suspect := job(7, 1, `,"id":"suspect"`)
	suspect.Suspicious = true
	w.dies(t, suspect)
	core := w.core()
	sending, goOn := make(chan struct{}), make(chan struct{})
	w.app.onSend = func() {
		w.app.onSend = func() {}
		close(sending)
		<-goOn
	}
	alone, other := make(chan Disposition), make(chan Disposition)
	go func() { alone <- core.Handle(t.Context(), suspect) }()
	<-sending
	go func() { other <- core.Handle(t.Context(), job(8, 1, `,"id":"other"`)) }()
	select {
	case <-other:
		t.Error("another delivery ran beside the suspect")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	if a, b := <-alone, <-other; a != Ack || b != Ack {
		t.Errorf("dispositions %d and %d", a, b)
	}
}

// Trouble with the broker is no sign of poison: the worker lives to tell, and takes the start back.
func TestStartIsTakenBackUnlessTheWorkerDied(t *testing.T) {
	w := newWorld()
	d := job(7, 1, `,"id":"j"`)
	d.Suspicious = true
	for range 10 {
		w.fail["find"] = 1
		if got := w.core().Handle(t.Context(), d); got != Leave {
			t.Fatalf("disposition %d, want Leave", got)
		}
	}
	if got := w.core().Handle(t.Context(), d); got != Ack || len(w.dead) != 0 {
		t.Errorf("disposition %d, %d letters", got, len(w.dead))
	}
}

func TestClaimPortFailureLeavesTheDelivery(t *testing.T) {
	for _, step := range []string{"claim", "put-claim"} {
		w := newWorld()
		d := job(7, 1, "")
		d.Suspicious = true
		w.fail[step] = 1
		if got := w.core().Handle(t.Context(), d); got != Leave || len(w.app.sent) != 0 {
			t.Errorf("%s: disposition %d, %d sent", step, got, len(w.app.sent))
		}
	}
}

func TestReportIsSentAtMostOnce(t *testing.T) {
	w := newWorld()
	d := job(7, 3, `,"id":"once","on_uncertain":"report"`)
	w.dies(t, d)
	d.Suspicious = true
	if got := w.core().Handle(t.Context(), d); got != Ack {
		t.Fatalf("disposition %d", got)
	}
	e := w.event(t, "push.results.apns.default.once.0.0")
	if len(w.app.sent) != 0 || len(e.Uncertain) != 3 || e.Uncertain[0].Reason != heardNothing || !e.Done {
		t.Errorf("sent %v, event %+v", w.app.sent, e)
	}
	if w.waited < 30*time.Second {
		t.Errorf("waited %s for the other one", w.waited)
	}
}

// The other one was only slow: its event comes while we wait, and is followed.
func TestReportFollowsTheSlowOwner(t *testing.T) {
	w := newWorld()
	d := job(7, 1, `,"id":"once","on_uncertain":"report"`)
	slow, fast := w.core(), w.core()
	if slow.Handle(t.Context(), d) != Ack {
		t.Fatal("not acknowledged")
	}
	d.Suspicious = true
	// As if the look-up before the send had come too early.
	stored := w.events
	w.events = map[string]*results.Event{}
	fast.Params.Wait = waitAnd(func() { w.events = stored })
	if fast.Handle(t.Context(), d) != Ack {
		t.Fatal("not acknowledged")
	}
	if e := w.event(t, "push.results.apns.default.once.0.0"); e.Sent != 1 || len(w.app.sent) != 1 {
		t.Errorf("sent %v, event %+v", w.app.sent, e)
	}
}

func TestReportNeverResendsAnUncertainRecipient(t *testing.T) {
	w := newWorld()
	w.app.script = func(p int) sender.Outcome {
		if p == 0 {
			return answer("AnswerLost", 0)
		}
		return answer("ServiceUnavailable", 503)
	}
	core := w.core()
	core.Handle(t.Context(), job(7, 2, `,"id":"once","on_uncertain":"report"`))
	e := w.event(t, "push.results.apns.default.once.0.0")
	if len(e.Uncertain) != 1 || e.Uncertain[0].Index != 0 || e.Retry.Indexes.String() != "1" {
		t.Errorf("%+v %+v", e, e.Retry)
	}
	// The next round has a claim of its own.
	w.app.script, w.app.sent = nil, nil
	core.Handle(t.Context(), w.take(t, "apns.default.normal.once.0.1"))
	if diff := cmp.Diff([]int{1}, w.app.sent); diff != "" {
		t.Error(diff)
	}
}

func TestStaleDeliveryIsNeitherSentNorCommitted(t *testing.T) {
	t.Run("before the first byte", func(t *testing.T) {
		w := newWorld()
		d := job(7, 3, "")
		d.Held = func() bool { return false }
		if got := w.core().Handle(t.Context(), d); got != Leave || len(w.app.sent) != 0 || len(w.events) != 0 {
			t.Errorf("disposition %d, sent %v, %d events", got, w.app.sent, len(w.events))
		}
	})
	t.Run("between two writes", func(t *testing.T) {
		w := newWorld()
		d := job(7, 3, "")
		asked := 0
		d.Held = func() bool { asked++; return asked < 4 }
		if got := w.core().Handle(t.Context(), d); got != Leave || len(w.events) != 0 {
			t.Errorf("disposition %d, %d events", got, len(w.events))
		}
		if n := len(w.app.sent); n == 0 || n == 3 {
			t.Errorf("%d sent: the test does not cut between writes", n)
		}
	})
}

// A job that takes its worker with it in the middle of a split: what is left of it is buried segment by segment, what was sent stays sent.
func TestPoisonInTheMiddleOfASplit(t *testing.T) {
	w := newWorld()
	d := job(7, 2500, `,"id":"big"`)
	w.fail["put"] = 1
	core := w.core()
	if core.Handle(t.Context(), d) != Leave { // the plan is stored, no segment is
		t.Fatal("acknowledged")
	}
	if core.Handle(t.Context(), d) != Ack {
		t.Fatal("not acknowledged")
	}
	core.Handle(t.Context(), w.take(t, "apns.default.normal.big.1.0"))
	d.Suspicious = true
	w.claims[startKey(d)] = Claim{Starts: 3, Alone: maxAloneStarts, Revision: 1}
	if got := core.Handle(t.Context(), d); got != Ack {
		t.Fatalf("disposition %d", got)
	}
	if len(w.dead) != 2 {
		t.Errorf("%d letters, want one for each of the two segments that were not sent", len(w.dead))
	}
	// The segments that still wait find that they are told of.
	for _, tail := range w.tails() {
		core.Handle(t.Context(), w.take(t, tail))
	}
	done := w.events["push.results.apns.default.big.done.0"]
	if done == nil || done.Totals.Sent != 1000 || done.Totals.Uncertain != 1500 || len(w.app.sent) != 1000 {
		t.Errorf("%d sent, %+v", len(w.app.sent), done)
	}
}

// A worker that dies while a suspect still waits for its turn was not killed by it.
func TestWaitingForItsTurnIsNoStart(t *testing.T) {
	w := newWorld()
	suspect := job(7, 1, `,"id":"suspect"`)
	suspect.Suspicious = true
	w.dies(t, suspect)
	before := w.claims[startKey(suspect)]
	core := w.core()
	sending, goOn := make(chan struct{}), make(chan struct{})
	w.app.onSend = func() {
		w.app.onSend = func() {}
		close(sending)
		<-goOn
	}
	other, waiting := make(chan Disposition), make(chan Disposition)
	go func() { other <- core.Handle(t.Context(), job(8, 1, `,"id":"other"`)) }()
	<-sending
	go func() { waiting <- core.Handle(t.Context(), suspect) }()
	for looked := false; !looked; { // until the suspect has asked for its turn
		w.mu.Lock()
		looked = w.steps[len(w.steps)-1] == "claim "+startKey(suspect)
		w.mu.Unlock()
	}
	w.mu.Lock()
	now := w.claims[startKey(suspect)]
	w.mu.Unlock()
	if now != before {
		t.Errorf("counted while it waits: %+v, before %+v", now, before)
	}
	close(goOn)
	if a, b := <-other, <-waiting; a != Ack || b != Ack {
		t.Errorf("dispositions %d and %d", a, b)
	}
}
