package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

// durables remembers what this process asked for, so that a pull can make a durable again that somebody deleted.
type durables struct {
	mu      sync.Mutex
	filters map[durableName]string
	ackWait time.Duration
}

type durableName struct{ stream, durable string }

func (d *durables) setAckWait(wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ackWait = wait
}

func (d *durables) remember(name durableName, filter string) (ackWait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.filters == nil {
		d.filters = make(map[durableName]string)
	}
	d.filters[name] = filter
	return d.ackWait
}

func (d *durables) filter(name durableName) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	filter, ok := d.filters[name]
	return filter, ok
}

// EnsureApp makes the app's durables on PUSH_WORK, one for each lane. EnsureTopology comes first.
func (c *Conn) EnsureApp(ctx context.Context, platform jobs.Platform, app string) error {
	for _, lane := range jobs.Lanes() {
		if err := c.ensureDurable(ctx, jobs.StreamWork, jobs.WorkDurable(platform, app, lane), jobs.WorkFilter(platform, app, lane)); err != nil {
			return err
		}
	}
	return nil
}

// ForgetApp says that this process does not want the app's durables any more. They stay: other workers may have the app.
func (c *Conn) ForgetApp(platform jobs.Platform, app string) {
	c.durables.mu.Lock()
	defer c.durables.mu.Unlock()
	for _, lane := range jobs.Lanes() {
		delete(c.durables.filters, durableName{jobs.StreamWork, jobs.WorkDurable(platform, app, lane)})
	}
}

func (c *Conn) ensureDurable(ctx context.Context, stream, durable, filter string) error {
	wait := c.durables.remember(durableName{stream, durable}, filter)
	_, err := retry(ctx, c, func() (struct{}, error) { return struct{}{}, c.makeDurable(ctx, stream, durable, filter, wait) })
	if err == nil {
		return nil
	}
	if unavailable(err) {
		return c.explainJetStream(err)
	}
	return fmt.Errorf("%w: the durable %s of stream %s can't be made: look for other consumers of that stream, a work queue allows only one for each subject: %w",
		ErrTopology, durable, stream, err)
}

// makeDurable creates the durable, or updates one that an older release or other settings made.
func (c *Conn) makeDurable(ctx context.Context, stream, durable, filter string, wait time.Duration) error {
	want := wantedDurable(durable, filter, wait)
	info, err := c.consumerInfo(ctx, stream, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		err = c.call(ctx, func(ctx context.Context) error {
			_, err := c.js.CreateConsumer(ctx, stream, want)
			return err
		})
		if !errors.Is(err, jetstream.ErrConsumerExists) {
			return err
		}
		info, err = c.consumerInfo(ctx, stream, durable) // another worker was faster
	}
	if err != nil {
		return err
	}
	have := info.Config
	merged := overDurable(have, want, wait)
	if schemaOf(have.Metadata) > Schema || same(have, merged) {
		return nil
	}
	return c.call(ctx, func(ctx context.Context) error {
		_, err := c.js.UpdateConsumer(ctx, stream, merged)
		return err
	})
}

// wantedDurable is a durable as it is made.
func wantedDurable(durable, filter string, wait time.Duration) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: filter,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: or(wait, DefaultAckWait),
		// Starts are counted by us, never by the broker. No BackOff: it would set the ack wait to its first entry.
		MaxDeliver: -1, MaxAckPending: maxAckPending,
		Metadata: withSchema(nil),
	}
}

// overDurable lays what we need over what the broker has. An ack wait that was not given stays as it is.
func overDurable(have, want jetstream.ConsumerConfig, wait time.Duration) jetstream.ConsumerConfig {
	merged := have
	merged.MaxDeliver, merged.FilterSubject, merged.Metadata = want.MaxDeliver, want.FilterSubject, withSchema(have.Metadata)
	merged.MaxAckPending = max(have.MaxAckPending, want.MaxAckPending)
	merged.BackOff = nil
	if wait != 0 {
		merged.AckWait = wait
	}
	return merged
}

func (c *Conn) consumerInfo(ctx context.Context, stream, durable string) (info *jetstream.ConsumerInfo, err error) {
	err = c.call(ctx, func(ctx context.Context) error {
		consumer, err := c.js.Consumer(ctx, stream, durable)
		if err == nil {
			info = consumer.CachedInfo()
		}
		return err
	})
	return info, err
}

// same compares what makeDurable may change.
func same(a, b jetstream.ConsumerConfig) bool {
	return a.MaxDeliver == b.MaxDeliver && a.FilterSubject == b.FilterSubject && a.AckWait == b.AckWait &&
		a.MaxAckPending == b.MaxAckPending && len(a.BackOff) == len(b.BackOff) && schemaOf(a.Metadata) == schemaOf(b.Metadata)
}

// restoreDurable makes a durable again that this process had made and that is gone. Nothing happens for others.
func (c *Conn) restoreDurable(ctx context.Context, stream, durable string) error {
	filter, ok := c.durables.filter(durableName{stream, durable})
	if !ok {
		return fmt.Errorf("stream %s has no durable %s", stream, durable)
	}
	wait := c.durables.remember(durableName{stream, durable}, filter)
	if err := c.makeDurable(ctx, stream, durable, filter, wait); err != nil {
		return err
	}
	c.log.Warn().Str("stream", stream).Str("durable", durable).Msg("the durable was gone and is made again")
	return nil
}
