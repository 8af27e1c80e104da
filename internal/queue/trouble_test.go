package queue

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// TestServerRestart: the server ends and comes back on the same store and port while a worker pulls.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, natsembed.Options{StoreDir: dir, Listen: "127.0.0.1:0"})
	addr := strings.TrimPrefix(s.ClientURL(), "nats://")
	var log logged
	c := connectWith(t, Options{URL: s.ClientURL(), Logger: log.logger()})
	ensure(t, c)
	var all seen
	var suspicious atomic.Int32
	taken, finish := make(chan pipeline.Delivery, 1), make(chan struct{})
	r := pullWith(t, c, 4, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		all.add(d)
		if d.Suspicious {
			suspicious.Add(1)
		}
		if d.Sequence == 11 && !d.Suspicious {
			taken <- d
			<-finish
		}
		return pipeline.Ack
	})
	parked(t, c, 1)
	publishJobs(t, c, 10)
	until(t, "all is quiet", func() bool { return all.len() == 10 && messages(t, c, jobs.StreamJobs) == 0 })
	if n := suspicious.Load(); n != 0 {
		t.Errorf("%d suspicious before", n)
	}
	publishJobs(t, c, 1)
	held := receive(t, "the delivery that is held over the restart", taken)
	loseBroker(t, s, c)
	until(t, "its lease is over", func() bool { return !held.Held() })
	again, err := natsembed.Start(natsembed.Options{StoreDir: dir, Listen: addr, MaxStore: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.Shutdown)
	until(t, "the connection is back", c.Connected)
	close(finish)
	until(t, "jobs can be published", func() bool {
		_, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "", []byte(`{}`))
		return err == nil
	})
	until(t, "the pull goes on", func() bool { return all.len() >= 12 && messages(t, c, jobs.StreamJobs) == 0 })
	if n := log.count("interrupted"); n > 1 {
		t.Errorf("%d lines about one interruption", n)
	}
	// Whoever is connected when something is stored sees it for the first time.
	before := suspicious.Load()
	publishJobs(t, c, 5)
	until(t, "the new ones are handled", func() bool { return messages(t, c, jobs.StreamJobs) == 0 })
	if n := suspicious.Load(); n != before {
		t.Errorf("%d of 5 new ones are suspicious", n-before)
	}
	r.end(t)
}

// TestOlderThanConnection: a broker that was killed hands a message out as a first delivery again.
func TestOlderThanConnection(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	publishJobs(t, c, 3)
	if err := c.refreshMark(t.Context(), jobs.StreamJobs, false); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		sequence, delivered uint64
		want                bool
	}{{3, 1, true}, {4, 1, false}, {4, 2, true}, {1, 1, true}} {
		if got := c.suspicious(jobs.StreamJobs, one.sequence, one.delivered); got != one.want {
			t.Errorf("%+v: %v", one, got)
		}
	}
	if !c.suspicious(jobs.StreamWork, 4, 1) {
		t.Error("a stream whose mark is not known")
	}
	publishJobs(t, c, 1)
	if err := c.refreshMark(t.Context(), jobs.StreamJobs, false); err != nil || c.suspicious(jobs.StreamJobs, 4, 1) {
		t.Errorf("the mark is taken once for a connection: %v", err)
	}
	if err := c.refreshMark(t.Context(), jobs.StreamJobs, true); err != nil || !c.suspicious(jobs.StreamJobs, 4, 1) {
		t.Errorf("and again after trouble: %v", err)
	}
	c.marks.known[jobs.StreamJobs] = mark{epoch: c.epoch() + 1, last: 4}
	if !c.suspicious(jobs.StreamJobs, 5, 1) {
		t.Error("a mark of another connection says nothing")
	}
	if err := c.refreshMark(t.Context(), jobs.StreamJobs, false); err != nil || c.suspicious(jobs.StreamJobs, 5, 1) {
		t.Errorf("and is replaced: %v", err)
	}
}

func TestDurableDeletedWhilePulling(t *testing.T) {
	t.Parallel()
	s, _ := broker(t)
	var log logged
	c := connectWith(t, Options{InProcess: s, Logger: log.logger()})
	ensure(t, c)
	var all seen
	r := pullWith(t, c, 2, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		all.add(d)
		return pipeline.Ack
	})
	publishJobs(t, c, 1)
	until(t, "it works", func() bool { return all.len() == 1 })
	if err := c.js.DeleteConsumer(t.Context(), jobs.StreamJobs, durable); err != nil {
		t.Fatal(err)
	}
	publishJobs(t, c, 1)
	until(t, "it works again", func() bool { return all.len() == 2 })
	until(t, "and says so", func() bool { return log.count("pulling goes on") == 1 })
	if log.count("made again") != 1 || log.count("interrupted") != 1 {
		t.Errorf("%v", log.lines)
	}
	r.end(t)
}

// TestMissingStream: a pull waits for what it needs, says so once and does not spin.
func TestMissingStream(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{})
	var log logged
	c := connectWith(t, Options{InProcess: s, Logger: log.logger()})
	asked := atomic.Int32{}
	nc := rawConn(t, s)
	watch, err := nc.Subscribe("$JS.API.CONSUMER.>", func(*nats.Msg) { asked.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	var all seen
	r := pullWith(t, c, 2, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		all.add(d)
		return pipeline.Ack
	})
	select {
	case <-time.After(time.Second):
	case <-t.Context().Done():
	}
	if n := asked.Load(); n < 2 || n > 12 {
		t.Errorf("asked %d times in a second", n)
	}
	if err := watch.Unsubscribe(); err != nil {
		t.Error(err)
	}
	ensure(t, connect(t, s))
	publishJobs(t, c, 1)
	until(t, "it works", func() bool { return all.len() == 1 })
	until(t, "and says so", func() bool { return log.count("pulling goes on") == 1 })
	if n := log.count("interrupted"); n != 1 {
		t.Errorf("%d lines: %v", n, log.lines)
	}
	r.end(t)
}

// TestPausedDurableHoldsNoSlots: other pulls need them.
func TestPausedDurableHoldsNoSlots(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	var all seen
	began, finish := make(chan struct{}, 100), make(chan struct{})
	r := pullWith(t, c, 2, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		all.add(d)
		began <- struct{}{}
		<-finish
		return pipeline.Ack
	})
	publishJobs(t, c, 20)
	receive(t, "the first", began)
	receive(t, "the second", began)
	if _, err := c.js.PauseConsumer(t.Context(), jobs.StreamJobs, durable, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	close(finish)
	until(t, "the slots are free", func() bool { return r.slots.Taken() == 0 })
	if _, err := c.js.ResumeConsumer(t.Context(), jobs.StreamJobs, durable); err != nil {
		t.Fatal(err)
	}
	until(t, "it goes on", func() bool { return all.len() == 20 && messages(t, c, jobs.StreamJobs) == 0 })
	r.end(t)
}

func TestPullIncomplete(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	if err := c.Pull(t.Context(), Puller{Stream: jobs.StreamJobs, Durable: durable}); err == nil {
		t.Error("a pull without handler and slots")
	}
}

func TestLease(t *testing.T) {
	at := time.Now()
	l := &lease{wait: time.Second}
	l.last.Store(&at)
	for _, c := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"at once", at, true},
		{"just before", at.Add(time.Second - 1), true},
		{"over", at.Add(time.Second), false},
		// A machine that slept: the monotonic clock stood still, the wall clock did not.
		{"slept", at.Round(0).Add(time.Minute), false},
	} {
		if got := l.holds(c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestLeaseBeginsWithThePull: the broker may have handed the delivery over right after it was asked, and we were stopped since.
func TestLeaseBeginsWithThePull(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	p := &pull{Puller: Puller{Slots: NewSlots(SlotOptions{Size: 1})}, conn: c, ackWait: time.Minute}
	asked := time.Now().Add(-time.Hour)
	reply := "$JS.ACK.PUSH_JOBS.intake-apns-normal.1.7.7.1700000000000000000.0"
	p.receive(arrival{&line{pull: p, since: &asked}, &nats.Msg{Reply: reply, Sub: &nats.Subscription{}}})
	if len(p.waiting) != 1 || !p.waiting[0].lease.last.Load().Equal(asked) || p.waiting[0].meta.Sequence.Stream != 7 {
		t.Errorf("%+v", p.waiting)
	}
}

// TestHeartbeatRenewsInTimeOnly: a lease that was over when the heartbeat was confirmed stays over.
func TestHeartbeatRenewsInTimeOnly(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	var now atomic.Pointer[time.Time]
	set := func(at time.Time) { now.Store(&at) }
	start := time.Now()
	set(start)
	l := newLeases(c.nc, func() time.Time { return *now.Load() }, 0)
	kept, lost := l.take("_INBOX.a", time.Minute, &start), l.take("_INBOX.b", time.Second, &start)
	set(start.Add(30 * time.Second))
	l.beat(patience)
	if last := *kept.last.Load(); !last.Equal(start.Add(30 * time.Second)) {
		t.Errorf("renewed from %v", last.Sub(start))
	}
	if last := *lost.last.Load(); !last.Equal(start) {
		t.Error("a lease that was over is renewed")
	}
	c.nc.Close()
	set(start.Add(40 * time.Second))
	l.beat(patience)
	if last := *kept.last.Load(); !last.Equal(start.Add(30 * time.Second)) {
		t.Error("renewed without a connection")
	}
}

func TestHeartbeatSetting(t *testing.T) {
	tests := []struct{ heartbeat, wait, want time.Duration }{
		{0, 30 * time.Second, 5 * time.Second},
		{0, 6 * time.Second, time.Second},
		{2 * time.Second, 30 * time.Second, 2 * time.Second},
		{20 * time.Second, 30 * time.Second, 10 * time.Second}, // not less often than three times
	}
	for _, test := range tests {
		l := newLeases(nil, time.Now, test.heartbeat)
		l.serve(test.wait)
		if l.every != test.want {
			t.Errorf("heartbeat %s, ack wait %s: every %s, want %s", test.heartbeat, test.wait, l.every, test.want)
		}
	}
}
