//go:build chaosrun

package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
)

// TestNetwork pulls cables and makes links narrow under a campaign. .ci/netns starts it.
func TestNetwork(t *testing.T) {
	w := wire(t)
	const away = 20 * time.Second
	narrow := away
	if *cut {
		narrow = 5 * time.Second
	}
	c := &chaos{}
	lines := []struct {
		what string
		play func(*testing.T, *row) *verdict
	}{
		{fmt.Sprintf("the node that leads the streams without network for %s", away), func(t *testing.T, _ *row) *verdict {
			return nodeAway(t, w, away, toClients, toBrokers)
		}},
		{fmt.Sprintf("the same node cut off from the other nodes only, for %s, with a worker at it", away), func(t *testing.T, _ *row) *verdict {
			return nodeAway(t, w, away, toBrokers)
		}},
		{"a worker without its brokers for longer than the ack wait, in the middle of sending", func(t *testing.T, _ *row) *verdict { return workerAway(t, w) }},
		{"2 Mbit/s between the nodes", func(t *testing.T, r *row) *verdict { return narrowRoutes(t, w, r, narrow) }},
	}
	if *cut {
		lines = lines[2:]
	}
	for _, line := range lines {
		r := c.reserve("cluster across networks", line.what)
		c.play(t, r, func(t *testing.T) *verdict { return line.play(t, r) })
	}
	var text strings.Builder
	c.print(&text)
	fmt.Print(text.String()) //nolint:forbidigo // it is what the run is for
	if *tableFile != "" {
		if err := os.WriteFile(*tableFile, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// lastingly is what the providers answer so that a campaign lasts.
const lastingly = `{"rules":[{"percent":0.5,"salt":"busy","times":1,"answer":{"status":503,"reason":"ServiceUnavailable","latency":"300ms"}},
	{"percent":100,"answer":{"latency":"300ms"}}]}`

// nodeAway cuts the leading node's links into some networks for a while. One worker is at that node, one at another. Small jobs
// are published all the while: those that the other nodes store go on without it.
func nodeAway(t *testing.T, w *installation, away time.Duration, cables ...int) *verdict {
	s := w.theatre(t, lastingly)
	a := audience{fmt.Sprintf("away-%d", len(cables))}
	s.orders = campaign(a.name)
	lead := brokerMachines[0]
	workers := []*process{w.worker(s, workerMachines[0], "--nats-url", w.nodes[0].url()), w.worker(s, workerMachines[1], "--nats-url", urls(w.nodes[1:]))}
	w.lead(s, lead)
	published := s.publishing()
	s.reach(20)
	lead.pull(t, cables...)
	cutAt, v := time.Now(), &verdict{}
	over, meanwhile := make(chan struct{}), make(chan []*order, 1)
	var stored time.Duration
	go func() { meanwhile <- s.trickle(a, over, func() { stored = time.Since(cutAt) }) }()
	<-time.After(away)
	lead.plugIn(t, cables...)
	close(over)
	more := <-meanwhile
	s.orders = append(s.orders, more...)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	w.nodes[0].healthy(t)
	s.settle()
	v.takeover = w.traffic(s, cutAt, time.Now()).silence
	t.Logf("%d jobs were published meanwhile, the first was stored after %s; nobody was sent to for %s", len(more), stored, v.takeover)
	if w.traffic(s, cutAt.Add(away/2), cutAt.Add(away)).n == 0 {
		t.Errorf("two nodes of three did not go on in %s", away)
	}
	s.hold(v, len(workers)*inFlight)
	for _, p := range workers {
		s.end(p)
	}
	return v
}

// traffic is what came to the providers in some time: how much, and the longest silence between two.
type traffic struct {
	n       int
	silence time.Duration
}

func (w *installation) traffic(s *theatre, from, to time.Time) traffic {
	times := []time.Time{from}
	for _, n := range ledger(s.t, s.control) {
		if n.At.After(from) && n.At.Before(to) {
			times = append(times, n.At)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	a := traffic{n: len(times) - 1}
	for i, at := range times[1:] {
		a.silence = max(a.silence, at.Sub(times[i]))
	}
	return a
}

// trickle publishes a small job four times a second until over is closed, and returns those that were stored.
func (s *theatre) trickle(a audience, over <-chan struct{}, first func()) (stored []*order) {
	for n := 0; ; n++ {
		select {
		case <-over:
			return stored
		case <-time.After(250 * time.Millisecond):
		}
		o := a.order(jobs.APNS, "default", fmt.Sprintf("meanwhile-%d", n), 20, nil)
		if err := s.publish(o); err != nil {
			s.t.Error(err)
			return stored
		}
		if stored = append(stored, o); n == 0 {
			first()
		}
	}
}

// workerAway cuts a worker off from the brokers, not from the providers, in the middle of sending: it has to stop by itself when its
// leases end. Then another one takes over, and the first one comes back.
func workerAway(t *testing.T, w *installation) *verdict {
	const (
		ackWait = 2 * time.Second
		// batch is how long what was handed to the connections may take: 100 through 30 streams, each for 300 ms, and some room.
		batch = 2 * time.Second
	)
	// Four segments of 1,000 take ten seconds.
	s := w.theatre(t, `{"rules":[{"percent":100,"answer":{"latency":"300ms"}}],"faults":[{"platform":"apns","kind":"max_streams","streams":30,"on":"ready"}]}`)
	a := audience{"alone"}
	s.orders = []*order{
		a.order(jobs.APNS, "default", "resend", 6000, nil),
		a.order(jobs.APNS, "default", "report", 3000, map[string]any{"on_uncertain": "report"}),
	}
	lost := workerMachines[0]
	first := w.worker(s, lost, "--ack-wait", ackWait.String())
	already := len(ledger(t, s.control))
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	until(t, "the worker is in the middle of sending", func() bool { return len(ledger(t, s.control)) > already+300 })
	lost.pull(t, toClients)
	cutAt := time.Now()
	var last time.Time
	until(t, "the worker sends nothing more", func() bool {
		for _, n := range ledger(t, s.control)[already:] {
			if n.At.After(last) {
				last = n.At
			}
		}
		return time.Since(last) > 2*time.Second && time.Since(cutAt) > ackWait
	})
	if after := last.Sub(cutAt); after > ackWait+batch {
		t.Errorf("the worker went on sending for %s without its brokers, and its leases are over after %s", after, ackWait)
	} else {
		t.Logf("the worker sent its last notification %s after the cut", after.Round(10*time.Millisecond))
	}
	s.read()
	flying, told := s.balance().untold, len(s.events)
	second := w.worker(s, workerMachines[1], "--ack-wait", ackWait.String())
	began, v := time.Now(), &verdict{}
	until(t, "another worker goes on", func() bool { s.read(); return len(s.events) > told })
	v.takeover = time.Since(began)
	lost.plugIn(t, toClients)
	s.settle()
	s.end(second)
	probe := a.order(jobs.APNS, "default", "probe", 10, nil) // the one that came back still works
	s.orders = append(s.orders, probe)
	if err := s.publish(probe); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.judge(v, flying)
	s.end(first)
	return v
}

// narrowRoutes leaves the nodes little to talk to each other, so that each copy of a message takes its time.
func narrowRoutes(t *testing.T, w *installation, r *row, lasts time.Duration) *verdict {
	s := w.theatre(t, hurdles)
	s.orders = campaign("narrow")
	workers := []*process{w.worker(s, workerMachines[0], "--ack-wait", "10s"), w.worker(s, workerMachines[1], "--ack-wait", "10s")}
	published := s.publishing()
	s.reach(20)
	for _, m := range brokerMachines {
		m.narrow(t, toBrokers, "2mbit")
	}
	narrowed := time.Now()
	<-time.After(lasts)
	through := w.traffic(s, narrowed, time.Now()).n
	for _, m := range brokerMachines {
		m.widen(t, toBrokers)
	}
	r.what = fmt.Sprintf("%s for %s: %d recipients meanwhile", r.what, lasts, through)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	s.settle()
	v := &verdict{takeover: w.traffic(s, narrowed, time.Now()).silence}
	s.hold(v, len(workers)*inFlight)
	for _, p := range workers {
		s.end(p)
	}
	return v
}
