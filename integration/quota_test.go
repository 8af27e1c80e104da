package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/results"
)

// A job that is larger than a cold project's quota lets through soon is sent piece by piece within it: nobody fails, no attempt is counted, no outage
// is told of, and another app of the same worker does not wait for it.
func TestQuotaOfAProjectPacesItsJobs(t *testing.T) {
	t.Parallel()
	const n = 400 // at 1,000 a second and from a sixtieth of it upwards that takes seven seconds, two more than a delivery waits
	lower := func(text string) string {
		return strings.ReplaceAll(text, "quota_per_minute: 0", "quota_per_minute: 60000")
	}
	_, url, control := startWithSimulators(t, lower)
	nc := connect(t, "nats://"+url)
	events := subscribe(t, nc)
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("%q", fmt.Sprintf("registration-%d", i)))
	}
	began := time.Now()
	publish(t, nc, "push.gcm", `{"id":"paced","message":"hi","ids":[`+strings.Join(ids, ",")+`]}`)
	publish(t, nc, "push.gcm", `{"id":"other","app":"legacy","message":"hi","ids":["a","b","c"]}`)
	sent, rounds := 0, 0
	var other time.Duration
	events(func(e *results.Event) bool {
		switch {
		case e.Kind != results.KindSegment || len(e.Failures)+len(e.Uncertain)+len(e.Skipped) > 0 || e.Attempt > 1:
			t.Errorf("%s of kind %s: %d failures, attempt %d, %s", e.ID, e.Kind, len(e.Failures), e.Attempt, e.Detail)
		case e.Job == "other":
			other = time.Since(began)
		default:
			sent, rounds = sent+e.Sent, rounds+1
		}
		return sent == n && other > 0
	})
	took := time.Since(began)
	if took < 5*time.Second || rounds < 2 {
		t.Errorf("%d recipients in %s and %d rounds: the quota was not kept", n, took, rounds)
	}
	if other > 4*time.Second {
		t.Errorf("the other app waited %s", other)
	}
	accepted := map[string]int{}
	for _, line := range ledger(t, control) {
		accepted[line.Token]++
	}
	for token, times := range accepted {
		if times != 1 {
			t.Errorf("%s arrived %d times", token, times)
		}
	}
	if len(accepted) != n+3 {
		t.Errorf("%d recipients arrived", len(accepted))
	}
}
