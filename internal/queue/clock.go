package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

const (
	// clockEvery is how often the broker's time is asked for.
	clockEvery = time.Minute
	// clockRoundTrip is the longest round trip whose answer is believed: half of it is the error.
	clockRoundTrip = time.Second
)

// Now implements pipeline.Clock: the broker's time, so that all workers agree on when something is due, whatever their own
// clocks say. Before EnsureTopology it is the local time.
func (c *Conn) Now() time.Time { return c.now().Add(time.Duration(c.offset.Load())) }

// ClockOffset is how far the broker's clock is ahead of ours; 0 before EnsureTopology.
func (c *Conn) ClockOffset() time.Duration { return time.Duration(c.offset.Load()) }

// setClock asks the broker for its time.
func (c *Conn) setClock(ctx context.Context) error {
	before := c.now()
	var stream jetstream.Stream
	err := c.call(ctx, func(ctx context.Context) (err error) {
		stream, err = c.js.Stream(ctx, jobs.StreamWork)
		return err
	})
	if err != nil {
		return explain("asking for the broker's time", err)
	}
	trip := c.now().Sub(before)
	there := stream.CachedInfo().TimeStamp
	if trip > clockRoundTrip {
		return fmt.Errorf("%w: it took %v to ask for the broker's time", ErrUnavailable, trip)
	}
	if there.IsZero() {
		return fmt.Errorf("%w: the broker does not tell its time; it needs NATS %s or newer", ErrTopology, minServer)
	}
	c.offset.Store(int64(there.Sub(before.Add(trip / 2).Round(0))))
	return nil
}

// keepClock refreshes the offset until Close. A failure leaves the old one, which drifts by milliseconds a minute.
func (c *Conn) keepClock() {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := c.setClock(context.Background()); err != nil {
				c.log.Debug().Err(err).Msg("the broker's time is not refreshed")
			}
		case <-c.done:
			return
		}
	}
}
