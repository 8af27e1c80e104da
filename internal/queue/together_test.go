package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// TestCommitAllAndLookUps: what CommitAll says of each event is what Commit says, and so it is with the look-ups.
func TestCommitAllAndLookUps(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	var events []*results.Event
	var subjects []string
	var segments []*jobs.Segment
	for i := range 200 {
		seg := segment(t, fmt.Sprintf("j%d", i), 1)
		segments = append(segments, seg)
		events = append(events, eventOf(seg, "w"))
		subjects = append(subjects, events[i].Subject())
	}
	if _, err := c.Commit(t.Context(), eventOf(segments[5], "earlier")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Plan(t.Context(), jobs.APNS, segments[7].Job.App, segments[7].JobID, planOf(2, "f")); err != nil {
		t.Fatal(err)
	}
	absent, noPlan := c.Absent(t.Context(), subjects), c.NoPlans(t.Context(), segments)
	for i := range subjects {
		if absent[i] == (i == 5) || noPlan[i] == (i == 7) {
			t.Errorf("%d: absent %v, no plan %v", i, absent[i], noPlan[i])
		}
	}
	events[9].ID = "of.another.subject"
	for i, one := range c.CommitAll(t.Context(), events) {
		switch {
		case i == 5 && (one.Earlier == nil || one.Earlier.Worker != "earlier" || one.Err != nil), i == 9 && !errors.Is(one.Err, pipeline.ErrRefused),
			i != 5 && i != 9 && (one.Earlier != nil || one.Err != nil):
			t.Errorf("%d: %+v", i, one)
		}
	}
	if n := messages(t, c, jobs.StreamResults); n != len(events)-1 {
		t.Errorf("%d events are stored", n)
	}
	loseBroker(t, s, c)
	events[9].SetID()
	for i, one := range c.CommitAll(t.Context(), events[8:11]) {
		if one.Earlier != nil || !errors.Is(one.Err, ErrUnavailable) {
			t.Errorf("without a broker, %d: %+v", i, one)
		}
	}
	for i := range c.Absent(t.Context(), subjects[:2]) {
		if c.Absent(t.Context(), subjects[:2])[i] {
			t.Error("a failed look-up is \"not found\"")
		}
	}
}

// FuzzAcknowledgement: what is read without reflection is what reflection reads.
func FuzzAcknowledgement(f *testing.F) {
	for _, seed := range []string{
		`{"stream":"PUSH_RESULTS","seq":17}`, `{"stream":"S","seq":1,"duplicate":true}`, `{"stream":"S","domain":"d","seq":1}`, `{"stream":"","seq":1}`,
		`{"stream":"S","seq":99999999999999999999}`, `{"stream":"S\"","seq":1}`, `{"stream":"S","seq":}`, `{"error":{"code":400}}`, `{"stream":"S","seq":01}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		stream, sequence, ok := plainAcknowledgement(text)
		if !ok {
			return
		}
		var want jetstream.PubAck
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("%q is taken, and is %v", text, err)
		}
		if diff := cmp.Diff(want, jetstream.PubAck{Stream: string(stream), Sequence: sequence}); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}

// TestPullTogether: what came at one time is handed over together, each is told of once, and what goes alone reaches Handle.
func TestPullTogether(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	const n = 400
	publishJobs(t, c, n)
	var mu sync.Mutex
	var all, alone seen
	largest := 0
	ctx, stop := context.WithCancel(t.Context())
	slots := NewSlots(SlotOptions{Size: 64})
	done := make(chan error, 1)
	go func() {
		done <- c.Pull(ctx, Puller{
			Stream: jobs.StreamJobs, Durable: durable, Slots: slots, Handle: alone.ack,
			Together: func(_ context.Context, ds []pipeline.Delivery, aside func(int), tell func(int, pipeline.Disposition)) {
				mu.Lock()
				largest = max(largest, len(ds))
				mu.Unlock()
				for i, d := range ds {
					switch {
					case d.Sequence%3 == 0:
						aside(i)
						continue
					case all.add(d) == 1 && d.Sequence%7 == 0:
						tell(i, pipeline.GiveBack)
						continue
					}
					tell(i, pipeline.Ack)
				}
			},
		})
	}()
	until(t, "all are off the queue", func() bool { return messages(t, c, jobs.StreamJobs) == 0 })
	until(t, "an idle pull holds no slot", func() bool { return slots.Taken() == 0 })
	stop()
	if err := receive(t, "the end of Pull", done); err != nil {
		t.Error(err)
	}
	if all.len() != n-n/3 || alone.len() != n/3 {
		t.Errorf("%d together, %d alone", all.len(), alone.len())
	}
	if largest < 2 || largest > 64 {
		t.Errorf("at most %d together", largest)
	}
}

// TestLargeDeliveriesTakeMoreSlots: the slots bound the bytes, a message as large as the broker takes comes through, and everything comes.
func TestLargeDeliveriesTakeMoreSlots(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	const slots, bytes = 64, 4 << 10
	size := c.MaxPayload() - jobs.JobReserve - 1<<10
	publish := func(n, size int) {
		for range n {
			if _, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "", []byte(`"`+strings.Repeat("x", size)+`"`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(40, 10)
	publish(3, size)
	publish(40, 40<<10)
	publish(40, 10)
	publish(640, 10) // requests that bring all they ask for
	var mu sync.Mutex
	held, most, count := 0, 0, 0
	var log syncBuffer
	c.log = zerolog.New(&log).Level(zerolog.WarnLevel)
	ctx, stop := context.WithCancel(t.Context())
	limited := NewSlots(SlotOptions{Size: slots, Bytes: bytes})
	done := make(chan error, 1)
	go func() {
		done <- c.Pull(ctx, Puller{Stream: jobs.StreamJobs, Durable: durable, Slots: limited, Handle: func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
			mu.Lock()
			held += len(d.Body)
			most = max(most, held)
			mu.Unlock()
			<-readAll(c)
			mu.Lock()
			held -= len(d.Body)
			count++
			mu.Unlock()
			return pipeline.Ack
		}})
	}()
	until(t, "all are off the queue", func() bool { return messages(t, c, jobs.StreamJobs) == 0 })
	until(t, "no slot is held", func() bool { return limited.Taken() == 0 })
	stop()
	if err := receive(t, "the end of Pull", done); err != nil {
		t.Error(err)
	}
	if text := log.String(); text != "" {
		t.Errorf("there was trouble: %s", text)
	}
	// The one that waits in advance and the last one of a request may be over.
	if limit := slots*bytes + 2*c.MaxPayload(); count != 763 || most > limit {
		t.Errorf("%d handled, %d bytes at one time, the limit is %d", count, most, limit)
	}
}

// TestLargeDeliveriesKeepTheirSlots: however often one is done and the next one comes, no more of them are held than there are slots for.
func TestLargeDeliveriesKeepTheirSlots(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	const n, slots, bytes, each = 60, 64, 4 << 10, 10
	body := []byte(`"` + strings.Repeat("x", each*bytes-100) + `"`)
	for range n {
		if _, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "", body); err != nil {
			t.Fatal(err)
		}
	}
	var running, handled atomic.Int32
	next := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	limited := NewSlots(SlotOptions{Size: slots, Bytes: bytes})
	done := make(chan error, 1)
	go func() {
		done <- c.Pull(ctx, Puller{Stream: jobs.StreamJobs, Durable: durable, Slots: limited, Handle: func(context.Context, pipeline.Delivery) pipeline.Disposition {
			running.Add(1)
			<-next
			running.Add(-1)
			handled.Add(1)
			return pipeline.Ack
		}})
	}()
	for i := range int32(n) {
		full := min(slots/each, n-i)
		until(t, "as many are handled as there are slots for", func() bool { return handled.Load() == i && running.Load() >= full })
		if now, limit := running.Load(), int32(slots/each+1); now > limit {
			t.Fatalf("%d at one time after %d were handled; there are slots for %d", now, i, limit)
		}
		next <- struct{}{}
	}
	until(t, "no slot is held", func() bool { return limited.Taken() == 0 })
	stop()
	if err := receive(t, "the end of Pull", done); err != nil {
		t.Error(err)
	}
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// readAll is closed when the server has read what was sent to it so far: a handler takes a moment.
func readAll(c *Conn) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.nc.Flush()
	}()
	return done
}

// TestNoNewer: what it says of each is what Newer says; what can't be read or asked is not certain.
func TestNoNewer(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	one, two, gone := segment(t, "one", 1), segment(t, "two", 1), segment(t, "gone", 1)
	first := put(t, c, one, time.Time{}, 0)
	second := put(t, c, one, time.Now().Add(time.Hour), first)
	third := put(t, c, two, time.Time{}, 0)
	of := func(seg *jobs.Segment, sequence uint64) pipeline.Delivery {
		return pipeline.Delivery{Stream: jobs.StreamWork, Subject: seg.Tail().WorkSubject(), Sequence: sequence}
	}
	all := []pipeline.Delivery{of(one, first), of(one, second), of(two, third), of(gone, 1), {Stream: jobs.StreamWork, Subject: "push.work.of.nobody"}}
	if diff := cmp.Diff([]bool{false, true, true, true, false}, c.NoNewer(t.Context(), all)); diff != "" {
		t.Error(diff)
	}
	loseBroker(t, s, c)
	if diff := cmp.Diff(make([]bool, len(all)), c.NoNewer(t.Context(), all)); diff != "" {
		t.Error("without a broker:", diff)
	}
}

// TestPullSharesSlots: jobs of one recipient from PUSH_WORK share slots, a segment takes one for itself; whatever comes in between, each is handed
// out once, and no more segments are under way than there are slots.
func TestPullSharesSlots(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	const share, singles = 32, 900
	var want int
	for i := range singles {
		put(t, c, segment(t, fmt.Sprintf("single-%d", i), 1), time.Time{}, 0)
		if want++; i%200 == 150 { // a larger one than is asked for of those that share
			put(t, c, segment(t, fmt.Sprintf("many-%d", i), 900), time.Time{}, 0)
			put(t, c, segment(t, fmt.Sprintf("few-%d", i), 10), time.Time{}, 0)
			want += 2
		}
	}
	var all, alone seen
	var largest, segments, most atomic.Int64
	done, slots := make(chan error, 1), NewSlots(SlotOptions{Size: 3})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		done <- c.Pull(ctx, Puller{
			Stream: jobs.StreamWork, Durable: jobs.WorkDurable(jobs.APNS, jobs.DefaultApp, jobs.LaneNormal), Slots: slots, Share: share,
			Handle: func(ctx context.Context, d pipeline.Delivery) pipeline.Disposition {
				most.Store(max(most.Load(), segments.Add(1)))
				defer segments.Add(-1)
				return alone.ack(ctx, d)
			},
			Together: func(_ context.Context, ds []pipeline.Delivery, aside func(int), tell func(int, pipeline.Disposition)) {
				largest.Store(max(largest.Load(), int64(len(ds))))
				for i, d := range ds {
					if nats.Header(d.Header).Get(jobs.HeaderTotal) != "1" {
						aside(i)
						continue
					}
					all.add(d)
					tell(i, pipeline.Ack)
				}
			},
		})
	}()
	until(t, "everything is handed out", func() bool { return all.len()+alone.len() == want && slots.Taken() == 0 })
	stop()
	if err := receive(t, "the end of Pull", done); err != nil {
		t.Error(err)
	}
	if alone.len() != want-singles || largest.Load() <= 3 {
		t.Errorf("%d went alone, at most %d were together", alone.len(), largest.Load())
	}
	for sequence, times := range all.times {
		if times != 1 {
			t.Errorf("message %d was handed out %d times", sequence, times)
		}
	}
	if most.Load() > 3 {
		t.Errorf("%d segments were under way", most.Load())
	}
}
