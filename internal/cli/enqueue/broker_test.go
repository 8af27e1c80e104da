package enqueue

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// patience bounds every wait; nothing takes a tenth of it.
const patience = 20 * time.Second

// broker is a real server with the streams, and a connection that plays the worker.
type broker struct {
	*queue.Conn
	url string
}

var small = queue.Topology{AckWait: 5 * time.Second, JobsSize: 64 << 20, ResultsSize: 64 << 20, DeadSize: 16 << 20, StatusSize: 16 << 20}

func startBroker(t *testing.T, topology queue.Topology) *broker {
	t.Helper()
	b := bareBroker(t)
	if err := b.EnsureTopology(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	return b
}

// bareBroker has no streams yet: no worker was ever started.
func bareBroker(t *testing.T) *broker {
	t.Helper()
	server, err := natsembed.Start(natsembed.Options{Listen: "127.0.0.1:0", StoreDir: t.TempDir(), MaxStore: 1 << 30, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	conn, err := queue.Connect(t.Context(), queue.Options{InProcess: server, Name: "worker", Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return &broker{Conn: conn, url: server.ClientURL()}
}

// output is what a command printed, readable while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// run runs the command line against the broker.
func (b *broker) run(ctx context.Context, stdin string, args ...string) (stdout, stderr string, err error) {
	var out, errs output
	err = b.runTo(ctx, &out, &errs, stdin, args...)
	return out.String(), errs.String(), err
}

func (b *broker) runTo(ctx context.Context, stdout, stderr *output, stdin string, args ...string) error {
	env := func(name string) (string, bool) { return b.url, name == "NATS_URL" }
	return Run(ctx, args, strings.NewReader(stdin), stdout, stderr, env)
}

// received is a job as the broker delivers it.
type received struct {
	subject, msgID string
	sequence       uint64
	body           []byte
	job            *jobs.Job
	id             string
}

// work takes jobs of one lane off the queue until the test ends and sends them to the channel, after answer has made
// their events. It is a worker without a provider.
func (b *broker) work(t *testing.T, platform jobs.Platform, lane jobs.Lane, answer func(received) []*results.Event) <-chan received {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	arrived := make(chan received, 100)
	done := make(chan error, 1)
	go func() {
		done <- b.Pull(ctx, queue.Puller{
			Stream: jobs.StreamJobs, Durable: jobs.IntakeDurable(platform, lane), Slots: queue.NewSlots(queue.SlotOptions{Size: 4}),
			Handle: func(ctx context.Context, d pipeline.Delivery) pipeline.Disposition {
				got := received{subject: d.Subject, sequence: d.Sequence, msgID: strings.Join(d.Header["Nats-Msg-Id"], " "), body: bytes.Clone(d.Body)}
				var err error
				if got.job, err = jobs.Decode(platform, d.Body); err != nil {
					t.Errorf("a job that is not valid was published: %v", err)
					return pipeline.Ack
				}
				got.id, _ = jobs.ResolveID(got.job.ID, got.msgID, d.Sequence, d.Stored)
				for _, event := range answer(got) {
					if _, err := b.Commit(ctx, event); err != nil {
						t.Errorf("committing %s: %v", event.ID, err)
					}
				}
				arrived <- got
				return pipeline.Ack
			},
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := receive(t, "the end of the worker", done); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	return arrived
}

// silent is a worker that reports nothing.
func silent(received) []*results.Event { return nil }

// event is an event of a job that arrived, for change to fill in.
func (r received) event(change func(*results.Event)) *results.Event {
	n := r.job.Recipients()
	e := &results.Event{
		V: results.Version, Kind: results.KindSegment, Platform: r.job.Platform, App: r.job.App, Job: r.id, Campaign: r.job.Campaign,
		Segments: 1, Attempt: 1, Recipients: n, Fingerprint: jobs.Fingerprint(r.body), At: batchTime, Worker: "w-1",
	}
	change(e)
	e.SetID()
	return e
}

// allSent reports that everybody was reached.
func allSent(r received) []*results.Event {
	return []*results.Event{r.event(func(e *results.Event) { e.Sent, e.Done = e.Recipients, true })}
}

// inOrder takes n jobs in the order they were published; the worker handles several at once.
func inOrder(t *testing.T, n int, from <-chan received) []received {
	t.Helper()
	got := make([]received, n)
	for i := range got {
		got[i] = receive(t, "a job", from)
	}
	slices.SortFunc(got, func(a, b received) int { return cmp.Compare(a.sequence, b.sequence) })
	return got
}

func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("not in time: %s", what)
		panic("unreachable")
	}
}

// until polls a fact.
func until(t *testing.T, what string, fact func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}
