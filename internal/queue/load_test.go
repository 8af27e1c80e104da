package queue

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// ofDurable is what a load says of one durable.
func ofDurable(t *testing.T, l Load, name string) DurableLoad {
	t.Helper()
	for _, d := range l.Durables {
		if d.Durable == name {
			return d
		}
	}
	t.Fatalf("nothing is said of %s: %+v", name, l.Durables)
	return DurableLoad{}
}

func TestLoadSaysWhatWaits(t *testing.T) {
	var ahead atomic.Int64
	c := connectWith(t, Options{
		InProcess: startServer(t, natsembed.Options{}), Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	ensure(t, c)
	ctx := t.Context()
	load, err := c.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(load.Streams) != 7 || len(load.Durables) != 12 {
		t.Fatalf("%d streams and %d durables, want 7 and 12: %+v", len(load.Streams), len(load.Durables), load)
	}
	for _, d := range load.Durables {
		if d.Pending != 0 || d.InFlight != 0 || d.Age != 0 || d.Platform == "" || d.Lane == "" || (d.App == "") != (d.Stream == jobs.StreamJobs) {
			t.Errorf("an empty queue: %+v", d)
		}
	}
	for range 3 {
		if _, err := c.js.Publish(ctx, jobs.IntakeSubject(jobs.GCM, jobs.LaneBulk), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Put(ctx, segment(t, "parked", 2), time.Time{}, 0); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(time.Hour))                         // the broker's clock is ours plus a constant: an hour passes
	until(t, "the broker has counted them", func() bool { // it does so a moment after it has stored them
		if load, err = c.Load(ctx); err != nil {
			t.Fatal(err)
		}
		return ofDurable(t, load, "intake-gcm-bulk").Pending > 2 && ofDurable(t, load, "apns-default-normal").Pending > 0
	})
	intake := ofDurable(t, load, "intake-gcm-bulk")
	if intake.Pending != 3 || intake.InFlight != 0 || intake.Age < time.Hour || intake.Age > time.Hour+patience {
		t.Errorf("three jobs of an hour ago: %+v", intake)
	}
	parked := ofDurable(t, load, "apns-default-normal")
	if parked.Pending != 1 || parked.App != "default" || parked.Platform != jobs.APNS || parked.Lane != jobs.LaneNormal || parked.Age < time.Hour {
		t.Errorf("a parked segment: %+v", parked)
	}
	for _, s := range load.Streams {
		if s.Stream == jobs.StreamJobs && (s.Messages != 3 || s.Bytes == 0 || s.Limit != small.JobsSize) {
			t.Errorf("three jobs: %+v", s)
		}
		if s.Stream == jobs.StreamWork && s.Limit != 0 {
			t.Errorf("a stream without a limit: %+v", s)
		}
	}
}

// The work of an app that only another worker has is told of too.
func TestLoadTellsOfTheAppsOfOthers(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	other := connectWith(t, Options{InProcess: s})
	if err := other.EnsureTopology(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	if err := other.EnsureApp(t.Context(), jobs.GCM, "theirs"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.js.CreateOrUpdateConsumer(t.Context(), jobs.StreamWork, jetstream.ConsumerConfig{Durable: "gcm-foreign-bulk", FilterSubject: "push.work.gcm.foreign.bulk.>", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	seg := segment(t, "elsewhere", 2)
	seg.Job.Platform, seg.Job.App = jobs.GCM, "theirs"
	put(t, c, seg, time.Time{}, 0)
	load, err := c.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := ofDurable(t, load, "gcm-theirs-normal"); d.Ours || d.App != "theirs" || d.Platform != jobs.GCM || d.Lane != jobs.LaneNormal || d.Pending != 1 || d.Age == 0 {
		t.Errorf("%+v", d)
	}
	if d := ofDurable(t, load, "apns-default-normal"); !d.Ours {
		t.Errorf("%+v", d)
	}
	for _, d := range load.Durables {
		if d.App == "foreign" {
			t.Errorf("somebody else's durable: %+v", d)
		}
	}
}

// What a worker holds and has not acknowledged is told too, with its age: it is the oldest there is.
func TestLoadCountsWhatIsInFlight(t *testing.T) {
	_, c := broker(t)
	for range 2 {
		if _, err := c.js.Publish(t.Context(), jobs.IntakeSubject(jobs.APNS, jobs.LaneNormal), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	taken, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- c.Pull(ctx, Puller{
			Stream: jobs.StreamJobs, Durable: "intake-apns-normal", Slots: NewSlots(SlotOptions{Size: 1}),
			Handle: func(context.Context, pipeline.Delivery) pipeline.Disposition {
				select {
				case taken <- struct{}{}:
				case <-release:
				}
				<-release
				return pipeline.Ack
			},
		})
	}()
	<-taken
	until(t, "one in flight at least, both told of", func() bool {
		load, err := c.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d := ofDurable(t, load, "intake-apns-normal")
		return d.InFlight >= 1 && d.InFlight+d.Pending == 2 && d.Age > 0
	})
	close(release)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLoadWithoutABroker(t *testing.T) {
	s, c := broker(t)
	s.Shutdown()
	if _, err := c.Load(t.Context()); err == nil {
		t.Error("a broker that is gone was asked in vain, and nobody said so")
	}
}
