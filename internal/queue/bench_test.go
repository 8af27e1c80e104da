package queue

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// BenchmarkJobs is the broker's part of a job with one recipient: pull, commit of its event, acknowledgement, by as many handlers as a
// worker has deliveries. The server is in the same process, which counts in allocations and time.
func BenchmarkJobs(b *testing.B) {
	for name, always := range map[string]bool{"interval": false, "fsync": true} {
		b.Run(name, func(b *testing.B) { benchmarkJobs(b, always) })
	}
}

func benchmarkJobs(b *testing.B, always bool) {
	server, err := natsembed.Start(natsembed.Options{StoreDir: b.TempDir(), MaxStore: 4 << 30, SyncAlways: always})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Shutdown()
	c, err := Connect(b.Context(), Options{InProcess: server})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.EnsureTopology(b.Context(), Topology{JobsSize: 1 << 30, ResultsSize: 1 << 30, DeadSize: 16 << 20, StatusSize: 16 << 20}); err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"message":"hi","ids":["` + token64 + `"]}`)
	subject := jobs.IntakeSubject(jobs.APNS, jobs.LaneNormal)
	var publishers sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	for range 64 {
		publishers.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := c.publish(b.Context(), &nats.Msg{Subject: subject, Data: body}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	publishers.Wait()
	ctx, stop := context.WithCancel(b.Context())
	var done atomic.Int64
	handle := func(ctx context.Context, d pipeline.Delivery) pipeline.Disposition {
		job, err := jobs.Decode(jobs.APNS, d.Body)
		if err != nil {
			b.Error(err)
			return pipeline.Leave
		}
		seg := jobs.NewSegment(job, d.Body, jobs.LaneNormal, "", d.Sequence, d.Stored)
		if earlier, err := c.Commit(ctx, eventOf(seg, "w")); err != nil || earlier != nil {
			b.Error(fmt.Errorf("%v, %w", earlier, err))
		}
		if done.Add(1) == int64(b.N) {
			stop()
		}
		return pipeline.Ack
	}
	b.ResetTimer()
	b.ReportAllocs()
	if err := c.Pull(ctx, Puller{
		Stream: jobs.StreamJobs, Durable: jobs.IntakeDurable(jobs.APNS, jobs.LaneNormal), Slots: NewSlots(SlotOptions{Size: 64}), Handle: handle,
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// token64 is a device token of the classic size.
const token64 = "abababababababababababababababababababababababababababababababab"
