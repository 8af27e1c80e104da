package integration

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

// schemaKey is where streams and durables carry the number of their form.
const schemaKey = "volley_schema"

// topology is the form of everything at the broker, streams by name and durables by stream and name. Durables that only count what an app has
// for later come and go.
func (s *theatre) topology() map[string]any {
	s.t.Helper()
	all := map[string]any{}
	for info := range s.js.ListStreams(s.t.Context()).Info() {
		all[info.Config.Name] = info.Config
		stream, err := s.js.Stream(s.t.Context(), info.Config.Name)
		if err != nil {
			s.t.Fatal(err)
		}
		for durable := range stream.ListConsumers(s.t.Context()).Info() {
			if durable.Config.InactiveThreshold == 0 {
				all[info.Config.Name+" "+durable.Name] = durable.Config
			}
		}
	}
	return all
}

// A newer release has made the streams another form. Today's worker, whose settings want yet something else, works with them and
// changes nothing.
func TestOlderWorkerLeavesNewerStreamsAlone(t *testing.T) {
	t.Parallel()
	s := openTheatre(t, startProviders(t), startServer(t).url())
	s.end(s.worker("founder"))
	for name, config := range s.topology() {
		var err error
		switch config := config.(type) {
		case jetstream.StreamConfig:
			config.Description, config.Metadata[schemaKey] = "of a release to come", "7"
			switch name {
			case jobs.StreamJobs:
				config.Subjects, config.MaxBytes = append(config.Subjects, "push.web"), config.MaxBytes/2
			case jobs.StreamResults:
				config.MaxAge, config.MaxMsgSize = 96*time.Hour, 1<<20
			case jobs.StreamDead:
				config.Discard, config.Duplicates = jetstream.DiscardNew, time.Minute
			case "KV_PUSH_STATUS":
				config.MaxMsgsPerSubject = 1
				config.AllowDirect = true
			}
			_, err = s.js.UpdateStream(t.Context(), config)
		case jetstream.ConsumerConfig:
			config.Description, config.Metadata[schemaKey] = "of a release to come", "7"
			config.AckWait, config.MaxAckPending, config.MaxDeliver = 20*time.Second, 30_000, 1000
			_, err = s.js.UpdateConsumer(t.Context(), strings.Fields(name)[0], config)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if _, err := s.js.CreateConsumer(t.Context(), jobs.StreamJobs, jetstream.ConsumerConfig{
		Durable: "intake-web-normal", FilterSubject: "push.web", AckPolicy: jetstream.AckExplicitPolicy, Metadata: map[string]string{schemaKey: "7"},
	}); err != nil {
		t.Fatal(err)
	}
	want := s.topology()

	w := s.worker("today") // whose ack wait is 1s, and whose results are kept for 24 hours
	a := audience{"newer-streams"}
	s.orders = append(a.mixed(20, 1, 30),
		a.order(jobs.APNS, "default", "large", 2500, nil),
		a.order(jobs.GCM, "default", "later", 3, map[string]any{"deliver_at": time.Now().Add(time.Second).Format(time.RFC3339Nano)}))
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	s.settle()
	w.waitFor("made by a newer Volley, left as it is")
	s.end(w)
	s.atMost(0)
	if diff := cmp.Diff(want, s.topology()); diff != "" {
		t.Errorf("an older worker changed what a newer one had made:\n%s", diff)
	}
	code, text := runToEnd(t, "worker", nil, append([]string{"check", "--connect", "--config", s.config}, s.broker...)...)
	if code != 0 || !strings.Contains(text, "made by a newer Volley") {
		t.Errorf("worker check ends with %d: %s", code, text)
	}
}

// olderStreams are streams as something older made them: without our number, without lanes, schedules, re-publishing and limits.
func olderStreams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		{Name: jobs.StreamJobs, Subjects: []string{"push.apns", "push.gcm"}, Retention: jetstream.WorkQueuePolicy, MaxBytes: 64 << 20},
		{Name: jobs.StreamWork, Subjects: []string{"push.work.>"}, Retention: jetstream.WorkQueuePolicy},
		{Name: jobs.StreamResults, Subjects: []string{"push.results.*.*.*.*.*"}, MaxBytes: 64 << 20, Metadata: map[string]string{"owner": "push team", schemaKey: "0"}},
		{Name: jobs.StreamDead, Subjects: []string{"push.dead.*.*"}, MaxBytes: 16 << 20, Duplicates: time.Second},
		{Name: "KV_PUSH_STATUS", Subjects: []string{"$KV.PUSH_STATUS.>"}, MaxMsgsPerSubject: 1, MaxBytes: 16 << 20, MaxAge: 90 * 24 * time.Hour, AllowDirect: true},
	}
}

// Streams of an older form get today's while work waits in them: as jobs, as segments, and as a job that an older worker holds. All of
// it is sent, once. Sizes that somebody chose, and what else stands
// in their metadata, stay.
func TestOlderStreamsAreMigratedWithTheirWork(t *testing.T) {
	t.Parallel()
	fresh := openTheatre(t, startProviders(t), startServer(t).url())
	fresh.end(fresh.worker("founder"))
	want := fresh.topology()

	s := openTheatre(t, fresh.providers, startServer(t).url())
	for _, config := range olderStreams() {
		if _, err := s.js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	a := audience{"older-streams"}
	s.orders = append(a.mixed(30, 1, 40, 7), a.order(jobs.APNS, "default", "large", 2500, nil))
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	// An older worker holds the first job, and counts in a way that we don't.
	durable, err := s.js.CreateConsumer(t.Context(), jobs.StreamJobs, jetstream.ConsumerConfig{
		Durable: "intake-apns-normal", FilterSubject: "push.apns", AckPolicy: jetstream.AckExplicitPolicy,
		MaxDeliver: 2, BackOff: []time.Duration{time.Second}, MaxAckPending: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := durable.Next(); err != nil {
		t.Fatal(err)
	}
	parked := s.park(a.order(jobs.GCM, "default", "parked", 12, nil), a.order(jobs.APNS, "legacy", "parked", 1, nil))
	s.orders = append(s.orders, parked...)

	w := s.worker("today")
	s.settle()
	s.end(w)
	s.atMost(0)
	kept := olderStreams()
	for name, config := range s.topology() {
		migrated, ok := config.(jetstream.StreamConfig)
		if !ok {
			if diff := cmp.Diff(want[name], config); diff != "" {
				t.Errorf("%s is not what a new one is:\n%s", name, diff)
			}
			continue
		}
		for _, old := range kept {
			if old.Name != name {
				continue
			}
			expected, _ := want[name].(jetstream.StreamConfig)
			if old.MaxBytes > 0 {
				expected.MaxBytes = old.MaxBytes
			}
			expected.Metadata = maps.Clone(expected.Metadata)
			if owner, ok := old.Metadata["owner"]; ok {
				expected.Metadata["owner"] = owner
			}
			if diff := cmp.Diff(expected, migrated); diff != "" {
				t.Errorf("%s is not what a new one is:\n%s", name, diff)
			}
		}
	}
	if diff := cmp.Diff(len(want), len(s.topology())); diff != "" {
		t.Errorf("streams and durables: %s", diff)
	}
}

// park puts jobs on PUSH_WORK as a worker does whose app has no room, in the form that the first release wrote.
func (s *theatre) park(orders ...*order) []*order {
	s.t.Helper()
	for i, o := range orders {
		job, err := jobs.Decode(o.platform, []byte(o.body))
		if err != nil {
			s.t.Fatal(err)
		}
		segment := jobs.NewSegment(job, []byte(o.body), o.lane, o.key(), uint64(1000+i), time.Now())
		header, body, err := segment.Encode()
		if err != nil {
			s.t.Fatal(err)
		}
		if header["Volley-Schema"][0] != "1" {
			s.t.Fatalf("schema %s: the first release wrote another", header["Volley-Schema"])
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		_, err = s.js.PublishMsg(ctx, &nats.Msg{Subject: segment.Tail().WorkSubject(), Header: header, Data: body})
		cancel()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return orders
}
