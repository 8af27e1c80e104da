package queue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/jobs"
)

var bothApps = []AppLane{{jobs.APNS, jobs.DefaultApp}, {jobs.GCM, jobs.DefaultApp}}

// inspected is what Inspect complains of, one word for each.
func inspected(t *testing.T, c *Conn, topology Topology, apps []AppLane) (*Inspection, string) {
	t.Helper()
	in, err := c.Inspect(t.Context(), topology, apps)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range in.Streams {
		if s.Missing {
			all = append(all, s.Stream+" missing")
		}
		if s.Newer {
			all = append(all, s.Stream+" newer")
		}
		for _, d := range s.Differences {
			all = append(all, fmt.Sprintf("%s %s %s>%s fixed %v", s.Stream, d.Field, d.Have, d.Want, d.Fixed))
		}
	}
	for _, d := range in.Durables {
		for what, is := range map[string]bool{"missing": d.Missing, "newer": d.Newer, "foreign": d.Foreign, "unclaimed": d.Unclaimed} {
			if is {
				all = append(all, fmt.Sprintf("%s %s %d", d.Durable, what, d.Pending))
			}
		}
		for _, x := range d.Differences {
			all = append(all, fmt.Sprintf("%s %s %s>%s", d.Durable, x.Field, x.Have, x.Want))
		}
	}
	return in, strings.Join(all, "\n")
}

func TestInspectFindsNothingToSayOfWhatWeMade(t *testing.T) {
	_, c := broker(t)
	in, faults := inspected(t, c, small, bothApps)
	if faults != "" {
		t.Error(faults)
	}
	if in.Old || in.Cluster != "" || in.MaxPayload != 1<<20 || in.RoundTrip <= 0 || !in.Timed || in.Ahead.Abs() > 5*time.Second || in.Limits < small.JobsSize+small.ResultsSize || in.Store < 0 ||
		len(in.Streams) != 7 || len(in.Durables) != 12 {
		t.Errorf("%+v", in)
	}
}

func TestInspectOfAnEmptyBroker(t *testing.T) {
	c := connect(t, startServer(t, natsembed.Options{}))
	in, faults := inspected(t, c, small, nil)
	if n := strings.Count(faults, " missing"); n != 13 || in.Timed {
		t.Errorf("%d missing, want 7 streams and 6 durables: %s", n, faults)
	}
	if in.Limits < small.JobsSize+small.ResultsSize {
		t.Errorf("what is to be made is not counted: %d", in.Limits)
	}
}

// Whatever somebody changed at the broker is named by its field; nothing is changed by looking.
func TestInspectNamesDrift(t *testing.T) {
	_, c := broker(t)
	ctx := t.Context()
	edit := func(name string, change func(*jetstream.StreamConfig)) {
		t.Helper()
		info, err := c.streamInfo(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		change(&info.Config)
		if _, err := c.js.UpdateStream(ctx, info.Config); err != nil {
			t.Fatal(err)
		}
	}
	edit(jobs.StreamResults, func(s *jetstream.StreamConfig) {
		s.Discard = jetstream.DiscardOld
		s.MaxAge = time.Hour
		s.Duplicates = time.Minute
	})
	edit(jobs.StreamDead, func(s *jetstream.StreamConfig) { s.Metadata[SchemaKey] = "99"; s.MaxMsgSize = 7 })
	durable := jobs.IntakeDurable(jobs.APNS, jobs.LaneHigh)
	info, err := c.consumerInfo(ctx, jobs.StreamJobs, durable)
	if err != nil {
		t.Fatal(err)
	}
	info.Config.AckWait, info.Config.MaxDeliver = 7*time.Second, 3
	if _, err := c.js.UpdateConsumer(ctx, jobs.StreamJobs, info.Config); err != nil {
		t.Fatal(err)
	}
	if err := c.js.DeleteConsumer(ctx, jobs.StreamJobs, jobs.IntakeDurable(jobs.GCM, jobs.LaneBulk)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.js.CreateConsumer(ctx, jobs.StreamJobs, jetstream.ConsumerConfig{Durable: "mine", FilterSubject: "push.gcm.bulk", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(ctx, segment(t, "parked", 2), time.Time{}, 0); err != nil {
		t.Fatal(err)
	}
	topology := small
	topology.ResultsRetention = 2 * time.Hour
	_, faults := inspected(t, c, topology, bothApps[1:])
	for _, want := range []string{
		"PUSH_RESULTS discard DiscardOld>DiscardNew fixed false", "PUSH_RESULTS max_age 1h0m0s>2h0m0s fixed false", "PUSH_DEAD newer",
		"intake-apns-high ack_wait 7s>1s", "intake-apns-high max_deliver 3>-1", "intake-gcm-bulk missing 0", "mine foreign 0",
		"apns-default-normal unclaimed 1",
	} {
		if !strings.Contains(faults, want) {
			t.Errorf("%q is not in\n%s", want, faults)
		}
	}
	if _, again := inspected(t, c, topology, bothApps[1:]); len(again) != len(faults) {
		t.Errorf("looking has changed something:\n%s", again)
	}
}

// A stream of our name that somebody else made can't be mended.
func TestInspectOfAStreamOfAnotherKind(t *testing.T) {
	c := connect(t, startServer(t, natsembed.Options{}))
	if _, err := c.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: jobs.StreamJobs, Subjects: []string{"push.apns"}}); err != nil {
		t.Fatal(err)
	}
	_, faults := inspected(t, c, small, nil)
	for _, want := range []string{"PUSH_JOBS retention Limits>WorkQueue fixed true", "PUSH_JOBS volley_schema none>1", "PUSH_JOBS subjects [push.apns]>[push.apns.high"} {
		if !strings.Contains(faults, want) {
			t.Errorf("%q is not in\n%s", want, faults)
		}
	}
}

func TestInspectWithoutJetStream(t *testing.T) {
	s, c := broker(t)
	s.Shutdown()
	if _, err := c.Inspect(t.Context(), small, nil); err == nil {
		t.Error("nobody was asked, and no error")
	}
}

func TestOlder(t *testing.T) {
	for version, want := range map[string]bool{"2.11.9": true, "1.99.0": true, "2.12.0": false, "2.12": false, "2.15.2": false, "3.0.0": false, "2.9.25": true, "": true} {
		if older(version, minServer) != want {
			t.Errorf("%q is older than %s: %v", version, minServer, !want)
		}
	}
}
