//go:build chaosrun

package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

// troubles are what else happens beside a kill at a point.
func (c *chaos) troubles() []group {
	type trouble struct {
		what string
		play func(*testing.T, *providers) *verdict
	}
	single := "single server"
	down, full, away := 150*time.Second, 20*time.Second, time.Minute
	if *cut {
		down, full, away = 5*time.Second, 5*time.Second, 12*time.Second
	}
	zombies := append(crashPoints()[:5:5], "split")
	if *cut {
		zombies = []string{"mid-send", "committed"}
	}
	lists := map[string][]trouble{
		"deaths": {
			{"a job scheduled whole, killed before it was acknowledged", scheduledJob(death{at: "scheduled"})},
			{"a job scheduled whole, killed in the middle of its split", scheduledJob(death{at: "split", after: 6})},
			{"a job of 10,000 at most once, killed at mid-send", atMostOnce("mid-send")},
			{"a job of 10,000 at most once, killed at sent", atMostOnce("sent")},
			{"a campaign that was there before the worker, killed at mid-send", backlog("mid-send")},
			{"a campaign, three workers in a row killed at mid-send", relay("mid-send", 3)},
			{"a campaign, three workers in a row killed at committed", relay("committed", 3)},
		},
		"outage": {
			{fmt.Sprintf("Apple away for %s, one attempt allowed", away), func(t *testing.T, p *providers) *verdict { return outage(t, p, away) }},
		},
		"server": {
			{"the server killed three times under two workers", serverKilled},
			{fmt.Sprintf("the results stream full for %s", full), func(t *testing.T, p *providers) *verdict { return resultsFull(t, p, full) }},
			{fmt.Sprintf("both workers killed, none for %s", down), func(t *testing.T, p *providers) *verdict { return fleetDown(t, p, down) }},
		},
	}
	for _, point := range zombies {
		lists["zombies"] = append(lists["zombies"], trouble{
			"stopped at " + point + ", continued after another worker has taken over",
			func(t *testing.T, p *providers) *verdict { return zombie(t, p, point) },
		})
	}
	var groups []group
	for _, name := range []string{"deaths", "server", "outage", "zombies"} {
		var rows []*row
		for _, one := range lists[name] {
			rows = append(rows, c.reserve(single, one.what))
		}
		groups = append(groups, group{name, func(t *testing.T) {
			simulated := startProviders(t)
			for i, one := range lists[name] {
				c.play(t, rows[i], func(t *testing.T) *verdict { return one.play(t, simulated) })
			}
		}})
	}
	if !*cut {
		r := c.reserve("cluster of three", "a node killed every few seconds under three workers")
		groups = append(groups, group{"nodes", func(t *testing.T) {
			simulated := startProviders(t)
			c.play(t, r, func(t *testing.T) *verdict { return nodesKilled(t, simulated, r) })
		}})
	}
	return groups
}

// scheduledJob is a job of several segments for later: it is put on PUSH_WORK whole and split when its time has come.
func scheduledJob(d death) func(*testing.T, *providers) *verdict {
	return func(t *testing.T, p *providers) *verdict {
		s := singleServer(t, p)
		due := time.Now().Add(6 * time.Second)
		o := audience{"later-" + d.at}.order(jobs.APNS, "default", "large", 10_000, map[string]any{"deliver_at": due.Format(time.RFC3339Nano)})
		s.orders = []*order{o}
		v := s.crash(d)
		mine := map[string]bool{}
		for _, id := range o.ids {
			mine[id] = true
		}
		for _, n := range ledger(t, p.control) {
			if mine[n.Token] && n.At.Before(due) {
				t.Fatalf("sent at %s, due %s", n.At, due)
			}
		}
		return v
	}
}

func atMostOnce(point string) func(*testing.T, *providers) *verdict {
	return func(t *testing.T, p *providers) *verdict {
		s := singleServer(t, p)
		s.orders = []*order{audience{"once-" + point}.order(jobs.APNS, "default", "large", 10_000, map[string]any{"on_uncertain": "report"})}
		return s.crash(death{at: point, after: 3})
	}
}

// backlog is a worker that finds its jobs when it starts: any of them may have killed another one, so the next one is careful.
func backlog(point string) func(*testing.T, *providers) *verdict {
	return func(t *testing.T, p *providers) *verdict {
		s := singleServer(t, p)
		s.end(s.worker("founder")) // makes the streams
		s.orders = audience{"backlog"}.mixed(200, 1, 50, 20, 120, 10, 1, 300)
		if err := s.publish(s.orders...); err != nil {
			t.Fatal(err)
		}
		s.published = true
		return s.crash(death{at: point, after: 40})
	}
}

// relay kills one worker after the other: who was only near a death must not be taken for its cause.
func relay(point string, deaths int) func(*testing.T, *providers) *verdict {
	return func(t *testing.T, p *providers) *verdict {
		s := singleServer(t, p)
		s.orders = audience{"relay-" + point}.mixed(200, 1, 50, 20, 120, 10, 1, 300)
		var flying map[recipient]bool
		var published <-chan error
		for n := range deaths {
			d := death{at: point, after: 10}
			worker := s.first(d)
			if n == 0 {
				published = s.publishing()
				s.published = true
			}
			_, left := worker.death()
			if now := left.sending(d); now != nil {
				if flying == nil {
					flying = now
				}
				maps.Copy(flying, now)
			}
		}
		last := s.worker("last")
		if err := <-published; err != nil {
			t.Fatal(err)
		}
		s.settle()
		v := &verdict{}
		s.judge(v, flying)
		s.end(last)
		return v
	}
}

// campaign are jobs enough for two workers to be at for a while.
func campaign(name string) []*order {
	a := audience{name}
	orders := a.mixed(200, 1, 50, 20, 120, 10, 1, 300)
	return append(orders,
		a.order(jobs.APNS, "default", "large", 10_000, nil),
		a.order(jobs.GCM, "default", "large", 10_000, map[string]any{"on_uncertain": "report"}))
}

// reach waits until so many jobs are done.
func (s *theatre) reach(n int) {
	s.t.Helper()
	until(s.t, fmt.Sprintf("%d jobs are done", n), func() bool {
		s.read()
		return s.done() >= n
	})
}

// serverKilled kills the broker under workers who live on: it forgets what it handed out to them.
func serverKilled(t *testing.T, p *providers) *verdict {
	broker := startServer(t)
	s := openTheatre(t, p, broker.url())
	s.orders = campaign("server")
	workers := []*process{s.worker("one"), s.worker("two")}
	published := s.publishing()
	const kills = 3
	for n := range kills {
		s.reach(10 + 60*n)
		broker.kill()
		broker.launch(t)
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	s.settle()
	v := s.atMost(kills * len(workers) * inFlight)
	for _, w := range workers {
		s.end(w)
	}
	return v
}

// resultsFull takes the room for events away for a while: nobody may be sent to twice for that.
func resultsFull(t *testing.T, p *providers, pause time.Duration) *verdict {
	s := singleServer(t, p)
	s.orders = campaign("full")
	workers := []*process{s.worker("one"), s.worker("two")}
	published := s.publishing()
	s.reach(20)
	var before int64
	room := func(choose func(jetstream.StreamInfo) int64) {
		s.ask(jobs.StreamResults, func(ctx context.Context, stream jetstream.Stream) error {
			info := *stream.CachedInfo()
			config := info.Config
			config.MaxBytes = choose(info)
			_, err := s.js.UpdateStream(ctx, config)
			return err
		})
	}
	room(func(info jetstream.StreamInfo) int64 {
		before = info.Config.MaxBytes
		return int64(info.State.Bytes) + 1
	})
	until(t, "a commit is refused", func() bool {
		return strings.Contains(workers[0].text(), "trying again") || strings.Contains(workers[1].text(), "trying again")
	})
	<-time.After(pause)
	s.read()
	stalled := len(s.events)
	room(func(jetstream.StreamInfo) int64 { return before })
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	s.settle()
	if len(s.events) == stalled {
		t.Error("the stream was full only when nothing was to be stored any more")
	}
	v := s.atMost(0)
	for _, w := range workers {
		s.end(w)
	}
	return v
}

// fleetDown kills all workers at once and leaves the broker alone for a while. What was in flight is read from both ends: accepted,
// and not told.
func fleetDown(t *testing.T, p *providers, pause time.Duration) *verdict {
	s := singleServer(t, p)
	s.orders = campaign("down")
	workers := []*process{s.worker("one"), s.worker("two")}
	published := s.publishing()
	s.reach(40)
	for _, w := range workers {
		w.signal(syscall.SIGKILL)
	}
	for _, w := range workers {
		<-w.done
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	<-time.After(pause)
	s.read()
	flying := s.balance().untold
	if n := len(flying); n > len(workers)*inFlight {
		t.Errorf("%d recipients were in flight, at most %d should be", n, len(workers)*inFlight)
	}
	workers = []*process{s.worker("three"), s.worker("four")}
	s.settle()
	v := &verdict{}
	s.judge(v, flying)
	for _, w := range workers {
		s.end(w)
	}
	return v
}

// zombie stops a worker for longer than the ack wait and lets it go on when another one has finished its work.
func zombie(t *testing.T, p *providers, point string) *verdict {
	s := singleServer(t, p)
	a := audience{"zombie-" + point}
	s.orders = append(a.mixed(60, 1, 7, 30, 2, 100, 1, 1),
		a.order(jobs.APNS, "default", "large", 6000, nil),
		a.order(jobs.APNS, "default", "once", 3000, map[string]any{"on_uncertain": "report"}))
	d := death{at: point, after: 5, by: "stop"}
	first := s.first(d)
	published := s.publishing()
	until(t, "the worker has stopped", func() bool {
		_, err := os.Stat(first.file)
		return err == nil
	})
	at, left := time.Now(), first.obituary()
	second := s.worker("second")
	s.gone(left)
	v := &verdict{takeover: time.Since(at)}
	first.signal(syscall.SIGCONT)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.end(second)
	// The one that came back still works.
	probe := a.order(jobs.APNS, "default", "probe", 10, nil)
	s.orders = append(s.orders, probe)
	if err := s.publish(probe); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.end(first.process)
	s.judge(v, left.sending(d))
	return v
}

// skip leaves out what other lines stored before.
func (s *theatre) skip() {
	s.t.Helper()
	if _, err := s.js.Stream(s.t.Context(), jobs.StreamResults); errors.Is(err, jetstream.ErrStreamNotFound) {
		return
	}
	s.ask(jobs.StreamResults, func(_ context.Context, stream jetstream.Stream) error {
		s.next = stream.CachedInfo().State.LastSeq + 1
		return nil
	})
}

// kill ends a process as a power switch does, and waits for its end.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.done
}
