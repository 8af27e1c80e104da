package queue

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests; nothing takes a tenth of it.
const patience = 20 * time.Second

// small is a topology for temporary stores: short ack wait, little room.
var small = Topology{AckWait: time.Second, JobsSize: 64 << 20, ResultsSize: 64 << 20, DeadSize: 16 << 20, StatusSize: 16 << 20}

// startServer runs a server for the test.
func startServer(t *testing.T, o natsembed.Options) *natsembed.Server {
	t.Helper()
	if o.StoreDir == "" {
		o.StoreDir = t.TempDir()
	}
	if o.MaxStore == 0 {
		o.MaxStore = 1 << 30
	}
	s, err := natsembed.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// connect connects to a server for the test.
func connect(t *testing.T, s *natsembed.Server) *Conn {
	t.Helper()
	return connectWith(t, Options{InProcess: s})
}

func connectWith(t *testing.T, o Options) *Conn {
	t.Helper()
	c, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// broker is a server with the streams and the durables of the app "default".
func broker(t *testing.T) (*natsembed.Server, *Conn) {
	t.Helper()
	s := startServer(t, natsembed.Options{})
	c := connect(t, s)
	ensure(t, c)
	return s, c
}

func ensure(t *testing.T, c *Conn) {
	t.Helper()
	if err := c.EnsureTopology(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	for _, p := range jobs.Platforms() {
		if err := c.EnsureApp(t.Context(), p, jobs.DefaultApp); err != nil {
			t.Fatal(err)
		}
	}
}

// segment is a whole job with the id and n recipients.
func segment(t *testing.T, id string, n int) *jobs.Segment {
	t.Helper()
	body := `{"id":"` + id + `","message":"hi","ids":["` + strings.Repeat(strings.Repeat("ab", 32)+`","`, n-1) + strings.Repeat("ab", 32) + `"]}`
	job, err := jobs.Decode(jobs.APNS, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return jobs.NewSegment(job, []byte(body), jobs.LaneNormal, "", 1, time.Now())
}

// eventOf is an event in which all recipients of the segment were accepted.
func eventOf(seg *jobs.Segment, worker string) *results.Event {
	n := len(seg.Job.IDs)
	e := &results.Event{
		V: results.Version, Kind: results.KindSegment, Platform: seg.Job.Platform, App: seg.Job.App, Job: seg.JobID,
		Segment: seg.Number, Segments: seg.Segments, Round: seg.Round, Recipients: n, Sent: n, Done: seg.Segments == 1,
		Totals: &results.Totals{Recipients: n, Sent: n}, Fingerprint: seg.Fingerprint, At: time.Now().UTC(), Worker: worker,
	}
	e.SetID()
	return e
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

// receive takes one value from a channel.
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

// rawConn is a plain NATS client, to do what Volley would not.
func rawConn(t *testing.T, s *natsembed.Server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// loseBroker ends the server and waits until the connection knows.
func loseBroker(t *testing.T, s *natsembed.Server, c *Conn) {
	t.Helper()
	s.Shutdown()
	until(t, "the connection notices", func() bool { return !c.Connected() })
}

// messages counts what a stream holds.
func messages(t *testing.T, c *Conn, stream string) int {
	t.Helper()
	info, err := c.streamInfo(t.Context(), stream)
	if err != nil || info == nil {
		t.Fatalf("%s: %v", stream, err)
	}
	return int(info.State.Msgs)
}

// logged collects log lines.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logged) logger() zerolog.Logger { return zerolog.New(l) }

// count says how many lines contain the text.
func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
