package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/internal/bench/peer"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

// blast is a great many notifications of one app, while single ones are published beside them every now and then.
type blast struct {
	name, figure string
	// lane and perJob say how the many are published, total how many they are; more follow until enough single ones were published.
	lane   jobs.Lane
	perJob int
	total  int
	// app and single say how the single ones are published.
	app    string
	single jobs.Lane
	bound  time.Duration
}

const (
	blastTotal = 1_000_000
	// blastSamples is how many single pushes are timed, singleEvery the pause between two of them.
	blastSamples = 10_000
	singleEvery  = time.Millisecond
	// blastAhead is how many jobs of the many wait at the broker, beyond what the workers take: more would be a matter of how long the
	// queue is, as the plain subjects are served in the order of publishing.
	blastAhead = 200
	// otherApp is an app beside the default one, with the same credentials.
	otherApp = "other"
)

func blasts() []blast {
	return []blast{
		{"lanes", "single pushes on the lane high during a blast in bulk of the same app", jobs.LaneBulk, 1000, blastTotal, jobs.DefaultApp, jobs.LaneHigh, 30 * time.Millisecond},
		{"apps", "single pushes of an app during a blast of another one, jobs of 1,000", jobs.LaneNormal, 1000, blastTotal, otherApp, jobs.LaneNormal, 50 * time.Millisecond},
		{"singles", "single pushes of an app during a blast of another one, jobs of one", jobs.LaneNormal, 1, blastTotal, otherApp, jobs.LaneNormal, 50 * time.Millisecond},
	}
}

// measure runs two workers and a provider that answers at once.
func (b blast) measure(ctx context.Context, o Options) (_ []Measured, err error) {
	f, err := startPair(ctx, Part{Provider: provider{Platform: peer.APNS}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.end()) }()
	samples, total := max(blastSamples/max(o.Scale, 1), 1), max(b.total/max(o.Scale, 1), b.perJob)
	sent, err := b.publish(ctx, f.conn, samples, total)
	if err != nil {
		return nil, err
	}
	var report peer.Report
	for begun := time.Now(); report.Received < sent; {
		if err := f.provider.ask(doCount, &report); err != nil {
			return nil, err
		}
		if time.Since(begun) > patience {
			return nil, fmt.Errorf("only %d of %d notifications have arrived", report.Received, sent)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err := f.provider.ask(doReport, &report); err != nil {
		return nil, err
	}
	if report.Distinct != sent || report.Doubled > 0 {
		return nil, fmt.Errorf("%d recipients, %d arrived, %d twice", sent, report.Distinct, report.Doubled)
	}
	m := Measured{
		Scenario: b.name, Figure: fmt.Sprintf("%s (%d notifications)", b.figure, sent-samples), Samples: samples,
		P50: milliseconds(report.P50), P99: milliseconds(report.P99), Max: milliseconds(report.Max), Bound: milliseconds(b.bound),
	}
	m.Held = m.P99 <= m.Bound
	return []Measured{m}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// publish publishes the blast and, beside it, the single pushes. It returns how many recipients there are.
func (b blast) publish(ctx context.Context, conn *queue.Conn, samples, total int) (recipients int, err error) {
	var enough atomic.Bool
	var failed error
	published := 0
	var many sync.WaitGroup
	many.Go(func() {
		for at := samples; failed == nil && (at-samples < total || !enough.Load()); at += b.batch() * b.perJob {
			if failed = b.publishMany(ctx, conn, at); failed == nil {
				published += b.batch() * b.perJob
			}
		}
	})
	ticker := time.NewTicker(singleEvery)
	defer ticker.Stop()
	for i := 0; i < samples && err == nil; i++ {
		<-ticker.C
		body := fmt.Appendf(nil, `{"app":%q,"extra":{"sent_at":%d},"message":"Hello","ids":%q}`, b.app, time.Now().UnixNano(), tokens(i, 1, "")[0])
		err = conn.PublishJobs(ctx, []queue.Outgoing{{Platform: jobs.APNS, Lane: b.single, App: b.app, Body: body}})[0].Err
	}
	enough.Store(true)
	many.Wait()
	return samples + published, errors.Join(err, failed)
}

// batch is how many jobs of the blast are published at once.
func (b blast) batch() int { return max(1, atOnce/b.perJob) }

// publishMany publishes the next jobs of the blast, when there is room for them.
func (b blast) publishMany(ctx context.Context, conn *queue.Conn, at int) error {
	for {
		waiting, err := conn.Backlog(ctx)
		if err != nil {
			return fmt.Errorf("looking at the queues: %w", err)
		}
		if waiting < blastAhead {
			break
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	var all []queue.Outgoing
	for range b.batch() {
		body := []byte(`{"message":"Hello, it is time to look at your phone again.","ids":[`)
		for i, token := range tokens(at, b.perJob, "") {
			if i > 0 {
				body = append(body, ',')
			}
			body = append(append(append(body, '"'), token...), '"')
		}
		at += b.perJob
		all = append(all, queue.Outgoing{Platform: jobs.APNS, Lane: b.lane, App: jobs.DefaultApp, Body: append(body, "]}"...)})
	}
	for _, posted := range conn.PublishJobs(ctx, all) {
		if posted.Err != nil {
			return fmt.Errorf("publishing: %w", posted.Err)
		}
	}
	return nil
}
