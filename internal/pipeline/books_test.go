package pipeline

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// Whatever the provider answers and whatever step fails, once everything has run dry each recipient has exactly one final
// place, the books of every event balance, and the totals of the last event count the acceptances.
func TestBooksBalanceWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		n := rapid.IntRange(1, 40).Draw(rt, "recipients")
		w.app.attempts = rapid.IntRange(1, 4).Draw(rt, "max attempts")
		if rapid.IntRange(0, 9).Draw(rt, "once") == 0 {
			w.app.deadline = time.Time{}
		}
		accepted := map[int]int{}
		kinds := []string{"ok", "ok", "ok", "ServiceUnavailable", "TooManyRequests", "BadDeviceToken", "Unregistered", "ConnectionFailed", "AnswerLost"}
		w.app.script = func(p int) sender.Outcome {
			kind := rapid.SampledFrom(kinds).Draw(rt, "answer")
			if kind == "ok" {
				accepted[p]++
				return sender.Outcome{Class: sender.Accepted}
			}
			return answer(kind, 500)
		}
		core := w.core()
		d := job(7, n, `,"id":"r"`)
		for {
			for _, step := range []string{"commit", "put", "find"} {
				w.fail[step] = rapid.IntRange(0, 1).Draw(rt, "failures of "+step)
			}
			for tries := 0; core.Handle(t.Context(), d) != Ack; tries++ {
				if tries > 10 {
					rt.Fatal("never acknowledged")
				}
			}
			clear(w.fail)
			tails := w.tails()
			if len(tails) == 0 {
				break
			}
			if w.puts[tails[0]].due.IsZero() {
				w.now = w.now.Add(time.Minute) // parked: the breaker lets a probe through later
			}
			d = w.take(t, tails[0])
		}
		final := map[int]int{}
		place := func(i int) { final[i]++ }
		sent := 0
		for _, e := range w.events {
			if e.Kind == results.KindProvider {
				continue
			}
			if err := e.Balanced(); err != nil {
				rt.Fatalf("%s: %v", e.ID, err)
			}
			sent += e.Sent
			for _, f := range e.Failures {
				place(f.Index)
			}
			for _, f := range e.ExpiredTokens {
				place(f.Index)
			}
			for _, u := range e.Uncertain {
				place(u.Index)
			}
			for _, s := range e.Skipped {
				for _, i := range s.Indexes {
					place(i)
				}
			}
			if e.Done && (e.Totals.Sent != len(accepted) || e.Totals.Recipients != n) {
				rt.Fatalf("totals %+v, %d accepted of %d", e.Totals, len(accepted), n)
			}
		}
		for p, times := range accepted {
			if times != 1 {
				rt.Fatalf("recipient %d was accepted %d times", p, times)
			}
			place(p)
		}
		for i := range n {
			if final[i] != 1 {
				rt.Fatalf("recipient %d has %d final places", i, final[i])
			}
		}
		if sent != len(accepted) {
			rt.Fatalf("%d sent in events, %d at the provider", sent, len(accepted))
		}
	})
}
