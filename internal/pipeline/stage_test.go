package pipeline

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

// stage is a world whose workers move one step at a time, as somebody says: before and after every effect they wait for their cue.
type stage struct {
	*world
	messages []*message
	accepted map[int]int
	actors   []*actor
	// given are the orders that are stored; the workers learn of them one after the other.
	given []Order
	// toGive is how many orders may still be given. disobeyed says that a worker sent although it had heard of a cancel.
	toGive    int
	disobeyed bool
	grace     time.Duration // of those that do not have the app
	// answer, if set, answers a recipient instead of the app's script.
	answer func(seg *jobs.Segment) sender.Outcome
}

// message is one message of PUSH_JOBS or PUSH_WORK. The models of both streams follow what was measured: a work queue forgets what is
// acknowledged, sees the two subjects of a tail as one, and hands out again what nobody has a lease for.
type message struct {
	Delivery
	tail        string
	fingerprint string
	due         time.Time
	// seg is what a message of PUSH_WORK holds, paused says that it was put aside for a pause.
	seg       *jobs.Segment
	paused    bool
	acked     bool
	delivered int
	holder    *actor
}

// actor is one worker with one delivery at a time.
type actor struct {
	*stage
	name  string
	core  *Core
	on    *message // what it holds; nil while it is idle
	knows []Order  // the orders that it has heard of
	poor  bool     // it does not have the app
	lease bool
	cue   chan bool // true: go on; false: die
	turn  chan bool // true: it waits for its cue; false: it has left the stage
	crowd *crowd    // of one that handles several deliveries at a time; nil for others
}

func newStage(workers int) *stage {
	s := &stage{world: newWorld(), accepted: map[int]int{}, grace: lastProbe}
	for n := range workers {
		s.enter(fmt.Sprintf("w-%d", n))
	}
	return s
}

// enter brings a worker on that knows nothing.
func (s *stage) enter(name string) *actor {
	a := &actor{stage: s, name: name, knows: s.given, cue: make(chan bool), turn: make(chan bool)}
	a.core = New(Params{
		Events: a, Work: a, Status: a, Dead: a, Claims: a, Apps: a, Clock: s, Control: a,
		Random: func() float64 { return 0.5 },
		Wait: func(ctx context.Context, d time.Duration) error {
			a.step()
			s.now = s.now.Add(d)
			return ctx.Err()
		},
		Draining: context.Background(), AckWait: 30 * time.Second,
		Nonce:      func() string { s.nonces++; return fmt.Sprint(s.nonces) },
		MaxPayload: twoByTwo, MaxSegments: 4, Worker: name, UnknownAppGrace: s.grace,
	})
	s.actors = append(s.actors, a)
	return a
}

// twoByTwo is a payload limit under which two recipients with tokens of the classic size fill a segment.
const twoByTwo = 128<<10 + 2*(2*64+jobs.EventPerRecipient)

// step waits for the cue.
func (a *actor) step() {
	if a.crowd != nil {
		a.crowd.step()
		return
	}
	a.turn <- true
	if !<-a.cue {
		runtime.Goexit()
	}
}

// take hands the message to the worker and lets it run to its first step. forsaken says that it believes that nobody has the app.
func (a *actor) take(m *message, forsaken bool) {
	m.delivered++
	m.holder, a.on, a.lease = a, m, true
	d := m.Delivery
	d.Suspicious = m.delivered > 1
	d.Begun = m.delivered > 1
	d.Forsaken = forsaken
	d.Held = func() bool { return a.lease }
	go func() {
		defer func() { a.turn <- false }()
		if a.handle(d) == Ack {
			a.step()
			m.acked = true // also from somebody whose lease is over: the broker takes it
		}
	}()
	a.rest(<-a.turn)
}

// handle deals with a delivery as a pull does.
func (a *actor) handle(d Delivery) (disposition Disposition) {
	alone := false
	a.core.HandleTogether(context.Background(), []Delivery{d}, func(int) { alone = true }, func(_ int, d Disposition) { disposition = d })
	if alone {
		disposition = a.core.Handle(context.Background(), d)
	}
	return disposition
}

// play gives the cue; with false the worker dies on the spot, and another one comes with an empty head.
func (a *actor) play(on bool) {
	a.cue <- on
	a.rest(<-a.turn)
	if !on {
		for i := range a.actors {
			if a.actors[i] == a {
				a.actors = append(a.actors[:i], a.actors[i+1:]...)
				break
			}
		}
		a.enter(a.name + "'").poor = a.poor
	}
}

// rest notes that the worker is idle again.
func (a *actor) rest(waits bool) {
	if waits {
		return
	}
	a.expire()
	a.on = nil
}

// expire ends the lease: the broker may give the message to anybody.
func (a *actor) expire() {
	a.lease = false
	if a.on.holder == a {
		a.on.holder = nil
	}
}

// runnable is what may be delivered now.
func (s *stage) runnable() []*message {
	var free []*message
	for _, m := range s.messages {
		if !m.acked && m.holder == nil && !m.due.After(s.now) {
			free = append(free, m)
		}
	}
	return free
}

// waits says whether anything is left, and advances the clock to it if it is due later.
func (s *stage) waits() bool {
	var next time.Time
	for _, m := range s.messages {
		if m.acked {
			continue
		}
		if m.holder != nil || !m.due.After(s.now) {
			return true
		}
		if next.IsZero() || m.due.Before(next) {
			next = m.due
		}
	}
	if next.IsZero() {
		return false
	}
	if !slices.ContainsFunc(s.actors, func(a *actor) bool { return (a.on != nil || a.crowd != nil && a.crowd.held != nil) && a.lease }) { // nobody sends for an hour
		s.now = next
	}
	return true
}

func (s *stage) publish(d Delivery) { s.messages = append(s.messages, &message{Delivery: d}) }

// last is the newest living copy of a tail.
func (s *stage) last(tail string) *message {
	var last *message
	for _, m := range s.messages {
		if m.tail == tail && !m.acked {
			last = m
		}
	}
	return last
}
