package pipeline

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// Two or three workers move step by step in any order; any of them may die before or after any effect, and any may lose its lease and
// go on all the same. In the end each recipient has exactly one final place, the books of all events balance, what is told as sent was
// accepted, what is told as skipped was not, and only a death or a lost lease makes anybody get something twice: nobody at all with
// on_uncertain "report". Meanwhile somebody pauses, resumes and cancels, and the workers hear of it one after the other: whoever has heard of a
// cancel sends nothing more.
func TestBooksBalanceInAnyInterleavingWithCrashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStage(rapid.IntRange(2, 3).Draw(rt, "workers"))
		n := rapid.IntRange(1, 5).Draw(rt, "recipients")
		report := rapid.Bool().Draw(rt, "report")
		// Some workers do not have the app. If nobody who has it is at work they may believe that nobody has it.
		for _, a := range s.actors {
			a.poor = rapid.IntRange(0, 2).Draw(rt, "has no app") == 0
		}
		s.app.attempts = rapid.IntRange(1, 3).Draw(rt, "max attempts")
		answers := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "ok", "ServiceUnavailable", "BadDeviceToken", "Unregistered", "AnswerLost", "AnswerLost but sent"}),
			40, 40).Draw(rt, "answers")
		s.app.script = func(p int) sender.Outcome {
			kind := "ok"
			if len(answers) > 0 {
				kind, answers = answers[0], answers[1:]
			}
			switch kind {
			case "ok":
				s.accepted[p]++
				return sender.Outcome{Class: sender.Accepted}
			case "AnswerLost but sent":
				s.accepted[p]++
				kind = "AnswerLost"
			}
			return answer(kind, 500)
		}
		fields := `,"id":"r"`
		if report {
			fields += `,"on_uncertain":"report"`
		}
		if rapid.Bool().Draw(rt, "later") {
			fields += `,"deliver_at":"` + tenOClock.Add(5*time.Minute).Format(time.RFC3339) + `"`
		}
		s.publish(job(7, n, fields))
		faults := rapid.IntRange(0, 7).Draw(rt, "faults")
		s.toGive = rapid.IntRange(0, 4).Draw(rt, "orders")
		troubled := s.run(rt, faults)
		s.check(rt, n, report, troubled)
	})
}

// run plays until nothing is left. It answers whether anybody died or lost a lease.
func (s *stage) run(rt *rapid.T, faults int) (troubled bool) {
	for moves := 0; s.waits(); moves++ {
		if moves > 5000 {
			rt.Fatalf("never ends; steps: %v", s.steps[max(0, len(s.steps)-30):])
		}
		a := rapid.SampledFrom(s.actors).Draw(rt, "who")
		if a.on == nil {
			if free := s.runnable(); len(free) > 0 {
				a.take(rapid.SampledFrom(free).Draw(rt, "takes"), s.forsaken(a) && rapid.Bool().Draw(rt, "forsaken"))
				s.now = s.now.Add(lastProbe / 2) // or what is parked would be parked again for ever
			}
			continue
		}
		switch what := rapid.IntRange(0, 19).Draw(rt, "what"); {
		case what == 0 && faults > 0:
			faults--
			troubled = true
			a.play(false)
		case what == 1 && faults > 0:
			faults--
			troubled = true
			a.expire()
		case what == 2 && s.toGive > 0:
			s.drawOrder(rt)
		case what == 3:
			rapid.SampledFrom(s.actors).Draw(rt, "who hears").hear()
		default:
			a.play(true)
		}
	}
	for _, a := range slices.Clone(s.actors) { // whoever is late still ends
		for a.on != nil {
			a.play(true)
		}
	}
	if s.waits() {
		return s.run(rt, 0) || troubled
	}
	return troubled
}

// forsaken says whether the worker may take the app for one that nobody has: whoever has it and is at work would answer.
func (s *stage) forsaken(a *actor) bool {
	return a.poor && !slices.ContainsFunc(s.actors, func(b *actor) bool { return !b.poor && b.on != nil })
}

// check holds the events against what the provider accepted.
func (s *stage) check(rt *rapid.T, n int, report, troubled bool) {
	final := make([][]string, n)
	for subject, e := range s.events {
		if e.Kind != results.KindSegment && e.Kind != results.KindDead {
			continue
		}
		if err := e.Balanced(); err != nil {
			rt.Fatalf("%s: %v", subject, err)
		}
		left := s.due(rt, e, n)
		place := func(what string, indexes ...int) {
			for _, i := range indexes {
				final[i] = append(final[i], what)
				delete(left, i)
			}
		}
		for _, f := range e.Failures {
			place("failed", f.Index)
		}
		for _, f := range e.ExpiredTokens {
			place("expired", f.Index)
		}
		for _, u := range e.Uncertain {
			place("uncertain", u.Index)
		}
		for _, skipped := range e.Skipped {
			place("skipped", skipped.Indexes...)
		}
		if e.Retry != nil {
			for _, i := range e.Retry.Indexes {
				delete(left, i)
			}
		}
		if len(left) != e.Sent {
			rt.Fatalf("%s: %d sent, but %d have no other place", subject, e.Sent, len(left))
		}
		for i := range left {
			place("sent", i)
		}
	}
	for i, places := range final {
		if len(places) != 1 {
			rt.Fatalf("recipient %d has the places %v; events %v", i, places, s.subjects())
		}
		times := s.accepted[i]
		switch {
		case places[0] == "sent" && times == 0:
			rt.Fatalf("recipient %d is told as sent and was not", i)
		case places[0] == "skipped" && times > 0:
			rt.Fatalf("recipient %d is told as skipped and was sent to; steps %q", i, s.steps)
		case report && times > 1:
			rt.Fatalf("recipient %d was sent to %d times", i, times)
		case times > 1 && !troubled && !s.lost(i):
			rt.Fatalf("recipient %d was sent to %d times for no reason", i, times)
		}
	}
	if s.disobeyed {
		rt.Fatalf("somebody began to send to a recipient of a job of whose end it had heard; steps %v", s.steps)
	}
	done := s.events["push.results.apns.default.r.done.0"]
	if multiple := n > 2 && !s.plans["apns.default.r"].Dead; multiple != (done != nil) || done != nil && done.Totals.Recipients != n {
		rt.Fatalf("job_done: %+v; events %v, plans %+v, steps %v", done, s.subjects(), s.plans, s.steps)
	}
}

// due are the recipients that an event has to tell of.
func (s *stage) due(rt *rapid.T, e *results.Event, n int) map[int]bool {
	due := map[int]bool{}
	if e.Round > 0 {
		before := s.events[fmt.Sprintf("push.results.apns.default.r.%d.%d", e.Segment, e.Round-1)]
		if before == nil || before.Retry == nil {
			rt.Fatalf("%s follows nothing", e.ID)
		}
		for _, i := range before.Retry.Indexes {
			due[i] = true
		}
		return due
	}
	from, to := 0, n
	if plan, split := s.plans["apns.default.r"]; split && !plan.Dead {
		from, to = plan.Bounds[e.Segment], plan.Bounds[e.Segment+1]
	}
	for i := from; i < to; i++ {
		due[i] = true
	}
	return due
}

// lost says whether an answer about the recipient was lost: then it is sent to again.
func (s *stage) lost(i int) bool {
	for _, e := range s.events {
		if e.Retry == nil {
			continue
		}
		for _, g := range e.Retry.Groups {
			if g.Reason == "AnswerLost" && slices.Contains(g.Indexes, i) {
				return true
			}
		}
	}
	return false
}

func (s *stage) subjects() []string {
	var all []string
	for subject := range s.events {
		all = append(all, subject)
	}
	slices.Sort(all)
	return all
}

var _ Apps = (*actor)(nil)

// Known implements Apps.
func (a *actor) Known(jobs.Platform) []string { return []string{jobs.DefaultApp} }

// drawOrder gives one of the orders that may still be given.
func (s *stage) drawOrder(rt *rapid.T) {
	s.toGive--
	s.order(Order{Kind: rapid.SampledFrom([]OrderKind{OrderPause, OrderPause, OrderCancel, ""}).Draw(rt, "order"), Scope: Scope{App: jobs.DefaultApp}})
}
