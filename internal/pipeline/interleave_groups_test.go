package pipeline

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// crowd is what a worker has that handles several deliveries at one time: its goroutines wait for their cues side by side, and one of them moves.
type crowd struct {
	mu    sync.Mutex
	waits []chan bool
	dead  bool
	held  []*message // nil while the worker is idle
	end   context.CancelFunc
}

// step waits for the cue.
func (c *crowd) step() {
	c.mu.Lock()
	cue := make(chan bool)
	c.waits = append(c.waits, cue)
	if c.dead {
		c.mu.Unlock()
		runtime.Goexit()
	}
	c.mu.Unlock()
	if !<-cue {
		runtime.Goexit()
	}
}

// rest waits until all goroutines of the worker wait for their cue, or have ended, and says how many wait.
func (c *crowd) rest() int {
	synctest.Wait()
	c.mu.Lock() // what they did happened before
	defer c.mu.Unlock()
	return len(c.waits)
}

// takeAll hands messages to the worker and lets it run to its first steps.
func (a *actor) takeAll(all []*message) {
	c := a.crowd
	c.held, a.lease = all, true
	deliveries := make([]Delivery, len(all))
	for i, m := range all {
		m.delivered++
		m.holder = a
		d := m.Delivery
		d.Suspicious, d.Begun = m.delivered > 1, m.delivered > 1
		d.Held = func() bool { return a.lease }
		deliveries[i] = d
	}
	go func() {
		var alone sync.WaitGroup
		done := func(i int, d Disposition) {
			a.step()
			c.mu.Lock()
			defer c.mu.Unlock()
			all[i].acked = all[i].acked || d == Ack
			if all[i].holder == a {
				all[i].holder = nil
			}
		}
		a.core.HandleTogether(context.Background(), deliveries, func(i int) {
			alone.Go(func() { done(i, a.core.Handle(context.Background(), deliveries[i])) })
		}, done)
		alone.Wait()
		a.step()
		a.lapse()
		c.held = nil
	}()
	c.rest()
}

// lapse ends the leases: the broker may give the messages to anybody.
func (a *actor) lapse() {
	a.lease = false
	for _, m := range a.crowd.held {
		if m.holder == a {
			m.holder = nil
		}
	}
}

// move has one of the goroutines go on.
func (a *actor) move(which int) {
	c := a.crowd
	cue := c.waits[which]
	c.waits = slices.Delete(c.waits, which, which+1)
	cue <- true
	c.rest()
}

// die ends the worker on the spot; another one comes with an empty head.
func (a *actor) die() {
	c := a.crowd
	a.lapse()
	c.mu.Lock()
	c.dead = true
	waits := c.waits
	c.waits = nil
	c.mu.Unlock()
	c.end()
	for _, cue := range waits {
		cue <- false
	}
	c.rest()
	a.stage.actors = slices.DeleteFunc(a.stage.actors, func(b *actor) bool { return b == a })
	a.stage.gather(a.stage.enter(a.name + "'"))
}

// gather has the worker handle deliveries together.
func (s *stage) gather(a *actor) {
	ctx, end := context.WithCancel(context.Background())
	var nonces atomic.Int64
	a.crowd, a.core.Draining, a.core.Nonce = &crowd{end: end}, ctx, func() string { return fmt.Sprint(a.name, nonces.Add(1)) }
}

// sample is a job of a check: what it is like, and by which id it must be told of.
type sample struct {
	kind string
	id   string
	n    int
}

// Jobs of all kinds come in groups, as they do from a busy queue: each group is handled together as far as it is simple, side by side with what goes
// alone. Whatever dies or loses its lease in between, each job ends in exactly one place, and nobody is told as sent who was not.
func TestBooksBalanceWhenGroupsAreHandledTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { // a bubble has no deadline to ask for
			s := newStage(rapid.IntRange(1, 3).Draw(rt, "workers"))
			for _, a := range s.actors {
				s.gather(a)
			}
			defer func() {
				for _, a := range s.actors {
					a.crowd.end()
				}
			}()
			s.app.attempts = rapid.IntRange(1, 3).Draw(rt, "max attempts")
			answers := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "ok", "ServiceUnavailable", "BadDeviceToken", "Unregistered", "AnswerLost"}), 40, 40).Draw(rt, "answers")
			times := map[string]int{}
			s.answer = func(seg *jobs.Segment) sender.Outcome {
				kind := "ok"
				if len(answers) > 0 {
					kind, answers = answers[0], answers[1:]
				}
				if kind == "ok" || kind == "AnswerLost" {
					times[seg.JobID]++
				}
				if kind == "ok" {
					return sender.Outcome{Class: sender.Accepted}
				}
				return answer(kind, 500)
			}
			var all []sample
			kinds := []string{"plain", "plain", "plain", "explicit", "same", "same", "reused", "report", "two", "broken", "later"}
			for i := range rapid.IntRange(1, 6).Draw(rt, "jobs") {
				all = append(all, s.publishSample(uint64(i+1), rapid.SampledFrom(kinds).Draw(rt, "kind")))
			}
			s.toGive = rapid.IntRange(0, 2).Draw(rt, "orders")
			troubled := s.runGroups(rt, rapid.IntRange(0, 4).Draw(rt, "faults"))
			s.checkSamples(rt, all, times, troubled)
		})
	})
}

// publishSample publishes a job of the kind.
func (s *stage) publishSample(sequence uint64, kind string) sample {
	one := sample{kind: kind, n: 1}
	fields := ""
	switch kind {
	case "explicit":
		one.id = fmt.Sprint("own-", sequence)
	case "same":
		one.id = "same"
	case "reused":
		one.id, fields = "same", `,"badge":1`
	case "report":
		fields = `,"on_uncertain":"report"`
	case "two":
		one.n = 2
	case "later":
		fields = `,"deliver_at":"` + tenOClock.Add(5*time.Minute).Format(time.RFC3339) + `"`
	}
	if one.id != "" {
		fields += `,"id":"` + one.id + `"`
	}
	d := job(sequence, one.n, fields)
	if kind == "broken" {
		d.Body, one.n = []byte(`{"message":`), 0
	}
	if one.id == "" {
		one.id, _ = jobs.ResolveID("", "", d.Sequence, d.Stored)
	}
	s.publish(d)
	return one
}

// runGroups plays until nothing is left. It answers whether anybody died or lost a lease.
func (s *stage) runGroups(rt *rapid.T, faults int) (troubled bool) {
	for moves := 0; s.waits(); moves++ {
		if moves > 5000 {
			rt.Fatalf("never ends; steps: %v", s.steps[max(0, len(s.steps)-30):])
		}
		a := rapid.SampledFrom(s.actors).Draw(rt, "who")
		if a.crowd.held == nil {
			if free := s.runnable(); len(free) > 0 {
				free = rapid.Permutation(free).Draw(rt, "order")
				a.takeAll(free[:rapid.IntRange(1, len(free)).Draw(rt, "takes")])
				s.now = s.now.Add(lastProbe / 2)
			}
			continue
		}
		switch what := rapid.IntRange(0, 19).Draw(rt, "what"); {
		case what == 0 && faults > 0:
			faults--
			troubled = true
			a.die()
		case what == 1 && faults > 0:
			faults--
			troubled = true
			a.lapse()
		case what == 2 && s.toGive > 0:
			s.drawOrder(rt)
		case what == 3:
			rapid.SampledFrom(s.actors).Draw(rt, "who hears").hear()
		default:
			a.move(rapid.IntRange(0, a.crowd.rest()-1).Draw(rt, "which"))
		}
	}
	for _, a := range slices.Clone(s.actors) { // whoever is late still ends
		for a.crowd.held != nil {
			a.move(0)
		}
	}
	if s.waits() {
		return s.runGroups(rt, 0) || troubled
	}
	return troubled
}

// checkSamples holds the events against what the provider accepted.
func (s *stage) checkSamples(rt *rapid.T, all []sample, times map[string]int, troubled bool) {
	places, recipients := map[string]int{}, map[string]int{}
	sent, skipped, lost := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for subject, e := range s.events {
		if e.Kind != results.KindSegment && e.Kind != results.KindDead {
			continue
		}
		if err := e.Balanced(); err != nil {
			rt.Fatalf("%s: %v", subject, err)
		}
		places[e.Job] += e.Sent + len(e.Failures) + len(e.ExpiredTokens) + len(e.Uncertain)
		for _, one := range e.Skipped {
			places[e.Job] += len(one.Indexes)
			skipped[e.Job] = true
		}
		if e.Round == 0 {
			recipients[e.Job] += e.Recipients
		}
		sent[e.Job] = sent[e.Job] || e.Sent > 0
		if e.Retry != nil {
			for _, g := range e.Retry.Groups {
				lost[e.Job] = lost[e.Job] || g.Reason == "AnswerLost"
			}
		}
	}
	for id, n := range recipients {
		if places[id] != n {
			rt.Fatalf("job %s: %d recipients have %d places; events %v; steps %q", id, n, places[id], s.subjects(), s.steps)
		}
	}
	copies := map[string]int{}
	for _, one := range all {
		copies[one.id]++
	}
	for _, one := range all {
		n := times[one.id]
		switch got, told := recipients[one.id]; {
		case !told:
			rt.Fatalf("nothing is told of the %s job %s; events %v", one.kind, one.id, s.subjects())
		case got != one.n:
			rt.Fatalf("the %s job %s has %d recipients", one.kind, one.id, got)
		case one.n != 1 || copies[one.id] > 1:
		case sent[one.id] && n == 0:
			rt.Fatalf("the %s job %s is told as sent and was not", one.kind, one.id)
		case skipped[one.id] && n > 0:
			rt.Fatalf("the %s job %s is told as skipped and was sent", one.kind, one.id)
		case n > 1 && (one.kind == "report" || !troubled && !lost[one.id]):
			rt.Fatalf("the %s job %s was sent %d times", one.kind, one.id, n)
		}
	}
	if s.disobeyed {
		rt.Fatalf("somebody began to send a job of whose end it had heard; steps %v", s.steps)
	}
}
