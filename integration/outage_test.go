package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/results"
)

// setScript changes what the simulated providers answer.
func setScript(t *testing.T, control, script string) {
	t.Helper()
	response, err := http.Post("http://"+control+"/script", "application/json", strings.NewReader(script))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		t.Fatalf("the script is refused: %s", response.Status)
	}
}

// startWithSimulators starts the simulators as a process of their own, and a worker whose configuration change may edit.
func startWithSimulators(t *testing.T, change func(string) string, args ...string) (w *process, nats, control string) {
	t.Helper()
	keys := t.TempDir()
	nats, control = freePort(t), freePort(t)
	start(t, "worker", nil, "simulate", "--apns-binary", "127.0.0.1:0", "--apns-feedback", "127.0.0.1:0", "--apns", freePort(t), "--google", freePort(t), "--control", control, "--keys-out", keys).waitFor("ready")
	config := filepath.Join(keys, "volley.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(args, "--nats-url") {
		args = append(args, "--nats-listen", nats, "--store-dir", t.TempDir())
	}
	w = start(t, "worker", nil, append([]string{"run", "--config", config, "--log-format", "json"}, args...)...)
	w.waitFor("is ready")
	return w, nats, control
}

// An outage of one app's provider, with a single attempt allowed: nobody fails, no attempt is counted, the other app notices nothing,
// and all is sent soon after it is over.
func TestOutageBurnsNothingAndHoldsUpNobodyElse(t *testing.T) {
	oneAttempt := func(text string) string { return strings.ReplaceAll(text, "max_attempts: 10", "max_attempts: 1") }
	_, url, control := startWithSimulators(t, oneAttempt)
	nc := connect(t, "nats://"+url)
	events := subscribe(t, nc)
	setScript(t, control, `{"rules":[{"prefix":"aa","percent":100,"answer":{"status":503,"reason":"ServiceUnavailable"}}]}`)
	recipients := func(prefix string, from, n int) string {
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf("%q", prefix+token(from + i)[2:]))
		}
		return "[" + strings.Join(ids, ",") + "]"
	}
	publish(t, nc, "push.apns", `{"id":"big","message":"hi","ids":`+recipients("aa", 0, 2500)+`}`)
	check := func(e *results.Event) {
		if len(e.Failures)+len(e.Uncertain)+len(e.Skipped) > 0 || e.Attempt > 1 {
			t.Errorf("%s: %d failures, attempt %d", e.ID, len(e.Failures), e.Attempt)
		}
		if e.Retry != nil {
			for _, g := range e.Retry.Groups {
				if g.Attempts > 0 {
					t.Errorf("%s counts an attempt: %+v", e.ID, g)
				}
			}
		}
	}
	events(func(e *results.Event) bool { check(e); return e.Kind == results.KindProvider && e.State == "opened" })
	for i := range 20 {
		publish(t, nc, "push.apns", fmt.Sprintf(`{"id":"small-%d","message":"hi","ids":%s}`, i, recipients("aa", 5000+i, 1)))
	}
	publish(t, nc, "push.apns", `{"id":"other","app":"legacy","message":"hi","ids":`+recipients("bb", 0, 50)+`}`)
	began := time.Now()
	events(func(e *results.Event) bool { check(e); return e.Job == "other" })
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the other app waited %s", took)
	}
	setScript(t, control, `{"rules":[]}`)
	over := time.Now()
	waiting := 21
	var first time.Duration
	events(func(e *results.Event) bool {
		check(e)
		if e.Sent > 0 && first == 0 {
			first = time.Since(over)
		}
		if e.Kind == results.KindJobDone || e.Kind == results.KindSegment && e.Done {
			waiting--
		}
		return waiting == 0
	})
	if first > 5*time.Second {
		t.Errorf("sending went on %s after the recovery", first)
	}
	accepted := map[string]int{}
	for _, n := range ledger(t, control) {
		if n.Accepted() {
			accepted[n.Token]++
		}
	}
	for id, times := range accepted {
		if times != 1 {
			t.Errorf("%s was accepted %d times", id[:4], times)
		}
	}
	if len(accepted) != 2500+20+50 {
		t.Errorf("%d recipients were accepted", len(accepted))
	}
}
