package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/results"
)

// An app whose provider takes two seconds gets more jobs at once than all workers handle at once. A push of another app behind them does not
// wait for any: what is beyond the slow app's share is put aside, and sent later, once each.
func TestSlowAppKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	const flood, slow = 250, 2 * time.Second
	f := startFleet(t, 2, func(text string) string { return "max_deliveries: 64\n" + text })
	setScript(t, f.control, fmt.Sprintf(`{"rules":[{"prefix":"5","answer":{"latency":"%s"}}]}`, slow))
	nc := connect(t, f.url)
	events := subscribe(t, nc)
	send := func(format string, args ...any) {
		t.Helper()
		if err := nc.PublishMsg(&nats.Msg{Subject: "push.apns", Data: fmt.Appendf(nil, format, args...)}); err != nil {
			t.Fatal(err)
		}
	}
	send(`{"id":"first","message":"hi","ids":["%s"]}`, token(0))
	events(func(e *results.Event) bool { return e.Job == "first" })
	began := time.Now()
	for i := range flood {
		send(`{"id":"slow-%d","app":"legacy","message":"hi","ids":["5%s"]}`, i, token(i)[1:])
	}
	send(`{"id":"quick","message":"hi","ids":["%s"]}`, token(1))
	done := map[string]int{}
	take := func(e *results.Event) {
		if e.Kind == results.KindSegment && e.Done && e.Sent == 1 {
			done[e.Job]++
		}
	}
	events(func(e *results.Event) bool { take(e); return e.Job == "quick" })
	if waited := time.Since(began); len(done) > 1 || waited > slow {
		t.Errorf("the push of another app waited %s, for %d of the slow one", waited, len(done)-1)
	}
	events(func(e *results.Event) bool { take(e); return len(done) == flood+1 })
	times := map[string]int{}
	for _, n := range ledger(t, f.control) {
		if strings.HasPrefix(n.Token, "5") && n.Status == 200 {
			times[n.Token]++
		}
	}
	for token, n := range times {
		if n != 1 {
			t.Errorf("%s arrived %d times", token, n)
		}
	}
	if len(times) != flood {
		t.Errorf("%d of %d arrived", len(times), flood)
	}
}
