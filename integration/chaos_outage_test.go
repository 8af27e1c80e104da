//go:build chaosrun

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

const (
	// resumption is how long after the end of an outage the first recipient may be sent to, at most.
	resumption = 5 * time.Second
	// unaffected is how long a small job of another app may take meanwhile.
	unaffected = 3 * time.Second
)

// outage takes Apple away under 100,000 recipients: 503s, then refused connections, then silence, each for a third of the time, with
// one attempt allowed. Nobody fails, no attempt is counted, sending goes on soon after, and another app notices nothing.
func outage(t *testing.T, p *providers, whole time.Duration) *verdict {
	setScript(t, p.control, `{"rules":[{"percent":100,"answer":{"latency":"20ms"}}]}`) // with one attempt a busy answer would be a failure
	single := *p
	single.config = oneAttempt(t, p.config)
	s := openTheatre(t, &single, startServer(t).url())
	a := audience{"outage"}
	for i := range 10 {
		s.orders = append(s.orders, a.order(jobs.APNS, "default", fmt.Sprint(i), 10_000, nil))
	}
	worker := s.worker("one")
	published := s.publishing()
	until(t, "the campaign is under way", func() bool { s.read(); return len(s.events) > 3 })
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	third := whole / 3
	setScript(t, p.control, fmt.Sprintf(`{"phases":[{"platform":"apns","for":%q,"answer":{"status":503}},
		{"platform":"apns","for":%[1]q,"fault":{"kind":"down"}},{"platform":"apns","for":%[1]q,"fault":{"kind":"black_hole"}}]}`, third))
	over := time.Now().Add(whole)
	for n := 0; time.Now().Before(over); n++ {
		o := a.order(jobs.GCM, "legacy", fmt.Sprintf("other-%d", n), 20, nil)
		s.orders = append(s.orders, o)
		began := time.Now()
		if err := s.publish(o); err != nil {
			t.Fatal(err)
		}
		until(t, "the other app's job is done", func() bool { s.read(); return s.finished(o) })
		if took := time.Since(began); took > unaffected {
			t.Errorf("during the outage a job of another app took %s", took)
		}
		<-time.After(time.Second)
	}
	s.settle()
	var resumed time.Duration
	opened := 0
	for _, e := range s.events {
		if e.Kind == results.KindProvider && e.State == "opened" {
			opened++
		}
		burnsNothing(t, e)
		if after := e.At.Sub(over); e.Platform == jobs.APNS && e.Sent > 0 && after > 0 && (resumed == 0 || after < resumed) {
			resumed = after
		}
	}
	if opened == 0 {
		t.Error("no event says that the breaker opened")
	}
	if resumed == 0 || resumed > resumption {
		t.Errorf("sending went on %s after the outage", resumed)
	}
	// Twice: whose answers the silence swallowed, which is what was in flight when it began and a probe now and then.
	v := s.atMost(inFlight + int(third/time.Second))
	v.takeover = resumed
	s.end(worker)
	return v
}

// burnsNothing demands that an event of the outage fails nobody and counts no attempt.
func burnsNothing(t *testing.T, e *results.Event) {
	t.Helper()
	if len(e.Failures)+len(e.Uncertain)+len(e.Skipped) > 0 || e.Attempt > 1 {
		reasons := map[string]int{}
		for _, f := range e.Failures {
			reasons[f.Reason]++
		}
		t.Errorf("%s at %s: %d sent, failures %v, %d uncertain, %d skipped, attempt %d",
			e.ID, e.At.Format(time.TimeOnly), e.Sent, reasons, len(e.Uncertain), len(e.Skipped), e.Attempt)
	}
	if e.Retry == nil {
		return
	}
	for _, g := range e.Retry.Groups {
		if g.Attempts > 0 {
			t.Errorf("%s counts an attempt: %+v", e.ID, g)
		}
	}
}

// oneAttempt is a copy of the configuration that allows a single attempt.
func oneAttempt(t *testing.T, config string) string {
	t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	single := strings.ReplaceAll(string(text), "max_attempts: 10", "max_attempts: 1")
	// On several connections, bad answers of fewer recipients than make an outage may come before good ones, and then count.
	ordered := strings.ReplaceAll(single, "connections: 4", "connections: 1")
	if single == string(text) || ordered == single {
		t.Fatal("the configuration does not say how many attempts and connections there are")
	}
	name := filepath.Join(filepath.Dir(config), "one-attempt.yaml") // its paths are relative
	if err := os.WriteFile(name, []byte(ordered), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// finished says whether the job's last event is there.
func (s *theatre) finished(o *order) bool {
	for i := len(s.events) - 1; i >= 0; i-- {
		if e := s.events[i]; e.Done && e.Platform == o.platform && e.App == o.app && e.Job == o.id {
			return true
		}
	}
	return false
}
