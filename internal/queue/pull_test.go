package queue

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

const durable = "intake-apns-normal"

// publishJobs puts n jobs on push.apns.
func publishJobs(t *testing.T, c *Conn, n int) {
	t.Helper()
	for i := range n {
		if _, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "", []byte(fmt.Sprintf(`{"n":%d}`, i))); err != nil {
			t.Fatal(err)
		}
	}
}

// running is a Pull that a test started.
type running struct {
	slots *Slots
	stop  context.CancelFunc
	hard  chan struct{}
	done  chan error
}

// pullWith runs a Pull of the durable until the test stops it or ends.
func pullWith(t *testing.T, c *Conn, slots int, handle func(context.Context, pipeline.Delivery) pipeline.Disposition) *running {
	t.Helper()
	r := &running{slots: NewSlots(SlotOptions{Size: slots}), hard: make(chan struct{}), done: make(chan error, 1)}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = stop
	go func() {
		defer close(r.done)
		r.done <- c.Pull(ctx, Puller{Stream: jobs.StreamJobs, Durable: durable, Slots: r.slots, Handle: handle, HardStop: r.hard})
	}()
	t.Cleanup(func() {
		stop()
		for range r.done { // until it is closed
		}
	})
	return r
}

// parked waits until n pulls of the durable wait at the broker: what is published then is new to them.
func parked(t *testing.T, c *Conn, n int) {
	t.Helper()
	consumer, err := c.js.Consumer(t.Context(), jobs.StreamJobs, durable)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the pulls wait at the broker", func() bool {
		info, err := consumer.Info(t.Context())
		return err == nil && info.NumWaiting == n
	})
}

func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	if err := receive(t, "the end of Pull", r.done); err != nil {
		t.Error(err)
	}
	if n := r.slots.Taken(); n != 0 {
		t.Errorf("%d slots are still taken", n)
	}
}

// seen counts deliveries by sequence.
type seen struct {
	mu    sync.Mutex
	times map[uint64]int
}

func (s *seen) add(d pipeline.Delivery) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times == nil {
		s.times = make(map[uint64]int)
	}
	s.times[d.Sequence]++
	return s.times[d.Sequence]
}

// ack is a handler that counts and acknowledges.
func (s *seen) ack(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
	s.add(d)
	return pipeline.Ack
}

func (s *seen) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

func TestPullHandlesAllOnce(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	const n, slots = 500, 8
	publishJobs(t, c, n/2)
	var all seen
	var now, most atomic.Int32
	full := make(chan struct{}) // closed when every slot has a handler
	r := pullWith(t, c, slots, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		defer now.Add(-1)
		k := now.Add(1)
		most.Store(max(most.Load(), k))
		if k == slots {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		<-full
		if times := all.add(d); times != 1 {
			t.Errorf("%d came %d times", d.Sequence, times)
		}
		if old := d.Sequence <= n/2; d.Suspicious != old {
			t.Errorf("%d: suspicious %v; it was stored before we came: %v", d.Sequence, d.Suspicious, old)
		}
		if d.Stream != jobs.StreamJobs || d.Subject != "push.apns" || len(d.Body) == 0 || time.Since(d.Stored).Abs() > time.Minute || !d.Held() {
			t.Errorf("%+v", d)
		}
		return pipeline.Ack
	})
	until(t, "the backlog is handled", func() bool { return all.len() == n/2 })
	publishJobs(t, c, n/2)
	until(t, "all are handled and off the queue", func() bool { return all.len() == n && messages(t, c, jobs.StreamJobs) == 0 })
	until(t, "an idle pull holds no slot", func() bool { return r.slots.Taken() == 0 })
	if m := most.Load(); m != slots {
		t.Errorf("%d at once with %d slots", m, slots)
	}
	r.end(t)
}

func TestTwoPullersShare(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	var all seen
	var both sync.WaitGroup // each has one at the same time
	both.Add(2)
	for _, conn := range []*Conn{c, connect(t, s)} {
		var first sync.Once
		pullWith(t, conn, 1, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
			first.Do(func() { both.Done(); both.Wait() })
			if all.add(d) != 1 {
				t.Errorf("%d came twice", d.Sequence)
			}
			return pipeline.Ack
		})
	}
	publishJobs(t, c, 200)
	until(t, "the queue is empty", func() bool { return messages(t, c, jobs.StreamJobs) == 0 && all.len() == 200 })
}

// TestHeartbeatKeepsDelivery: a handler that takes longer than the ack wait is not disturbed.
func TestHeartbeatKeepsDelivery(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	taken, finish := make(chan pipeline.Delivery, 10), make(chan struct{})
	handle := func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		taken <- d
		<-finish
		return pipeline.Ack
	}
	pullWith(t, c, 1, handle)
	pullWith(t, connect(t, s), 1, handle)
	publishJobs(t, c, 1)
	d := receive(t, "the delivery", taken)
	select {
	case <-taken:
		t.Error("somebody else got it too")
	case <-time.After(5 * small.AckWait / 2):
	}
	if !d.Held() {
		t.Error("the lease is over although nothing happened")
	}
	close(finish)
	until(t, "it is off the queue", func() bool { return messages(t, c, jobs.StreamJobs) == 0 })
}

// TestDeadWorkersDeliveryComesAgain: a worker that is gone loses its delivery after one ack wait.
func TestDeadWorkersDeliveryComesAgain(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	dying := connect(t, s)
	taken, finish := make(chan pipeline.Delivery, 1), make(chan struct{})
	first := pullWith(t, dying, 1, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		taken <- d
		<-finish
		return pipeline.Leave
	})
	parked(t, c, 1)
	publishJobs(t, c, 1)
	d := receive(t, "the delivery", taken)
	if d.Suspicious {
		t.Error("a first delivery of a new message is not suspicious")
	}
	dying.nc.Close()
	died := time.Now()
	again := make(chan pipeline.Delivery, 1)
	pullWith(t, c, 1, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		again <- d
		return pipeline.Ack
	})
	second := receive(t, "the redelivery", again)
	if second.Sequence != d.Sequence || !second.Suspicious {
		t.Errorf("%+v", second)
	}
	if took := time.Since(died); took > 4*small.AckWait {
		t.Errorf("after %v", took)
	}
	until(t, "the dead worker knows that its lease is over", func() bool { return !d.Held() })
	close(finish)
	first.end(t)
}

func TestDispositions(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	var all seen
	var returned atomic.Int64
	r := pullWith(t, c, 2, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		switch times := all.add(d); {
		case times == 1 && d.Sequence == 1:
			returned.Store(time.Now().UnixNano())
			return pipeline.GiveBack
		case times == 2 && d.Sequence == 1:
			if took := time.Since(time.Unix(0, returned.Load())); took > small.AckWait {
				t.Errorf("given back, it came after %v", took)
			}
			returned.Store(time.Now().UnixNano())
			return pipeline.Leave
		case d.Sequence == 1:
			if took := time.Since(time.Unix(0, returned.Load())); took < small.AckWait/2 {
				t.Errorf("left, it came after %v", took)
			}
		}
		if times := all.add(d); times > 1 && !d.Suspicious {
			t.Error("a redelivery is suspicious")
		}
		return pipeline.Ack
	})
	publishJobs(t, c, 1)
	until(t, "it is off the queue", func() bool { return messages(t, c, jobs.StreamJobs) == 0 })
	r.end(t)
}

// TestStop: what is not begun goes back at once, what runs may end, and the hard stop ends its context.
func TestStop(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	taken := make(chan uint64, 10)
	r := pullWith(t, c, 1, func(ctx context.Context, d pipeline.Delivery) pipeline.Disposition {
		taken <- d.Sequence
		<-ctx.Done()
		return pipeline.GiveBack
	})
	publishJobs(t, c, 1)
	if n := receive(t, "the first delivery", taken); n != 1 {
		t.Fatal(n)
	}
	// The second is pulled in advance or waits at the broker; in neither case may the stop keep it.
	publishJobs(t, c, 1)
	r.stop()
	others := make(chan uint64, 10)
	pullWith(t, connect(t, s), 1, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		others <- d.Sequence
		return pipeline.Ack
	})
	began := time.Now()
	if n := receive(t, "the second delivery, elsewhere", others); n != 2 {
		t.Errorf("%d", n)
	}
	if took := time.Since(began); took > small.AckWait/2 {
		t.Errorf("it was kept for %v", took)
	}
	select {
	case err := <-r.done:
		t.Fatal("Pull returned although a handler runs", err)
	default:
	}
	close(r.hard)
	if n := receive(t, "the first delivery, given back", others); n != 1 {
		t.Errorf("%d", n)
	}
	r.end(t)
}

// TestWaitingForSlot: a delivery that waits for a slot is kept alive, and goes back at the stop.
func TestWaitingForSlot(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	other := connect(t, s)
	r := pullWith(t, c, 1, func(context.Context, pipeline.Delivery) pipeline.Disposition { return pipeline.Ack })
	rival := r.slots.Seat(Turn{})
	<-rival.ask(1) // another pull has the only slot
	publishJobs(t, c, 1)
	consumer, err := other.js.Consumer(t.Context(), jobs.StreamJobs, durable)
	if err != nil {
		t.Fatal(err)
	}
	pending := func() bool {
		info, err := consumer.Info(t.Context())
		return err == nil && info.NumAckPending == 1
	}
	until(t, "it is delivered", pending)
	select {
	case <-time.After(3 * small.AckWait / 2):
	case <-t.Context().Done():
	}
	if info, err := consumer.Info(t.Context()); err != nil || info.NumRedelivered != 0 || info.NumAckPending != 1 {
		t.Errorf("%+v, %v", info, err)
	}
	r.stop()
	if err := receive(t, "the end", r.done); err != nil {
		t.Fatal(err)
	}
	msg, err := consumer.Next(jetstream.FetchMaxWait(small.AckWait / 2))
	if err != nil {
		t.Fatalf("not given back: %v", err)
	}
	if err := msg.Ack(); err != nil {
		t.Error(err)
	}
	rival.give(1)
	rival.Leave()
}

// A closed gate keeps a pull from asking, and it asks when the gate says so.
func TestGate(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	ensure(t, c)
	changed := make(chan struct{})
	var open atomic.Bool
	asked := make(chan struct{}, 100)
	gate := func() (time.Duration, <-chan struct{}) {
		asked <- struct{}{}
		if open.Load() {
			return 0, changed
		}
		return time.Minute, changed
	}
	handled := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Pull(ctx, Puller{
			Stream: jobs.StreamJobs, Durable: jobs.IntakeDurable(jobs.APNS, jobs.LaneNormal), Slots: NewSlots(SlotOptions{Size: 1}), Gate: gate,
			Handle: func(context.Context, pipeline.Delivery) pipeline.Disposition {
				handled <- struct{}{}
				return pipeline.Ack
			},
		})
	}()
	<-asked
	if _, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "j", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-handled:
		t.Error("a message came through a closed gate")
	case <-time.After(200 * time.Millisecond):
	}
	open.Store(true)
	close(changed)
	<-handled
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
