package queue

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// counted asks until the broker says what is expected: it takes note of an acknowledgement a moment later.
func counted(t *testing.T, c *Conn, app string, want int) (last pipeline.Parked) {
	t.Helper()
	until(t, "the broker counts what is parked", func() bool {
		var err error
		if last, err = c.Parked(t.Context(), jobs.APNS, app); err != nil {
			t.Fatal(err)
		}
		return last.Messages == want
	})
	return last
}

// What an app has is counted on every lane, runnable, being sent and for later; other apps and the other platform are not.
func TestParked(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	if err := c.EnsureApp(t.Context(), jobs.APNS, "shop"); err != nil {
		t.Fatal(err)
	}
	if p := counted(t, c, "shop", 0); p.Size != 0 {
		t.Errorf("%+v", p)
	}
	later := time.Now().Add(time.Hour)
	of := func(app, id string, lane jobs.Lane) *jobs.Segment {
		seg := segment(t, id, 1)
		seg.Job.App, seg.Lane = app, lane
		return seg
	}
	put(t, c, of("shop", "a", jobs.LaneNormal), time.Time{}, 0)
	put(t, c, of("shop", "b", jobs.LaneBulk), time.Time{}, 0)
	put(t, c, of("shop", "c", jobs.LaneHigh), later, 0)
	put(t, c, of("shop", "d", jobs.LaneNormal), later, 0)
	put(t, c, of(jobs.DefaultApp, "e", jobs.LaneNormal), time.Time{}, 0)
	put(t, c, of(jobs.DefaultApp, "f", jobs.LaneNormal), later, 0)
	if p := counted(t, c, "shop", 4); p.Size < 100 || p.Size > 1000 {
		t.Errorf("messages of %d bytes", p.Size)
	}
	counted(t, connect(t, s), jobs.DefaultApp, 2)
	counted(t, c, "nobody", 0)

	// One is taken, and is acknowledged only after it was counted once more.
	ctx, end := context.WithCancel(t.Context())
	taken, goOn, over := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		over <- c.Pull(ctx, Puller{
			Stream: jobs.StreamWork, Durable: jobs.WorkDurable(jobs.APNS, "shop", jobs.LaneBulk), Slots: NewSlots(SlotOptions{Size: 1}),
			Handle: func(context.Context, pipeline.Delivery) pipeline.Disposition {
				taken <- struct{}{}
				<-goOn
				return pipeline.Ack
			},
		})
	}()
	receive(t, "a delivery", taken)
	counted(t, c, "shop", 4)
	close(goOn)
	counted(t, c, "shop", 3)
	end()
	if err := receive(t, "the end of the pull", over); err != nil {
		t.Error(err)
	}
	// A schedule that becomes work is the same message still.
	if err := c.Hasten(t.Context(), of("shop", "d", jobs.LaneNormal)); err != nil {
		t.Fatal(err)
	}
	counted(t, c, "shop", 3)
	// Somebody removed what counts: it is made again.
	if err := c.js.DeleteConsumer(t.Context(), jobs.StreamWork, jobs.LaterDurable(jobs.APNS, "shop")); err != nil {
		t.Fatal(err)
	}
	counted(t, c, "shop", 3)
}

// The durable that counts is nobody's: it is no stray, tells of no load, and goes with the durables of an app that nobody has.
func TestCounterIsNobodys(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	if err := c.Shelter(t.Context(), jobs.APNS, "nobody", jobs.LaneNormal); err != nil {
		t.Fatal(err)
	}
	counted(t, c, "nobody", 0)
	counted(t, c, jobs.DefaultApp, 0)
	all, err := c.Strays(t.Context())
	if err != nil || len(all) != 1 || all[0].App != "nobody" || all[0].Lane != jobs.LaneNormal {
		t.Fatalf("%+v, %v", all, err)
	}
	load, err := c.Load(t.Context())
	if err != nil || len(load.Durables) != 2*3+2*3+1 { // with the stray
		t.Errorf("%+v, %v", load.Durables, err)
	}
	if err := c.Unshelter(t.Context(), jobs.APNS, "nobody", jobs.LaneNormal); err != nil {
		t.Fatal(err)
	}
	if _, err := c.js.Consumer(t.Context(), jobs.StreamWork, jobs.LaterDurable(jobs.APNS, "nobody")); answered(err) != jetstream.JSErrCodeConsumerNotFound {
		t.Errorf("what counts is left: %v", err)
	}
}

func TestParkedWithoutABroker(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	loseBroker(t, s, c)
	if p, err := c.Parked(t.Context(), jobs.APNS, jobs.DefaultApp); err == nil {
		t.Errorf("%+v", p)
	}
}
