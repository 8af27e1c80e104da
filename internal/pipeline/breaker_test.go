package pipeline

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// down makes the provider answer everybody with the reason.
func (w *world) down(reason string) {
	w.app.script = func(int) sender.Outcome { return answer(reason, 503) }
}

func (w *world) up() { w.app.script = nil }

// With one attempt allowed, an outage still kills nobody: what opens the breaker is free, what comes while it is open is parked, and
// after it everybody is sent to.
func TestOutageBurnsNothing(t *testing.T) {
	for _, reason := range []string{"ServiceUnavailable", "ConnectionFailed", "AnswerLost"} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld()
			w.app.attempts = 1
			core := w.core()
			w.down(reason)
			core.Handle(t.Context(), job(7, 6, `,"id":"first"`))
			for n := range 3 {
				core.Handle(t.Context(), job(uint64(8+n), 6, `,"id":"later`+string(rune('0'+n))+`"`))
			}
			w.app.sent = nil
			// The outage goes on for a minute; every few seconds somebody probes with one recipient.
			for range 20 {
				w.now = w.now.Add(4 * time.Second)
				tail := w.tails()[0]
				due := w.puts[tail].due
				if due.After(w.now) {
					continue
				}
				core.Handle(t.Context(), w.take(t, tail))
			}
			if n := len(w.app.sent); n == 0 || n > 20 {
				t.Errorf("%d recipients were tried during the outage", n)
			}
			w.up()
			w.now = w.now.Add(lastProbe)
			for len(w.puts) > 0 {
				core.Handle(t.Context(), w.take(t, w.tails()[0]))
			}
			sent := 0
			for _, e := range w.events {
				if e.Kind == results.KindSegment {
					sent += e.Sent
					if e.Attempt > 1 || len(e.Failures)+len(e.Uncertain)+len(e.Skipped) > 0 {
						t.Errorf("%s: attempt %d, %d failures, %d uncertain", e.ID, e.Attempt, len(e.Failures), len(e.Uncertain))
					}
					if e.Retry != nil {
						for _, g := range e.Retry.Groups {
							if g.Attempts != 0 {
								t.Errorf("%s counts attempts: %+v", e.ID, g)
							}
						}
					}
				}
			}
			if sent != 24 {
				t.Errorf("%d sent, want 24", sent)
			}
			if states := w.news(); !strings.Contains(states, "opened") || !strings.Contains(states, "closed") {
				t.Errorf("provider events: %s", states)
			}
		})
	}
}

// news lists the states of provider and credential events.
func (w *world) news() string {
	var states []string
	for subject, e := range w.events {
		if e.Kind == results.KindProvider || e.Kind == results.KindCredential {
			states = append(states, subject)
		}
	}
	return strings.Join(states, " ")
}

func TestRefusedCredentialOpensAtOnceAndFailsNobody(t *testing.T) {
	w := newWorld()
	w.down("InvalidProviderToken")
	core := w.core()
	core.Handle(t.Context(), job(7, 1, `,"id":"a"`))
	e := w.event(t, "push.results.apns.default.a.0.0")
	if len(e.Failures) != 0 || e.Retry == nil || !strings.Contains(w.news(), "_credential.rejected") {
		t.Errorf("%+v, news %s", e, w.news())
	}
	for _, news := range w.events {
		if news.Kind == results.KindCredential && !strings.Contains(news.Detail, "InvalidProviderToken (Invalid token: check key_id)") {
			t.Errorf("the event does not say what to do: %s", news.Detail)
		}
	}
	if wait, _ := core.Gate(jobs.APNS, jobs.DefaultApp); wait != credentialProbe {
		t.Errorf("pulls wait %s", wait)
	}
	w.app.sent = nil
	w.now = w.now.Add(credentialProbe - time.Second)
	core.Handle(t.Context(), job(8, 3, `,"id":"b"`))
	if len(w.app.sent) != 0 || len(w.puts) != 2 {
		t.Errorf("sent %v with a refused credential, %v wait", w.app.sent, w.tails())
	}
}

// A credential that was mended is tried at once, and goes on.
func TestMendedCredentialIsTriedAtOnce(t *testing.T) {
	w := newWorld()
	w.down("InvalidProviderToken")
	core := w.core()
	core.Handle(t.Context(), job(7, 1, `,"id":"a"`))
	w.up()
	_, changed := core.Gate(jobs.APNS, jobs.DefaultApp)
	core.TryNow(jobs.APNS, jobs.DefaultApp)
	select {
	case <-changed:
	default:
		t.Error("nobody who waits is woken")
	}
	if wait, _ := core.Gate(jobs.APNS, jobs.DefaultApp); wait != 0 {
		t.Errorf("pulls wait %s", wait)
	}
	core.Handle(t.Context(), job(8, 3, `,"id":"b"`))
	if e := w.event(t, "push.results.apns.default.b.0.0"); e.Sent != 3 {
		t.Errorf("%+v", e)
	}
	core.TryNow(jobs.APNS, jobs.DefaultApp) // nothing to mend
	if wait, _ := core.Gate(jobs.APNS, jobs.DefaultApp); wait != 0 {
		t.Errorf("pulls wait %s", wait)
	}
}

func TestQuotaPausesTheAppForItsFloor(t *testing.T) {
	w := newWorld()
	w.down("Quota")
	core := w.core()
	core.Handle(t.Context(), job(7, 1, `,"id":"a"`))
	if wait, _ := core.Gate(jobs.APNS, jobs.DefaultApp); wait != time.Minute {
		t.Errorf("pulls wait %s", wait)
	}
}

// A project's quota is exceeded for all of its apps, and for no other: those are paused before they find out for themselves. Each then
// probes on its own. Another kind of trouble is nobody else's.
func TestQuotaPausesEveryAppOfTheProject(t *testing.T) {
	for _, test := range []struct {
		reason  string
		project string
		app     string
		want    time.Duration
	}{
		{"Quota", "demo", "twin", time.Minute},
		{"Quota", "demo", "stranger", 0},
		{"Quota", "demo", "loner", 0},
		{"Quota", "", "loner", 0},
		{"InvalidProviderToken", "demo", "twin", 0},
		{"ConnectionFailed", "demo", "twin", 0},
	} {
		t.Run(test.reason+" of "+test.project+" and "+test.app, func(t *testing.T) {
			w := newWorld()
			w.app.project = test.project
			app := func(project string) *scriptedApp {
				return &scriptedApp{attempts: 10, deadline: w.app.deadline, project: project}
			}
			w.others = map[string]*scriptedApp{"twin": app("demo"), "stranger": app("other"), "loner": app("")}
			w.down(test.reason)
			core := w.core()
			_, changed := core.Gate(jobs.APNS, test.app)
			core.Handle(t.Context(), job(7, 6, `,"id":"a"`))
			if wait, _ := core.Gate(jobs.APNS, test.app); wait != test.want {
				t.Fatalf("pulls of app %s wait %s", test.app, wait)
			}
			told := strings.Contains(w.news(), "apns."+test.app+"._provider.opened")
			select {
			case <-changed:
			default:
				if test.want > 0 {
					t.Error("a pull that waits is not told")
				}
			}
			if told != (test.want > 0) {
				t.Errorf("news %s", w.news())
			}
			core.Handle(t.Context(), job(8, 3, `,"id":"b","app":"`+test.app+`"`))
			if sent := len(w.others[test.app].sent); (sent == 0) != (test.want > 0) {
				t.Errorf("%d recipients of app %s were sent to", sent, test.app)
			}
			w.now = w.now.Add(time.Minute)
			core.Handle(t.Context(), job(9, 3, `,"id":"c","app":"`+test.app+`"`))
			if sent := len(w.others[test.app].sent); sent < 3 {
				t.Errorf("%d recipients were sent to after the pause", sent)
			}
		})
	}
}

// One recipient that is always answered badly is its own trouble: its attempts count, and the breaker stays closed.
func TestOneBadRecipientIsNoOutage(t *testing.T) {
	w := newWorld()
	w.app.attempts = 3
	w.down("ServiceUnavailable")
	core := w.core()
	core.Handle(t.Context(), job(7, 1, `,"id":"a"`))
	for round := 1; len(w.puts) > 0; round++ {
		if round > 3 {
			t.Fatal("it is tried for ever")
		}
		core.Handle(t.Context(), w.take(t, w.tails()[0]))
	}
	if w.news() != "" {
		t.Errorf("news %s", w.news())
	}
}

// The breaker of one app is nobody else's business, and the gate of its pulls opens when it is time to probe.
func TestGate(t *testing.T) {
	w := newWorld()
	w.down("ServiceUnavailable")
	core := w.core()
	core.Handle(t.Context(), job(7, 6, ""))
	wait, changed := core.Gate(jobs.APNS, jobs.DefaultApp)
	if wait != firstProbe {
		t.Errorf("pulls wait %s", wait)
	}
	if other, _ := core.Gate(jobs.GCM, jobs.DefaultApp); other != 0 {
		t.Errorf("another platform waits %s", other)
	}
	w.up()
	w.now = w.now.Add(firstProbe)
	core.Handle(t.Context(), job(8, 1, ""))
	select {
	case <-changed:
	default:
		t.Error("nobody is told that the breaker closed")
	}
	if wait, _ := core.Gate(jobs.APNS, jobs.DefaultApp); wait != 0 {
		t.Errorf("pulls wait %s after recovery", wait)
	}
}

// A probe that is not made, because the worker stops, leaves the place to the next.
func TestProbeIsGivenBack(t *testing.T) {
	w := newWorld()
	w.down("ServiceUnavailable")
	core := w.core()
	core.Handle(t.Context(), job(7, 6, ""))
	w.now = w.now.Add(firstProbe)
	stale := job(8, 1, "")
	asked := 0
	stale.Held = func() bool { asked++; return asked < 2 }
	if got := core.Handle(t.Context(), stale); got != Leave {
		t.Fatalf("disposition %d", got)
	}
	w.up()
	w.app.sent = nil
	if core.Handle(t.Context(), job(9, 1, "")) != Ack || len(w.app.sent) != 1 {
		t.Errorf("sent %v: the probe's place is lost", w.app.sent)
	}
}

// At most once holds for probes too: one that may have been reached is told of and not tried again.
func TestUncertainProbeOfReportIsTold(t *testing.T) {
	w := newWorld()
	w.down("AnswerLost")
	core := w.core()
	core.Handle(t.Context(), job(7, 6, `,"id":"a"`))
	w.now = w.now.Add(firstProbe)
	core.Handle(t.Context(), job(8, 3, `,"id":"once","on_uncertain":"report"`))
	e := w.event(t, "push.results.apns.default.once.0.0")
	if len(e.Uncertain) != 1 || e.Retry.Indexes.String() != "1-2" {
		t.Errorf("%+v %+v", e, e.Retry)
	}
}

// While a commit is refused nothing new is sent.
func TestNothingNewWhileACommitIsRefused(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.fail["commit"] = 1
	waiting, goOn := make(chan struct{}), make(chan struct{})
	core.Wait = func(context.Context, time.Duration) error {
		close(waiting)
		<-goOn
		return nil
	}
	first, second := make(chan Disposition, 1), make(chan Disposition, 1)
	go func() { first <- core.Handle(t.Context(), job(7, 1, `,"id":"a"`)) }()
	<-waiting
	go func() { second <- core.Handle(t.Context(), job(8, 1, `,"id":"b"`)) }()
	select {
	case <-second:
		t.Error("another job was handled to its end")
	case <-time.After(50 * time.Millisecond):
	}
	w.mu.Lock()
	sent := len(w.app.sent)
	w.mu.Unlock()
	if sent != 1 {
		t.Errorf("%d sent", sent)
	}
	close(goOn)
	if a, b := <-first, <-second; a != Ack || b != Ack {
		t.Errorf("dispositions %d and %d", a, b)
	}
}

// A job that has to wait must not be taken for the one with the same id that waits already.
func TestParkedJobOfTheSameIDAndAnotherBodyIsRefused(t *testing.T) {
	w := newWorld()
	w.down("InvalidProviderToken")
	core := w.core()
	core.Handle(t.Context(), job(7, 1, ""))
	core.Handle(t.Context(), job(8, 2, `,"id":"same"`))
	core.Handle(t.Context(), job(9, 2, `,"id":"same"`))
	if len(w.dead) != 0 {
		t.Fatalf("the same job again is dead: %+v", w.dead)
	}
	core.Handle(t.Context(), job(10, 3, `,"id":"same"`))
	if len(w.dead) != 1 || w.dead[0].Event.Dead.Reason != results.DeadIDReused {
		t.Errorf("letters %+v", w.dead)
	}
}

// Whom the sender held back for a reason of its own says nothing about the provider: no breaker opens, no attempt is counted, and the wait is
// the one that the sender asks for, however many rounds it takes.
func TestHeldBackRecipientsAreNoOutage(t *testing.T) {
	w := newWorld()
	w.app.attempts = 1
	core := w.core()
	w.app.script = func(position int) sender.Outcome {
		out := answer("Paced", 0)
		out.RetryAfter = 3 * time.Second
		return out
	}
	core.Handle(t.Context(), job(7, 20, `,"id":"a"`))
	for range 8 {
		if len(w.puts) != 1 {
			t.Fatalf("%v wait", w.tails())
		}
		before := w.now
		d := w.take(t, w.tails()[0])
		if waited := w.now.Sub(before); waited < 3*time.Second || waited > 4*time.Second {
			t.Errorf("the next round comes after %s", waited)
		}
		core.Handle(t.Context(), d)
	}
	if w.news() != "" {
		t.Errorf("news %s", w.news())
	}
	w.up()
	core.Handle(t.Context(), w.take(t, w.tails()[0]))
	e := w.event(t, "push.results.apns.default.a.0.9")
	if e.Sent != 20 || e.Attempt != 1 {
		t.Errorf("%d sent in attempt %d", e.Sent, e.Attempt)
	}
}

// A probe that the sender held back leaves the breaker as it was, and the next one is not made at once.
func TestProbeThatWasHeldBackTellsNothing(t *testing.T) {
	w := newWorld()
	w.down("ServiceUnavailable")
	core := w.core()
	core.Handle(t.Context(), job(7, 6, `,"id":"a"`))
	w.now = w.now.Add(firstProbe)
	w.down("Paced")
	core.Handle(t.Context(), job(8, 3, `,"id":"b"`))
	if wait, _ := core.Gate(jobs.APNS, jobs.DefaultApp); wait != firstProbe {
		t.Errorf("the next probe may begin after %s", wait)
	}
	if strings.Contains(w.news(), "closed") {
		t.Errorf("news %s", w.news())
	}
}
