package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

// Load is what waits at the broker, and how full its streams are.
type Load struct {
	// At is when it was asked for, by the broker's clock.
	At       time.Time
	Durables []DurableLoad
	Streams  []StreamLoad
}

// DurableLoad is what waits for one durable.
type DurableLoad struct {
	Stream, Durable string
	Platform        jobs.Platform
	// App is "" for the durables of PUSH_JOBS: they take the jobs of all apps.
	App  string
	Lane jobs.Lane
	// Ours says that this process made it; the others are of apps that only other workers have, or nobody.
	Ours bool
	// Pending is how many messages wait, InFlight how many a worker has taken and not acknowledged.
	Pending, InFlight int
	// Age is how old the oldest of them is; 0 if there are none. A message that was put aside counts from then.
	Age time.Duration
}

// StreamLoad is how full one stream is.
type StreamLoad struct {
	Stream   string
	Messages int
	Bytes    int64
	// Limit is the stream's size limit in bytes, all copies apart; 0 is none.
	Limit int64
}

// Load asks the broker what waits for the durables of all workers, and how full the streams are. It costs one question for each
// stream, one for 256 durables and one for each durable that something waits for. Safe for concurrent use.
func (c *Conn) Load(ctx context.Context) (Load, error) {
	load := Load{At: c.Now()}
	for _, name := range streamNames() {
		info, err := c.streamInfo(ctx, name)
		if err != nil {
			return Load{}, fmt.Errorf("asking how full stream %s is: %w", name, err)
		}
		if info == nil {
			continue
		}
		load.Streams = append(load.Streams, StreamLoad{
			Stream: name, Messages: int(info.State.Msgs), Bytes: int64(info.State.Bytes), Limit: max(info.Config.MaxBytes, 0), //nolint:gosec // they fit a disk
		})
	}
	for _, name := range []string{jobs.StreamJobs, jobs.StreamWork} {
		durables, err := c.durableLoads(ctx, name)
		if err != nil {
			return Load{}, fmt.Errorf("asking what waits in stream %s: %w", name, err)
		}
		load.Durables = append(load.Durables, durables...)
	}
	return load, nil
}

// streamNames are the streams and the buckets' streams.
func streamNames() []string {
	return []string{
		jobs.StreamJobs, jobs.StreamWork, jobs.StreamResults, jobs.StreamDead,
		bucketStream(jobs.BucketStatus), bucketStream(jobs.BucketClaims), bucketStream(jobs.BucketControl),
	}
}

// durableLoads looks at the durables of one stream.
func (c *Conn) durableLoads(ctx context.Context, stream string) (loads []DurableLoad, err error) {
	err = c.call(ctx, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		list := s.ListConsumers(ctx)
		var infos []*jetstream.ConsumerInfo
		for info := range list.Info() {
			infos = append(infos, info)
		}
		if list.Err() != nil {
			return list.Err()
		}
		for _, info := range infos {
			filter, ours := c.durables.filter(durableName{stream, info.Name})
			platform, app, lane := jobs.ParseDurable(info.Name)
			switch {
			case ours:
			case app != "" && schemaOf(info.Config.Metadata) > 0:
				filter = jobs.WorkFilter(platform, app, lane)
			default:
				continue // somebody else's
			}
			load := DurableLoad{Stream: stream, Durable: info.Name, Platform: platform, App: app, Lane: lane, Ours: ours, Pending: int(info.NumPending), InFlight: info.NumAckPending} //nolint:gosec // they fit a disk
			if load.Pending+load.InFlight > 0 {
				if load.Age, err = c.oldest(ctx, s, info, filter); err != nil {
					return err
				}
			}
			loads = append(loads, load)
		}
		return nil
	})
	slices.SortFunc(loads, func(a, b DurableLoad) int { return strings.Compare(a.Durable, b.Durable) })
	return loads, err
}

// oldest is the age of the first message that the durable has and nobody has acknowledged.
func (c *Conn) oldest(ctx context.Context, s jetstream.Stream, info *jetstream.ConsumerInfo, filter string) (time.Duration, error) {
	m, err := s.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(filter))
	if answered(err) == jetstream.JSErrCodeMessageNotFound {
		return 0, nil // acknowledged meanwhile
	}
	if err != nil {
		return 0, err
	}
	return max(c.Now().Sub(m.Time), 0), nil
}
