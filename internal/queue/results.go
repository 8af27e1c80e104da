package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// Query chooses events. Empty fields choose all.
type Query struct {
	Platform jobs.Platform
	App      string
	// Job is a job's id. Events that belong to no job (credential, provider, feedback) are not among the answers then.
	Job string
	// Campaign is compared with each event that comes; the other fields are the broker's filter and cost nothing.
	Campaign string
	// Since leaves out what was stored before; zero means from the oldest kept.
	Since time.Time
	// Last begins at most so many events before the newest; 0 does not ask. Events that the other fields leave out are counted.
	Last int
	// Follow goes on with new events until the context ends. Without it Results returns when it has caught up.
	Follow bool
}

// Results calls fn with every stored event that the query chooses, in the order they were stored, each once. An error of fn ends it
// and is returned, as are ErrUnavailable and, for a server without JetStream, ErrTopology. The end of the context is no error when
// following. Events of a newer version are left out and logged.
func (c *Conn) Results(ctx context.Context, q Query, fn func(*results.Event) error) error {
	err := c.replay(ctx, replay{
		Stream: jobs.StreamResults, Since: q.Since, Last: q.Last, Follow: q.Follow,
		Subject: jobs.SubjectResults + "." + orAny(string(q.Platform)) + "." + orAny(q.App) + "." + orAny(q.Job) + ".*.*",
	}, func(msg jetstream.Msg, _ *jetstream.MsgMetadata) error {
		event, err := results.Decode(msg.Data())
		if err != nil {
			c.log.Warn().Err(err).Str("subject", msg.Subject()).Msg("an event can't be read and is left out")
			return nil
		}
		if q.Campaign != "" && event.Campaign != q.Campaign {
			return nil
		}
		return fn(event)
	})
	if q.Follow && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// replay is a reading of a stream from some time on.
type replay struct {
	Stream, Subject string
	Since           time.Time
	// From is the first sequence; 0 means the oldest, or what Since says. Last begins at most so many messages before the newest.
	From   uint64
	Last   int
	Follow bool
	// HeadersOnly leaves the bodies at the broker; Nats-Msg-Size says how long each is.
	HeadersOnly bool
}

// replay reads in order, over reconnects and leader changes: the library's ordered consumer begins again where it was.
func (c *Conn) replay(ctx context.Context, r replay, fn func(jetstream.Msg, *jetstream.MsgMetadata) error) error {
	config := jetstream.OrderedConsumerConfig{FilterSubjects: []string{r.Subject}, DeliverPolicy: jetstream.DeliverAllPolicy, HeadersOnly: r.HeadersOnly}
	if !r.Since.IsZero() {
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.Since
	}
	if r.Last > 0 {
		info, err := c.streamInfo(ctx, r.Stream)
		if err != nil {
			return c.explainJetStream(err)
		}
		if info != nil && info.State.LastSeq > uint64(r.Last) {
			r.From = info.State.LastSeq - uint64(r.Last) + 1
		}
	}
	if r.From > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.From
	}
	before := c.violation.Load()
	consumer, err := c.js.OrderedConsumer(ctx, r.Stream, config)
	err = c.blame(before, "", err)
	switch {
	case forbidden(err):
		return c.explainJetStream(err)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return c.noStream(r.Stream)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return c.explainJetStream(err)
	case err != nil:
		return explain("reading "+r.Stream, err)
	}
	defer c.dismiss(ctx, r.Stream, consumer)
	if info := consumer.CachedInfo(); !r.Follow && info != nil && info.NumPending == 0 {
		return nil
	}
	messages, err := consumer.Messages()
	if err != nil {
		return explain("reading "+r.Stream, err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return explain("reading "+r.Stream, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("reading %s: %w", r.Stream, err)
		}
		if err := fn(msg, meta); err != nil {
			return err
		}
		if !r.Follow && meta.NumPending == 0 {
			return nil
		}
	}
}

// dismissTimeout is how long the end of a reading may wait for the broker.
const dismissTimeout = time.Second

// dismiss deletes the consumer of a reading that is over. The server would keep it for five minutes, and has room for a thousand in a
// stream: who follows more jobs than that, one after the other, would be refused.
func (c *Conn) dismiss(ctx context.Context, stream string, consumer jetstream.Consumer) {
	info := consumer.CachedInfo()
	if info == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dismissTimeout) // what ended the reading may be the end of its context
	defer cancel()
	_ = c.call(ctx, func(ctx context.Context) error { return c.js.DeleteConsumer(ctx, stream, info.Name) })
}

// orAny is the token of a filter subject.
func orAny(token string) string {
	if token == "" {
		return "*"
	}
	return token
}
