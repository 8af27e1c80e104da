package queue

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

// put stores a segment and returns its sequence.
func put(t *testing.T, c *Conn, seg *jobs.Segment, due time.Time, after uint64) uint64 {
	t.Helper()
	stored, err := c.Put(t.Context(), seg, due, after)
	if err != nil || !stored {
		t.Fatalf("stored %v, %v", stored, err)
	}
	last, err := c.lastOn(t.Context(), jobs.StreamWork, seg.Tail().AnySubject())
	if err != nil {
		t.Fatal(err)
	}
	return last.Sequence
}

func refused(t *testing.T, c *Conn, seg *jobs.Segment, due time.Time, after uint64) {
	t.Helper()
	if stored, err := c.Put(t.Context(), seg, due, after); stored || err != nil {
		t.Errorf("a second copy: stored %v, %v", stored, err)
	}
}

func TestOneLiveCopy(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	seg := segment(t, "one", 2)
	first := put(t, c, seg, time.Time{}, 0)
	refused(t, c, seg, time.Time{}, 0)
	refused(t, c, seg, time.Now().Add(time.Hour), 0)
	refused(t, c, seg, time.Time{}, first+1)
	// The owner of the copy parks it again, runnable or for later.
	second := put(t, c, seg, time.Time{}, first)
	if newer, err := c.Newer(t.Context(), seg.Tail().WorkSubject(), first); !newer || err != nil {
		t.Errorf("the first copy has a newer one: %v, %v", newer, err)
	}
	if newer, err := c.Newer(t.Context(), seg.Tail().WorkSubject(), second); newer || err != nil {
		t.Errorf("the second has none: %v, %v", newer, err)
	}
	refused(t, c, seg, time.Now().Add(time.Hour), first)
	third := put(t, c, seg, time.Now().Add(time.Hour), second)
	if newer, err := c.Newer(t.Context(), seg.Tail().WorkSubject(), second); !newer || err != nil {
		t.Errorf("a schedule is a newer copy: %v, %v", newer, err)
	}
	refused(t, c, seg, time.Time{}, 0) // while a schedule lives
	refused(t, c, seg, time.Time{}, second)
	if third <= second {
		t.Errorf("sequences %d, %d", second, third)
	}
	// Another round, another segment: another tail.
	next := *seg
	next.Round = 1
	put(t, c, &next, time.Time{}, 0)
}

func TestPutRace(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	workers := []*Conn{c, connect(t, s)}
	const keys = 50
	var wins atomic.Int32
	var all sync.WaitGroup
	for _, conn := range workers {
		for k := range keys {
			seg := segment(t, fmt.Sprintf("race-%d", k), 1)
			all.Go(func() {
				switch stored, err := conn.Put(t.Context(), seg, time.Time{}, 0); {
				case err != nil:
					t.Error(err)
				case stored:
					wins.Add(1)
				}
			})
		}
	}
	all.Wait()
	if n := messages(t, c, jobs.StreamWork); n != keys || wins.Load() != keys {
		t.Errorf("%d copies of %d segments, %d were told that theirs is stored", n, keys, wins.Load())
	}
}

func TestScheduleFiresNotEarly(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	seg := segment(t, "later", 2)
	due := c.Now().Add(400 * time.Millisecond)
	put(t, c, seg, due, 0)
	consumer, err := c.js.Consumer(t.Context(), jobs.StreamWork, "apns-default-normal")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := consumer.Next(jetstream.FetchMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	// The broker's own time counts; our idea of it may be off by half a round trip.
	meta, err := msg.Metadata()
	if err != nil || meta.Timestamp.Before(due) || meta.Timestamp.Sub(due) > 2*time.Second {
		t.Errorf("due %v, fired %v, %v", due, meta.Timestamp, err)
	}
	refused(t, c, seg, time.Time{}, 0) // the fired copy is in flight
	got, err := jobs.DecodeSegment(msg.Subject(), msg.Headers(), msg.Data())
	if err != nil || got.JobID != "later" || len(got.Job.IDs) != 2 || got.Fingerprint != seg.Fingerprint {
		t.Fatalf("%+v, %v", got, err)
	}
	// Its owner puts it again: what the broker wrote into the fired copy (purge the schedule) must not come along.
	if _, err := c.Put(t.Context(), got, c.Now().Add(time.Hour), meta.Sequence.Stream); err != nil {
		t.Fatal(err)
	}
	if n := messages(t, c, jobs.StreamWork); n != 2 {
		t.Errorf("%d messages instead of the fired copy and the new schedule", n)
	}
}

func TestWorkMsg(t *testing.T) {
	tail := jobs.Tail{Platform: jobs.APNS, App: "default", Lane: jobs.LaneHigh, Job: "j", Segment: "3", Round: 2}
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	own := func() map[string][]string { return map[string][]string{"Volley-Schema": {"1"}} }
	for _, c := range []struct {
		name    string
		due     time.Time
		after   uint64
		subject string
		header  map[string][]string
	}{
		{"now", time.Time{}, 0, "push.work.apns.default.high.j.3.2", map[string][]string{
			"Nats-Expected-Last-Subject-Sequence": {"0"}, "Nats-Expected-Last-Subject-Sequence-Subject": {"push.*.apns.default.high.j.3.2"},
		}},
		{"due this instant", now, 7, "push.work.apns.default.high.j.3.2", map[string][]string{
			"Nats-Expected-Last-Subject-Sequence": {"7"}, "Nats-Expected-Last-Subject-Sequence-Subject": {"push.*.apns.default.high.j.3.2"},
		}},
		{"a nanosecond later", now.Add(1).In(time.FixedZone("", 3600)), 7, "push.later.apns.default.high.j.3.2", map[string][]string{
			"Nats-Expected-Last-Subject-Sequence": {"7"}, "Nats-Expected-Last-Subject-Sequence-Subject": {"push.*.apns.default.high.j.3.2"},
			"Nats-Schedule": {"@at 2026-11-23T10:00:00.000000001Z"}, "Nats-Schedule-Target": {"push.work.apns.default.high.j.3.2"},
		}},
	} {
		msg := workMsg(tail, own(), []byte("body"), c.due, now, c.after)
		c.header["Volley-Schema"] = []string{"1"}
		if diff := cmp.Diff(c.header, map[string][]string(msg.Header)); diff != "" || msg.Subject != c.subject || string(msg.Data) != "body" {
			t.Errorf("%s: on %s\n%s", c.name, msg.Subject, diff)
		}
	}
}

func TestWorkFaults(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	if newer, err := c.Newer(t.Context(), "push.work.apns.default.normal.gone.0.0", 5); newer || err != nil {
		t.Errorf("a copy that is gone: %v, %v", newer, err)
	}
	if _, err := c.Newer(t.Context(), "push.apns", 5); err == nil {
		t.Error("push.apns is no segment's subject")
	}
	if stored, err := c.Put(t.Context(), &jobs.Segment{Job: &jobs.Job{}}, time.Time{}, 0); stored || err == nil {
		t.Error("an empty segment is stored")
	}
	loseBroker(t, s, c)
	if stored, err := c.Put(t.Context(), segment(t, "one", 1), time.Time{}, 0); stored || !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v, %v", stored, err)
	}
	if _, err := c.Newer(t.Context(), "push.work.apns.default.normal.gone.0.0", 5); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
}
