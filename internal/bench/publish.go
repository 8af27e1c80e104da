package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/internal/bench/peer"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

// publisher puts jobs on the queue and waits until they are done.
type publisher struct {
	conn     *queue.Conn
	s        Scenario
	provider *part
}

// At once, publishers publish so many jobs each; those with many recipients one by one.
const (
	publishers = 4
	atOnce     = 64
)

// publish publishes jobs for the recipients from first on.
func (p *publisher) publish(ctx context.Context, first, count int, timed bool) error {
	per := p.s.Whole.PerJob
	var next atomic.Int64
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	one := func(at int) queue.Outgoing {
		id := ""
		fields := ""
		if p.s.Whole.Explicit {
			id = fmt.Sprintf("bench-%d", at)
			fields = fmt.Sprintf(`"id":%q,`, id)
		}
		if timed {
			fields += fmt.Sprintf(`"extra":{"sent_at":%d},`, time.Now().UnixNano())
		}
		body := []byte(`{` + fields + `"title":"A benchmark","message":"Hello, it is time to look at your phone again.","ids":[`)
		for i, token := range tokens(at, per, "") {
			if i > 0 {
				body = append(body, ',')
			}
			body = append(append(append(body, '"'), token...), '"')
		}
		return queue.Outgoing{Platform: jobs.APNS, Lane: jobs.LaneNormal, App: jobs.DefaultApp, ID: id, Body: append(body, "]}"...)}
	}
	hands, batch := publishers, atOnce
	if per > 1 || timed && p.s.Whole.Every > 0 {
		hands, batch = publishers*atOnce, 1
	}
	if p.s.Whole.Every > 0 && timed {
		hands = 1
	}
	for range hands {
		all.Go(func() {
			for failed.Load() == nil {
				end := int(next.Add(int64(per * batch)))
				var all []queue.Outgoing
				for at := end - per*batch; at < min(end, count); at += per {
					all = append(all, one(first+at))
				}
				if len(all) == 0 {
					return
				}
				for _, posted := range p.conn.PublishJobs(ctx, all) {
					if posted.Err != nil {
						failed.Store(&posted.Err)
					}
				}
				if p.s.Whole.Every > 0 && timed {
					<-time.After(p.s.Whole.Every)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return fmt.Errorf("publishing: %w", *err)
	}
	return nil
}

// patience is how long nothing may arrive before a run is given up.
const patience = 30 * time.Second

// wait waits until so many notifications have arrived and the queues are empty.
func (p *publisher) wait(ctx context.Context, count int) error {
	last, since := -1, time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var arrived peer.Report
		if err := p.provider.ask(doCount, &arrived); err != nil {
			return err
		}
		if arrived.Received >= count {
			left, err := p.conn.Backlog(ctx)
			if err != nil {
				return fmt.Errorf("looking at the queues: %w", err)
			}
			if left == 0 {
				return nil
			}
		}
		if arrived.Received > last {
			last, since = arrived.Received, time.Now()
		} else if time.Since(since) > patience {
			return fmt.Errorf("%d of %d notifications have arrived, and nothing happens any more", arrived.Received, count)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
