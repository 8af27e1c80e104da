package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/results"
)

// rated gives the app "legacy" a rate, and says how many workers there are.
func rated(text string, rate string) string {
	before, legacy, _ := strings.Cut(text, "\n  legacy:\n")
	return "workers: 2\n" + before + "\n  legacy:\n" + strings.Replace(legacy, `rate: ""`, "rate: "+rate, 1)
}

// arrivals are when the notifications of an app's provider came in, the canaries apart.
func arrivals(t *testing.T, control, prefix string) (times []time.Time) {
	t.Helper()
	for _, n := range ledger(t, control) {
		if strings.HasPrefix(n.Token, prefix) && n.Status == 200 {
			times = append(times, n.At)
		}
	}
	return times
}

// Two workers keep an app to its rate, on both platforms together, over Apple's engine and in the chunks of the legacy protocol; jobs of
// another app go by meanwhile; nobody fails, no attempt is counted. A rate that changes while the workers run holds at once.
func TestRateOfAnApp(t *testing.T) {
	const apple, google = 1200, 400
	f := startFleet(t, 2, func(text string) string { return rated(text, "200/s") })
	nc := connect(t, f.url)
	events := subscribe(t, nc)
	var ids []string
	for i := range google {
		ids = append(ids, fmt.Sprintf(`"5%s"`, token(i)[1:]))
	}
	began := time.Now()
	publish(t, nc, "push.apns", `{"id":"apple","app":"legacy","message":"hi","ids":`+strings.ReplaceAll(tokens(0, apple), `"0`, `"5`)+`}`)
	publish(t, nc, "push.gcm", `{"id":"google","app":"legacy","message":"hi","ids":[`+strings.Join(ids, ",")+`]}`)
	var slowest time.Duration
	quick := map[string]time.Time{}
	next := func() {
		id := fmt.Sprintf("quick-%d", len(quick))
		quick[id] = time.Now()
		publish(t, nc, "push.apns", `{"id":"`+id+`","message":"hi","ids":`+tokens(9000, 3)+`}`)
	}
	next()
	sent := map[string]int{}
	changed := false
	events(func(e *results.Event) bool {
		if e.Kind == results.KindCredential {
			return false
		}
		if len(e.Failures)+len(e.Uncertain)+len(e.Skipped) > 0 || e.Attempt > 1 || e.Kind == results.KindDead || e.Kind == results.KindProvider {
			t.Errorf("%s: attempt %d, %d failures, %s", e.ID, e.Attempt, len(e.Failures), e.Detail)
		}
		if at, ok := quick[e.Job]; ok {
			slowest = max(slowest, time.Since(at))
			if len(quick) < 20 {
				next()
			}
			return false
		}
		if e.Kind == results.KindSegment {
			sent[e.Job] += e.Sent
		}
		if !changed && sent["apple"]+sent["google"] >= 800 {
			changed = true
			for i := range f.all {
				f.reload(i, rated(f.text, "400/s"), `"rates":["apns.legacy","gcm.legacy"]`)
			}
		}
		return sent["apple"] == apple && sent["google"] == google
	})
	took := time.Since(began)
	if least, most := 4*time.Second, 12*time.Second; took < least || took > most {
		t.Errorf("%d notifications took %s", apple+google, took)
	}
	if slowest > 2*time.Second {
		t.Errorf("a job of another app waited %s", slowest)
	}
	times := arrivals(t, f.control, "5")
	if len(times) != apple+google {
		t.Fatalf("%d arrived", len(times))
	}
	for i, from := range times {
		n := 0
		for _, at := range times[i:] {
			if at.Sub(from) < 2*time.Second && at.Sub(from) >= 0 {
				n++
			}
		}
		// The last rate, the burst of a quarter of a second, and what a loaded machine delays by as much.
		if n > 2*400+400/4+400/4 {
			t.Fatalf("%d in two seconds", n)
		}
	}
}
