package queue

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/jobs"
)

func TestTopology(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	streams := make(map[string]jetstream.StreamConfig)
	for info := range c.js.ListStreams(t.Context()).Info() {
		streams[info.Config.Name] = info.Config
	}
	names := slices.Sorted(maps.Keys(streams))
	want := []string{"KV_PUSH_CLAIMS", "KV_PUSH_CONTROL", "KV_PUSH_STATUS", "PUSH_DEAD", "PUSH_JOBS", "PUSH_RESULTS", "PUSH_WORK"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatal(diff)
	}
	for _, s := range streams {
		if s.Storage != jetstream.FileStorage || s.Replicas != 1 || s.Metadata[SchemaKey] != "1" {
			t.Errorf("%s: storage %v, replicas %d, metadata %v", s.Name, s.Storage, s.Replicas, s.Metadata)
		}
	}
	work, intake, events, dead := streams[jobs.StreamWork], streams[jobs.StreamJobs], streams[jobs.StreamResults], streams[jobs.StreamDead]
	literal := []string{"push.apns.high", "push.apns", "push.apns.bulk", "push.gcm.high", "push.gcm", "push.gcm.bulk"}
	switch {
	case !slices.Equal(intake.Subjects, literal) || intake.Retention != jetstream.WorkQueuePolicy || intake.Discard != jetstream.DiscardNew:
		t.Errorf("jobs: %+v", intake)
	case intake.MaxBytes != small.JobsSize || int(intake.MaxMsgSize) != c.MaxPayload()-jobs.JobReserve:
		t.Errorf("jobs: %d bytes, %d a message", intake.MaxBytes, intake.MaxMsgSize)
	case !work.AllowMsgSchedules || work.Retention != jetstream.WorkQueuePolicy || work.MaxBytes > 0:
		t.Errorf("work: %+v", work)
	case events.RePublish == nil || events.RePublish.Destination != "push.results" || events.MaxAge != 24*time.Hour || events.Discard != jetstream.DiscardNew:
		t.Errorf("results: %+v", events)
	case dead.MaxAge != 30*24*time.Hour || dead.MaxBytes != small.DeadSize || dead.Duplicates != deadWindow:
		t.Errorf("dead: %+v", dead)
	}
	for durable, filter := range map[string]string{"intake-apns-normal": "push.apns", "intake-gcm-bulk": "push.gcm.bulk"} {
		checkDurable(t, c, jobs.StreamJobs, durable, filter)
	}
	for durable, filter := range map[string]string{"apns-default-high": "push.work.apns.default.high.>", "gcm-default-normal": "push.work.gcm.default.normal.>"} {
		checkDurable(t, c, jobs.StreamWork, durable, filter)
	}
}

func checkDurable(t *testing.T, c *Conn, stream, durable, filter string) {
	t.Helper()
	consumer, err := c.js.Consumer(t.Context(), stream, durable)
	if err != nil {
		t.Errorf("%s: %v", durable, err)
		return
	}
	config := consumer.CachedInfo().Config
	if config.FilterSubject != filter || config.AckPolicy != jetstream.AckExplicitPolicy || config.AckWait != small.AckWait ||
		config.MaxDeliver != -1 || config.MaxAckPending != maxAckPending || config.BackOff != nil {
		t.Errorf("%s: %+v", durable, config)
	}
}

func TestTopologyIsRepeatableAndRaceFree(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{})
	var log logged
	var all sync.WaitGroup
	for range 4 {
		c := connectWith(t, Options{InProcess: s, Logger: log.logger()})
		all.Go(func() { ensure(t, c) })
	}
	all.Wait()
	if n := log.count("stream updated"); n != 0 {
		t.Errorf("%d updates although all want the same", n)
	}
}

func TestTopologyChangesWhatIsAskedForOnly(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	if err := c.EnsureTopology(t.Context(), Topology{ResultsRetention: time.Hour, AckWait: 2 * time.Second, DeadRetention: time.Minute}); err != nil {
		t.Fatal(err)
	}
	// A worker without settings of its own joins and reverts nothing.
	if err := connect(t, s).EnsureTopology(t.Context(), Topology{}); err != nil {
		t.Fatal(err)
	}
	events, _ := c.streamInfo(t.Context(), jobs.StreamResults)
	dead, _ := c.streamInfo(t.Context(), jobs.StreamDead)
	intake, _ := c.streamInfo(t.Context(), jobs.StreamJobs)
	if events.Config.MaxAge != time.Hour || dead.Config.MaxAge != time.Minute || intake.Config.MaxBytes != small.JobsSize {
		t.Errorf("results %v, dead %v, jobs %d", events.Config.MaxAge, dead.Config.MaxAge, intake.Config.MaxBytes)
	}
	consumer, err := c.js.Consumer(t.Context(), jobs.StreamJobs, "intake-apns-high")
	if err != nil || consumer.CachedInfo().Config.AckWait != 2*time.Second {
		t.Errorf("ack wait %v, %v", consumer.CachedInfo().Config.AckWait, err)
	}
}

func TestTopologyLeavesNewerAlone(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	info, _ := c.streamInfo(t.Context(), jobs.StreamDead)
	newer := info.Config
	newer.Metadata = map[string]string{SchemaKey: "2"}
	newer.MaxAge, newer.Duplicates = 48*time.Hour, 2*time.Hour
	if _, err := c.js.UpdateStream(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	if err := connect(t, s).EnsureTopology(t.Context(), Topology{DeadRetention: time.Hour}); err != nil {
		t.Fatal(err)
	}
	after, _ := c.streamInfo(t.Context(), jobs.StreamDead)
	if after.Config.MaxAge != 48*time.Hour || after.Config.Duplicates != 2*time.Hour || after.Config.Metadata[SchemaKey] != "2" {
		t.Errorf("reverted: %+v", after.Config)
	}
}

func TestTopologyUpdatesOlder(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{})
	c := connect(t, s)
	if _, err := c.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: jobs.StreamResults, Subjects: []string{subjectEvents}, Metadata: map[string]string{"owner": "me"},
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.EnsureTopology(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	info, _ := c.streamInfo(t.Context(), jobs.StreamResults)
	if info.Config.RePublish == nil || info.Config.Discard != jetstream.DiscardNew || info.Config.Metadata["owner"] != "me" || info.Config.Metadata[SchemaKey] != "1" {
		t.Errorf("not updated: %+v", info.Config)
	}
}

func TestTopologyFaults(t *testing.T) {
	t.Parallel()
	foreign := jetstream.StreamConfig{Name: "SOMEBODY", Subjects: []string{"push.work.apns.*"}}
	limits := jetstream.StreamConfig{Name: jobs.StreamJobs, Subjects: []string{"push.apns"}}
	rival := jetstream.StreamConfig{Name: jobs.StreamJobs, Subjects: []string{"push.apns"}, Retention: jetstream.WorkQueuePolicy}
	for _, c := range []struct {
		name   string
		before []jetstream.StreamConfig
		after  func(*testing.T, *Conn)
		t      Topology
		want   string
	}{
		{name: "overlap", before: []jetstream.StreamConfig{foreign}, t: small, want: "belong to stream SOMEBODY"},
		{name: "retention", before: []jetstream.StreamConfig{limits}, t: small, want: "another retention"},
		{name: "records that stay", before: []jetstream.StreamConfig{{
			Name: bucketStream(jobs.BucketClaims), Subjects: []string{bucketSubject(jobs.BucketClaims, ">")}, MaxMsgsPerSubject: 1, DenyDelete: true,
		}}, t: small, want: "claims have to be taken back"},
		{name: "newer, and without what we need", before: []jetstream.StreamConfig{{
			Name: jobs.StreamJobs, Subjects: []string{"push.apns"}, Retention: jetstream.WorkQueuePolicy, Metadata: map[string]string{SchemaKey: "7"},
		}}, t: small, want: "newer Volley (schema 7, this is 1) and lacks what this one needs (subject push.apns.high, "},
		{name: "replicas on one server", t: Topology{Replicas: 3, JobsSize: 1 << 20, ResultsSize: 1 << 20, DeadSize: 1 << 20, StatusSize: 1 << 20}, want: "set replicas to 1"},
		{name: "too large for the store told", t: Topology{StoreLimit: 1 << 30}, want: "80 % of the store"},
		{name: "too large for the server", t: Topology{}, want: "no room for stream"},
		{name: "replicas 6", t: Topology{Replicas: 6}, want: "1 to 5"},
		{name: "negative", t: Topology{AckWait: -1}, want: "negative"},
		{name: "rival consumer", before: []jetstream.StreamConfig{rival}, t: small, want: "durable intake-apns-normal", after: func(t *testing.T, c *Conn) {
			if _, err := c.js.CreateConsumer(t.Context(), jobs.StreamJobs, jetstream.ConsumerConfig{Durable: "rival", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "push.apns"}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, startServer(t, natsembed.Options{}))
			for _, config := range c.before {
				if _, err := conn.js.CreateStream(t.Context(), config); err != nil {
					t.Fatal(err)
				}
			}
			if c.after != nil {
				c.after(t, conn)
			}
			err := conn.EnsureTopology(t.Context(), c.t)
			if !errors.Is(err, ErrTopology) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestOldServer: an old server ignores what it does not know, so its answer lacks it.
func TestOldServer(t *testing.T) {
	want := small.streams(1<<20, 1)
	for _, s := range want {
		if missing := lacking(s.StreamConfig, s.StreamConfig); missing != "" {
			t.Errorf("%s lacks %s of itself", s.Name, missing)
		}
	}
	for name, forget := range map[string]func(*jetstream.StreamConfig){
		"message schedules": func(s *jetstream.StreamConfig) { s.AllowMsgSchedules = false },
		"re-publishing":     func(s *jetstream.StreamConfig) { s.RePublish = nil },
		"metadata":          func(s *jetstream.StreamConfig) { s.Metadata = nil },
		"max_msg_size":      func(s *jetstream.StreamConfig) { s.MaxMsgSize = -1 },
		"discard policy":    func(s *jetstream.StreamConfig) { s.Discard = 1 - s.Discard },
	} {
		found := false
		for _, s := range want {
			got := s.StreamConfig
			forget(&got)
			found = found || strings.Contains(lacking(s.StreamConfig, got), name)
		}
		if !found {
			t.Errorf("nobody misses %s", name)
		}
	}
}
