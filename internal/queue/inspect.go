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

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

// Inspection is what stands at the broker, beside what a worker would make there. Nothing is changed by it.
type Inspection struct {
	// Version, Name and Cluster are the server's that we are connected to; Cluster is "" for a single one. Old says that it lacks
	// something that Volley needs.
	Version, Name, Cluster string
	Old                    bool
	MaxPayload             int
	RoundTrip              time.Duration
	// Ahead is how far the broker's clock is ahead of ours, if there is a stream that tells (Timed).
	Ahead time.Duration
	Timed bool
	// Limits is the sum of what all streams may take with their copies, those included that are not there yet. Store is how much
	// the account may take; 0 if the broker does not tell.
	Limits, Store int64
	Streams       []StreamLook
	Durables      []DurableLook
}

// Difference is one setting that is not as a worker makes it.
type Difference struct {
	Field, Have, Want string
	// Fixed says that it can't be changed: the stream would have to be made anew.
	Fixed bool
}

// StreamLook is what was found of one stream.
type StreamLook struct {
	StreamLoad
	// Missing says that it is not there; Newer that a newer Volley made it: then it is left as it is.
	Missing, Newer bool
	Differences    []Difference
	// Oldest is when its first message was stored; zero if it has none.
	Oldest time.Time
	// Retention is how long it keeps messages; 0 is until they are taken.
	Retention time.Duration
}

// DurableLook is what was found of one durable.
type DurableLook struct {
	Stream, Durable string
	Pending         int
	Missing, Newer  bool
	// Unclaimed says that it is Volley's and of none of the given apps; Foreign that it is not Volley's.
	Unclaimed, Foreign bool
	Differences        []Difference
}

// AppLane names the durables of an app.
type AppLane struct {
	Platform jobs.Platform
	App      string
}

// Inspect looks at the server, the streams and the durables that EnsureTopology and EnsureApp would make for the apps. An error says that
// the broker can't be asked, in one sentence with the remedy.
func (c *Conn) Inspect(ctx context.Context, t Topology, apps []AppLane) (*Inspection, error) {
	in := &Inspection{
		Version: c.nc.ConnectedServerVersion(), Name: c.nc.ConnectedServerName(), Cluster: c.nc.ConnectedClusterName(), MaxPayload: c.MaxPayload(),
	}
	in.Old = older(in.Version, minServer)
	var err error
	if in.RoundTrip, err = c.nc.RTT(); err != nil {
		return nil, c.explainJetStream(err)
	}
	var account *jetstream.AccountInfo
	err = c.call(ctx, func(ctx context.Context) (err error) {
		account, err = c.js.AccountInfo(ctx)
		return err
	})
	if err != nil {
		return nil, c.explainJetStream(err)
	}
	in.Store = max(account.Limits.MaxStore, 0)
	replicas := 1
	if in.Cluster != "" {
		replicas = clusterReplicas
	}
	for _, want := range t.streams(in.MaxPayload, replicas) {
		if err := c.inspectStream(ctx, in, want); err != nil {
			return nil, c.explainJetStream(err)
		}
	}
	expected := map[durableName]string{}
	for _, p := range jobs.Platforms() {
		for _, lane := range jobs.Lanes() {
			expected[durableName{jobs.StreamJobs, jobs.IntakeDurable(p, lane)}] = jobs.IntakeSubject(p, lane)
		}
	}
	for _, a := range apps {
		for _, lane := range jobs.Lanes() {
			expected[durableName{jobs.StreamWork, jobs.WorkDurable(a.Platform, a.App, lane)}] = jobs.WorkFilter(a.Platform, a.App, lane)
		}
	}
	for _, stream := range []string{jobs.StreamJobs, jobs.StreamWork} {
		if err := c.inspectDurables(ctx, in, stream, expected, t.AckWait); err != nil {
			return nil, c.explainJetStream(err)
		}
	}
	return in, nil
}

// inspectStream looks at one stream.
func (c *Conn) inspectStream(ctx context.Context, in *Inspection, want streamOf) error {
	before := c.now()
	info, err := c.streamInfo(ctx, want.Name)
	if err != nil {
		return err
	}
	look, config := StreamLook{StreamLoad: StreamLoad{Stream: want.Name}}, want.StreamConfig
	if info == nil {
		look.Missing = true
	} else {
		config = info.Config
		look.Messages, look.Bytes, look.Limit = int(info.State.Msgs), int64(info.State.Bytes), max(config.MaxBytes, 0) //nolint:gosec // they fit a disk
		look.Retention = config.MaxAge
		if info.State.Msgs > 0 {
			look.Oldest = info.State.FirstTime
		}
		if look.Newer = schemaOf(config.Metadata) > Schema; !look.Newer {
			look.Differences = differences(config, want.over(config))
		}
		if !info.TimeStamp.IsZero() && !in.Timed {
			trip := c.now().Sub(before)
			in.Ahead, in.Timed = info.TimeStamp.Sub(before.Add(trip/2).Round(0)), true
		}
	}
	if config.MaxBytes > 0 {
		in.Limits += config.MaxBytes * int64(max(config.Replicas, 1))
	}
	in.Streams = append(in.Streams, look)
	return nil
}

// inspectDurables looks at the durables of one stream.
func (c *Conn) inspectDurables(ctx context.Context, in *Inspection, stream string, expected map[durableName]string, wait time.Duration) error {
	var infos []*jetstream.ConsumerInfo
	err := c.call(ctx, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		list := s.ListConsumers(ctx)
		for info := range list.Info() {
			infos = append(infos, info)
		}
		return list.Err()
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	there := map[string]bool{}
	for _, info := range infos {
		there[info.Name] = true
		look := DurableLook{Stream: stream, Durable: info.Name, Pending: int(info.NumPending)} //nolint:gosec // it fits a disk
		filter, ours := expected[durableName{stream, info.Name}]
		switch platform, _, _ := jobs.ParseDurable(info.Name); {
		case ours && schemaOf(info.Config.Metadata) > Schema:
			look.Newer = true
		case ours:
			look.Differences = differences(info.Config, overDurable(info.Config, wantedDurable(info.Name, filter, wait), wait))
		case platform != "" && schemaOf(info.Config.Metadata) > 0:
			look.Unclaimed = true
		default:
			look.Foreign = true
		}
		in.Durables = append(in.Durables, look)
	}
	for _, name := range slices.SortedFunc(maps.Keys(expected), func(a, b durableName) int { return strings.Compare(a.durable, b.durable) }) {
		if name.stream == stream && !there[name.durable] {
			in.Durables = append(in.Durables, DurableLook{Stream: stream, Durable: name.durable, Missing: true})
		}
	}
	return nil
}

// differences lists the fields in which two configurations of a stream or of a durable differ, by their names in NATS.
func differences[T jetstream.StreamConfig | jetstream.ConsumerConfig](have, want T) (all []Difference) {
	h, w := reflect.ValueOf(have), reflect.ValueOf(want)
	for i := range h.NumField() {
		field := h.Type().Field(i)
		if reflect.DeepEqual(h.Field(i).Interface(), w.Field(i).Interface()) {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		d := Difference{Field: name, Have: shown(h.Field(i)), Want: shown(w.Field(i)), Fixed: name == "retention" || name == "storage" || name == "deny_delete"}
		if name == "metadata" {
			d = Difference{Field: SchemaKey, Have: shown(h.Field(i).MapIndex(reflect.ValueOf(SchemaKey))), Want: strconv.Itoa(Schema)}
		}
		all = append(all, d)
	}
	return all
}

// shown is a value for people.
func shown(v reflect.Value) string {
	switch {
	case !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil():
		return "none"
	case v.Kind() == reflect.Pointer:
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}

// older compares the first two numbers of versions.
func older(version, than string) bool {
	number := func(version string, part int) int {
		parts := strings.Split(version, ".")
		if part >= len(parts) {
			return 0
		}
		n, _ := strconv.Atoi(parts[part])
		return n
	}
	a, b := number(version, 0), number(than, 0)
	return a < b || a == b && number(version, 1) < number(than, 1)
}
