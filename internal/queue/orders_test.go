package queue

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// pulling takes what comes on a durable of PUSH_WORK until the test ends.
func pulling(t *testing.T, c *Conn, durable string, got chan<- pipeline.Delivery) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.Pull(ctx, Puller{Stream: jobs.StreamWork, Durable: durable, Slots: NewSlots(SlotOptions{Size: 1}), Handle: func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
			got <- d
			return pipeline.Ack
		}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// watch runs a watcher for the test.
func watch(t *testing.T, c *Conn) *Watcher {
	t.Helper()
	w := c.Watch()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func give(t *testing.T, c *Conn, kind pipeline.OrderKind, scope pipeline.Scope) pipeline.Order {
	t.Helper()
	order, err := c.Give(t.Context(), kind, scope)
	if err != nil {
		t.Fatal(err)
	}
	return order
}

func TestOrdersAreGivenOnceAndPausesWithdrawn(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	narrow := pipeline.Scope{Platform: jobs.APNS, App: "default", Job: "promo-7"}
	give(t, c, pipeline.OrderPause, pipeline.Scope{Campaign: "spring"})
	give(t, c, pipeline.OrderPause, narrow)
	give(t, c, pipeline.OrderPause, narrow)
	cancel := give(t, c, pipeline.OrderCancel, narrow)
	if cancel.At.IsZero() {
		t.Error("it does not say when it was stored")
	}
	all, err := c.Given(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	gone, err := c.Withdraw(t.Context(), pipeline.Scope{App: "default"})
	if err != nil || len(gone) != 1 || gone[0].Scope != narrow {
		t.Errorf("withdrawn: %+v, %v", gone, err)
	}
	if all, err = c.Given(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := c.Give(t.Context(), pipeline.OrderCancel, pipeline.Scope{}); err == nil {
		t.Error("everything was cancelled")
	}
}

// Old cancels and old marks of withdrawn pauses are forgotten, pauses never.
func TestOldOrdersAreForgotten(t *testing.T) {
	pause, _ := json.Marshal(orderRecord{orderVersion, pipeline.Order{Kind: pipeline.OrderPause, Scope: pipeline.Scope{App: "a"}}})
	cancel, _ := json.Marshal(orderRecord{orderVersion, pipeline.Order{Kind: pipeline.OrderCancel, Scope: pipeline.Scope{App: "a"}}})
	now := time.Now()
	for _, c := range []struct {
		name string
		what stored
		age  time.Duration
		want bool
	}{
		{"a cancel at its limit", stored{Data: cancel}, cancelRetention, false},
		{"a cancel past it", stored{Data: cancel}, cancelRetention + 1, true},
		{"an old pause", stored{Data: pause}, 10 * cancelRetention, false},
		{"a mark at its limit", stored{Headers: []byte("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n")}, markRetention, false},
		{"a mark past it", stored{Headers: []byte("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n")}, markRetention + 1, true},
	} {
		c.what.Time = now.Add(-c.age)
		if got := outdated(&c.what, now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// A watcher hears of orders as they come, over a restart of the broker too, and says that it knows nothing while it can't ask.
func TestWatcherFollowsOrders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, natsembed.Options{StoreDir: dir, Listen: "127.0.0.1:0"})
	c := connectWith(t, Options{URL: s.ClientURL()})
	ensure(t, c)
	give(t, c, pipeline.OrderPause, pipeline.Scope{App: "default"})
	w := watch(t, c)
	if !w.Ready(t.Context()) {
		t.Fatal("not ready")
	}
	seg := segment(t, "j", 1)
	if !w.Orders().Pause(seg) {
		t.Error("an order from before is not known once the watcher is ready")
	}
	give(t, c, pipeline.OrderCancel, pipeline.Scope{Job: "j"})
	until(t, "the cancel is heard of", func() bool { return w.Orders().Cancel(seg) })
	address := strings.TrimPrefix(s.ClientURL(), "nats://")
	s.Shutdown()
	until(t, "nothing is known without a broker", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		return !w.Ready(ctx)
	})
	s = startServer(t, natsembed.Options{StoreDir: dir, Listen: address})
	if !w.Ready(t.Context()) || !w.Orders().Cancel(seg) {
		t.Error("the order is forgotten")
	}
	// Somebody else withdraws it.
	if _, err := connect(t, s).Withdraw(t.Context(), pipeline.Scope{App: "default"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the pause is over", func() bool { return !w.Orders().Pause(segment(t, "other", 1)) })
}

// An order that this version can't read is not passed over: nothing is known until it is gone.
func TestOrderOfANewerVersionIsNotIgnored(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	nc := rawConn(t, s)
	for _, body := range []string{`{"v":2,"kind":"pause"}`, `{"v":1,"kind":"slow down"}`, `garbage`} {
		subject := "$KV.PUSH_CONTROL.strange"
		if _, err := nc.Request(subject, []byte(body), patience); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Given(t.Context()); err == nil {
			t.Errorf("%s is an order", body)
		}
		w := c.Watch()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		w.look(ctx)
		if w.Ready(ctx) {
			t.Errorf("with %s the orders are known", body)
		}
		cancel()
	}
}

// A worker without the bucket waits and says what to do.
func TestWatcherWithoutItsBucket(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{})
	var log logged
	c := connectWith(t, Options{InProcess: s, Logger: log.logger()})
	ensure(t, c)
	w := watch(t, c)
	if !w.Ready(t.Context()) {
		t.Fatal("not ready")
	}
	if err := c.js.DeleteStream(t.Context(), "KV_PUSH_CONTROL"); err != nil {
		t.Fatal(err)
	}
	until(t, "it is told", func() bool { return log.count("start a worker on this server once, it creates the streams") > 0 })
	if _, err := c.Give(t.Context(), pipeline.OrderPause, pipeline.Scope{App: "a"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("an order without a bucket: %v", err)
	}
	ensure(t, c)
	give(t, c, pipeline.OrderPause, pipeline.Scope{App: "default"})
	if !w.Ready(t.Context()) {
		t.Fatal("not ready")
	}
	until(t, "an order in the new bucket is heard of", func() bool { return w.Orders().Pause(segment(t, "j", 1)) })
}

// A bucket that was made anew has no orders in it: those of the old one hold no longer, however soon that is noticed.
func TestOrdersOfALostBucketEnd(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	give(t, c, pipeline.OrderPause, pipeline.Scope{App: "default"})
	w := c.Watch()
	w.look(t.Context())
	if !w.Orders().Pause(segment(t, "j", 1)) {
		t.Fatal("the pause is not known")
	}
	if err := c.js.DeleteStream(t.Context(), "KV_PUSH_CONTROL"); err != nil {
		t.Fatal(err)
	}
	w.look(t.Context())
	if !w.Orders().Pause(segment(t, "j", 1)) {
		t.Error("the pause ended before there was another bucket")
	}
	ensure(t, c)
	w.look(t.Context())
	if w.Orders().Pause(segment(t, "j", 1)) {
		t.Error("the pause outlives its bucket")
	}
}

// A schedule becomes work in one step, with all it says of itself, and once however many do it.
func TestSweepTurnsSchedulesIntoWork(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	later := time.Now().Add(time.Hour)
	for _, id := range []string{"cancelled", "waits"} {
		put(t, c, segment(t, id, 2), later, 0)
	}
	for _, id := range []string{"resumed", "paused"} {
		if stored, err := c.Hold(t.Context(), segment(t, id, 2), later, 0); !stored || err != nil {
			t.Fatal(stored, err)
		}
	}
	orders := pipeline.NewOrders([]pipeline.Order{
		{Kind: pipeline.OrderCancel, Scope: pipeline.Scope{Job: "cancelled"}},
		{Kind: pipeline.OrderPause, Scope: pipeline.Scope{Job: "paused"}},
		{Kind: pipeline.OrderPause, Scope: pipeline.Scope{Job: "waits"}},
	})
	if n, err := c.Sweep(t.Context(), pipeline.Scope{App: "shop"}, orders); n != 0 || err != nil {
		t.Errorf("of another app: %d, %v", n, err)
	}
	if n, err := c.Sweep(t.Context(), pipeline.Scope{Platform: jobs.APNS}, orders); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := c.Sweep(t.Context(), pipeline.Scope{}, orders); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	if n := messages(t, c, jobs.StreamWork); n != 4 {
		t.Errorf("%d messages", n)
	}
	for id, subject := range map[string]string{"cancelled": "push.work.", "resumed": "push.work.", "paused": "push.later.", "waits": "push.later."} {
		seg := segment(t, id, 2)
		found, err := c.lastOn(t.Context(), jobs.StreamWork, seg.Tail().AnySubject())
		if err != nil || !strings.HasPrefix(found.Subject, subject) {
			t.Errorf("%s: %+v, %v", id, found, err)
		}
	}
	// What was turned into work is what was put aside.
	want := segment(t, "resumed", 2)
	got := make(chan pipeline.Delivery, 4)
	pulling(t, c, jobs.WorkDurable(jobs.APNS, "default", jobs.LaneNormal), got)
	for range 2 {
		d := receive(t, "a delivery", got)
		seg, err := jobs.DecodeSegment(d.Subject, d.Header, d.Body)
		if err != nil {
			t.Fatal(err)
		}
		if seg.JobID == "resumed" {
			if diff := cmp.Diff(want.Job.IDs, seg.Job.IDs, cmp.Comparer(func(a, b jobs.Token) bool { return a == b })); diff != "" || seg.Fingerprint != want.Fingerprint {
				t.Error(diff)
			}
		}
	}
	if err := c.Hasten(t.Context(), segment(t, "waits", 2)); err != nil {
		t.Fatal(err)
	}
	if d := receive(t, "the hastened one", got); !strings.Contains(d.Subject, ".waits.") {
		t.Errorf("%s came", d.Subject)
	}
	if err := c.Hasten(t.Context(), segment(t, "unknown", 2)); err != nil {
		t.Error(err)
	}
}
