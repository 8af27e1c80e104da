package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/results"
)

// smallBacklog gives the app "legacy" room for a hundred and some jobs.
func smallBacklog(text string) string {
	before, legacy, _ := strings.Cut(text, "\n  legacy:\n")
	return before + "\n  legacy:\n" + strings.Replace(legacy, "backlog: 1GiB", "backlog: 64KiB", 1)
}

// A paused app gets more jobs than its backlog has room for. What is beyond becomes a dead letter that says so; another app notices nothing. When
// it is resumed everything that was put aside is sent, and the dead letters can be requeued then: everybody gets one notification.
func TestPausedAppFillsItsBacklog(t *testing.T) {
	const flood, singles = 700, 100
	f := startFleet(t, 2, smallBacklog)
	nc := connect(t, f.url)
	events := subscribe(t, nc)
	command := func(name string, args ...string) string {
		t.Helper()
		code, text := runToEnd(t, name, []string{"NATS_URL=" + f.url}, args...)
		if code != 0 {
			t.Fatalf("%s %s: exit code %d: %s", name, strings.Join(args, " "), code, text)
		}
		return text
	}
	command("enqueue", "pause", "--app", "legacy")
	for _, w := range f.all {
		w.waitFor(heardOrders)
	}
	send := func(format string, args ...any) {
		t.Helper()
		if err := nc.PublishMsg(&nats.Msg{Subject: "push.apns", Data: fmt.Appendf(nil, format, args...)}); err != nil {
			t.Fatal(err)
		}
	}
	var waits []time.Duration
	dead := map[string]bool{}
	take := func(e *results.Event) {
		if e.Kind != results.KindDead {
			return
		}
		dead[e.Job] = true
		text := e.Dead.Faults[0].Problem
		if e.App != "legacy" || e.Dead.Reason != "app_backlog_full" || !strings.Contains(text, "the job is paused") || !strings.Contains(text, "its backlog of 64 KiB") {
			t.Errorf("%s: %+v", e.ID, e.Dead)
		}
	}
	for i := range flood {
		send(`{"id":"flood-%d","app":"legacy","message":"hi","ids":["5%s"]}`, i, token(i)[1:])
		if i%(flood/singles) == 0 {
			id, began := fmt.Sprintf("quick-%d", i), time.Now()
			send(`{"id":%q,"message":"hi","ids":["%s"]}`, id, token(i))
			events(func(e *results.Event) bool { take(e); return e.Job == id })
			waits = append(waits, time.Since(began))
		}
	}
	slices.Sort(waits)
	t.Logf("single pushes of the other app: median %s, worst %s", waits[singles/2], waits[singles-1])
	if waits[singles-1] > 5*time.Second {
		t.Errorf("a push of another app waited %s", waits[singles-1])
	}
	taken(t, nc)
	for _, n := range ledger(t, f.control) {
		if strings.HasPrefix(n.Token, "5") {
			t.Fatalf("somebody got a notification of a paused app: %+v", n)
		}
	}
	command("enqueue", "resume", "--app", "legacy")
	sent := map[string]bool{}
	events(func(e *results.Event) bool {
		if take(e); e.App == "legacy" && e.Kind == results.KindSegment {
			sent[e.Job] = sent[e.Job] || e.Sent == 1 && e.Done
		}
		return len(sent)+len(dead) == flood
	})
	if len(sent) < 100 || len(sent) > 400 { // each worker hears of the other's two seconds later
		t.Errorf("%d were put aside", len(sent))
	}
	t.Logf("%d were put aside, %d had no room", len(sent), len(dead))
	command("worker", "dead", "requeue", "--nats-url", f.url, "--reason", "app_backlog_full", "--app", "legacy", "--yes")
	events(func(e *results.Event) bool {
		if e.App == "legacy" && e.Kind == results.KindSegment {
			sent[e.Job] = sent[e.Job] || e.Sent == 1 && e.Done
		}
		return len(sent) == flood
	})
	times := map[string]int{}
	for _, n := range ledger(t, f.control) {
		if strings.HasPrefix(n.Token, "5") && n.Status == 200 {
			times[n.Token]++
		}
	}
	if len(times) != flood || len(times) != len(sent) {
		t.Errorf("%d recipients arrived, %d were told of as sent", len(times), len(sent))
	}
	for token, n := range times {
		if n != 1 {
			t.Errorf("%s arrived %d times", token, n)
		}
	}
}
