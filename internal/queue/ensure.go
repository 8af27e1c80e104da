package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

const (
	// ensurePatience is how long a cluster has to elect its leaders before EnsureTopology gives up.
	ensurePatience = 45 * time.Second
	// ensureWait is the first pause between two tries, ensureWaitMax the longest.
	ensureWait    = 100 * time.Millisecond
	ensureWaitMax = 3 * time.Second
)

// EnsureTopology makes the broker's streams, buckets and intake durables what this code needs, and then sets the clock. What a
// newer release made is left alone, what an older one made is brought up to date, and what comes back is verified, because an
// old server ignores settings it does not know. Several workers may do it at once. Errors are ErrTopology, with what is wrong
// and the remedy, or ErrUnavailable.
func (c *Conn) EnsureTopology(ctx context.Context, t Topology) error {
	if err := t.check(c.MaxPayload()); err != nil {
		return err
	}
	replicas := 1
	if c.nc.ConnectedClusterName() != "" {
		replicas = clusterReplicas
	}
	want := t.streams(c.MaxPayload(), replicas)
	have := make(map[string]*jetstream.StreamInfo, len(want))
	for _, stream := range want {
		info, err := retry(ctx, c, func() (*jetstream.StreamInfo, error) { return c.streamInfo(ctx, stream.Name) })
		if err != nil {
			return c.explainTopology(ctx, stream, err)
		}
		have[stream.Name] = info
	}
	if err := c.checkRoom(ctx, t, want, have); err != nil {
		return err
	}
	for _, stream := range want {
		got, err := retry(ctx, c, func() (*jetstream.StreamConfig, error) { return c.ensureStream(ctx, stream) })
		if err != nil {
			return c.explainTopology(ctx, stream, err)
		}
		missing := lacking(stream.StreamConfig, *got)
		if missing != "" && schemaOf(got.Metadata) > Schema {
			return fmt.Errorf("%w: stream %s was made by a newer Volley (schema %s, this is %d) and lacks what this one needs (%s): use that release here",
				ErrTopology, stream.Name, got.Metadata[SchemaKey], Schema, missing)
		}
		if missing != "" {
			return fmt.Errorf("%w: the NATS server at %s is version %s, which did not take over %s of stream %s: Volley needs %s or newer",
				ErrTopology, c.url, c.nc.ConnectedServerVersion(), missing, stream.Name, minServer)
		}
	}
	c.durables.setAckWait(t.AckWait)
	for _, p := range jobs.Platforms() {
		for _, lane := range jobs.Lanes() {
			if err := c.ensureDurable(ctx, jobs.StreamJobs, jobs.IntakeDurable(p, lane), jobs.IntakeSubject(p, lane)); err != nil {
				return err
			}
		}
	}
	if _, err := retry(ctx, c, func() (struct{}, error) { return struct{}{}, c.setClock(ctx) }); err != nil {
		return err
	}
	c.ticks.Do(func() { c.running.Go(c.keepClock) })
	return nil
}

// streamInfo returns what the broker has, nil if it has no such stream.
func (c *Conn) streamInfo(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	var stream jetstream.Stream
	err := c.call(ctx, func(ctx context.Context) (err error) {
		stream, err = c.js.Stream(ctx, name)
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

// ensureStream creates or updates one stream and returns what the broker made of it.
func (c *Conn) ensureStream(ctx context.Context, want streamOf) (*jetstream.StreamConfig, error) {
	info, err := c.streamInfo(ctx, want.Name)
	if err != nil {
		return nil, err
	}
	var stream jetstream.Stream
	if info == nil {
		err := c.call(ctx, func(ctx context.Context) (err error) {
			stream, err = c.js.CreateStream(ctx, want.StreamConfig)
			return err
		})
		if err != nil {
			return nil, err // also when another worker was faster with other settings: retry reads what it made
		}
		c.log.Info().Str("stream", want.Name).Int("replicas", want.Replicas).Msg("stream created")
		return &stream.CachedInfo().Config, nil
	}
	have := info.Config
	if schemaOf(have.Metadata) > Schema {
		c.log.Info().Str("stream", want.Name).Msg("stream made by a newer Volley, left as it is")
		return &have, nil
	}
	if have.Retention != want.Retention {
		return nil, fmt.Errorf("%w: stream %s exists with another retention (%v instead of %v), which can't be changed: if it is not Volley's, use another account; else delete it when it is empty",
			ErrTopology, want.Name, have.Retention, want.Retention)
	}
	if have.DenyDelete && !want.DenyDelete {
		return nil, fmt.Errorf("%w: in stream %s nothing can be deleted, which can't be changed, and claims have to be taken back: when no work waits, delete it (nats stream rm %s), and a worker makes it anew",
			ErrTopology, want.Name, want.Name)
	}
	merged := want.over(have)
	if reflect.DeepEqual(have, merged) {
		return &have, nil
	}
	err = c.call(ctx, func(ctx context.Context) (err error) {
		stream, err = c.js.UpdateStream(ctx, merged)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.log.Info().Str("stream", want.Name).Msg("stream updated")
	return &stream.CachedInfo().Config, nil
}

// schemaOf reads our schema number; 0 if there is none.
func schemaOf(metadata map[string]string) int {
	n, err := strconv.Atoi(metadata[SchemaKey])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func withSchema(metadata map[string]string) map[string]string {
	own := maps.Clone(metadata)
	if own == nil {
		own = make(map[string]string, 1)
	}
	own[SchemaKey] = strconv.Itoa(Schema)
	return own
}

// lacking names what of the needed the broker's stream does not have; "" if it has everything. Of a newer release's stream only that is
// needed without which we could not work.
func lacking(want, got jetstream.StreamConfig) string {
	var missing []string
	need := func(ok bool, what string) {
		if !ok {
			missing = append(missing, what)
		}
	}
	for _, subject := range want.Subjects {
		need(slices.Contains(got.Subjects, subject), "subject "+subject)
	}
	need(got.Retention == want.Retention, "retention")
	need(got.AllowMsgSchedules || !want.AllowMsgSchedules, "message schedules")
	need(want.MaxMsgsPerSubject == 0 || got.MaxMsgsPerSubject == want.MaxMsgsPerSubject, "max_msgs_per_subject")
	if schemaOf(got.Metadata) <= Schema {
		need(got.Discard == want.Discard, "discard policy")
		need(want.RePublish == nil || got.RePublish != nil && *got.RePublish == *want.RePublish, "re-publishing")
		need(want.MaxMsgSize == 0 || got.MaxMsgSize > 0, "max_msg_size")
		need(schemaOf(got.Metadata) >= schemaOf(want.Metadata), "metadata")
	}
	return strings.Join(missing, ", ")
}

// checkRoom compares the sum of all limits with the store.
func (c *Conn) checkRoom(ctx context.Context, t Topology, want []streamOf, have map[string]*jetstream.StreamInfo) error {
	var sum int64
	for _, stream := range want {
		config := stream.StreamConfig
		if info := have[stream.Name]; info != nil {
			if config = info.Config; schemaOf(config.Metadata) <= Schema {
				config = stream.over(config)
			}
		}
		if config.MaxBytes > 0 {
			sum += config.MaxBytes * int64(max(config.Replicas, 1))
		}
	}
	limit := t.StoreLimit
	if limit == 0 {
		var account *jetstream.AccountInfo
		err := c.call(ctx, func(ctx context.Context) (err error) {
			account, err = c.js.AccountInfo(ctx)
			return err
		})
		if err != nil {
			return c.explainJetStream(err)
		}
		limit = account.Limits.MaxStore
	}
	if limit <= 0 {
		return nil // not told; the server refuses what it has no room for
	}
	if sum > limit/100*storeShare {
		return fmt.Errorf("%w: the limits of Volley's streams add up to %s, more than %d %% of the store of %s: make room on the disk, give JetStream more of it, or lower the sizes of %s and %s",
			ErrTopology, size(sum), storeShare, size(limit), jobs.StreamJobs, jobs.StreamResults)
	}
	return nil
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}

// retry does something until it works, if what stands in the way may pass: a cluster that elects leaders, another worker that
// was faster.
func retry[T any](ctx context.Context, c *Conn, do func() (T, error)) (T, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = ensureWait, ensureWaitMax
	return backoff.Retry(ctx, func() (T, error) {
		value, err := do()
		if err != nil && !c.passing(err) {
			err = backoff.Permanent(err)
		}
		return value, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(ensurePatience))
}

// passing says whether the fault may go away by itself.
func (c *Conn) passing(err error) bool {
	switch code := answered(err); {
	case code == codeNoPeers, code == codeNameInUse, code == codeWrongSequence:
		return true
	case code == codeNotEnabled || code == codeNotEnabledAccount, forbidden(err):
		return false
	case errors.Is(err, nats.ErrNoResponders):
		// On a single server nobody answers because JetStream is off; on a cluster it may have no leader yet.
		return c.nc.ConnectedClusterName() != ""
	}
	return unavailable(err)
}
