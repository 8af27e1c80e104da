package queue

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/pipeline"
)

// wire is a connection to a server that a test can freeze: it takes bytes and passes none on, as a cut cable does.
type wire struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	thaw     *sync.Cond
	frozen   bool
	conns    []net.Conn
	copies   sync.WaitGroup
}

func newWire(t *testing.T, s *natsembed.Server) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, server: strings.TrimPrefix(s.ClientURL(), "nats://")}
	w.thaw = sync.NewCond(&w.mu)
	w.copies.Go(w.accept)
	t.Cleanup(func() {
		listener.Close()
		w.cut()
		w.copies.Wait()
	})
	return w
}

func (w *wire) url() string { return "nats://" + w.listener.Addr().String() }

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.server)
		if err != nil {
			client.Close()
			return
		}
		w.mu.Lock()
		w.conns = append(w.conns, client, server)
		w.mu.Unlock()
		w.copies.Go(func() { w.copy(server, client) })
		w.copies.Go(func() { w.copy(client, server) })
	}
}

func (w *wire) copy(to io.WriteCloser, from io.Reader) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		w.mu.Lock()
		for w.frozen {
			w.thaw.Wait()
		}
		w.mu.Unlock()
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (w *wire) freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = true
}

// cut ends the frozen connections; new ones work.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		conn.Close()
	}
	w.conns, w.frozen = nil, false
	w.thaw.Broadcast()
}

// TestLeaseEndsOnDeadConnection: heartbeats that leave but are not confirmed keep nothing. Somebody else gets the delivery, and
// its first owner knows.
func TestLeaseEndsOnDeadConnection(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{Listen: "127.0.0.1:0"})
	other := connect(t, s)
	ensure(t, other)
	w := newWire(t, s)
	c := connectWith(t, Options{URL: w.url()})
	taken, finish := make(chan pipeline.Delivery, 1), make(chan struct{})
	var once sync.Once
	pullWith(t, c, 1, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		once.Do(func() { taken <- d; <-finish })
		return pipeline.Leave
	})
	parked(t, other, 1)
	publishJobs(t, other, 1)
	d := receive(t, "the delivery", taken)
	w.freeze()
	if !d.Held() {
		t.Error("the lease is over at once")
	}
	again := make(chan pipeline.Delivery, 1)
	pullWith(t, other, 1, func(_ context.Context, d pipeline.Delivery) pipeline.Disposition {
		again <- d
		return pipeline.Ack
	})
	second := receive(t, "the redelivery", again)
	if d.Held() {
		t.Error("somebody else has the delivery and its first owner does not know")
	}
	if second.Sequence != d.Sequence || !second.Held() || !second.Suspicious {
		t.Errorf("%+v", second)
	}
	w.cut()
	until(t, "the connection is back", c.Connected)
	if d.Held() {
		t.Error("a lease that was over is back")
	}
	close(finish)
}

// TestCallEndsWithConnection: the answer to a question does not come over the next connection.
func TestCallEndsWithConnection(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{Listen: "127.0.0.1:0"})
	ensure(t, connect(t, s))
	w := newWire(t, s)
	c := connectWith(t, Options{URL: w.url()})
	event := eventOf(segment(t, "one", 1), "w")
	w.freeze()
	ended := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := c.Commit(t.Context(), event)
		ended <- err
	}()
	until(t, "the commit is on its way", func() bool { return c.nc.Stats().OutMsgs > 0 })
	w.cut()
	if err := receive(t, "the end of the commit", ended); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > callTimeout/2 {
		t.Errorf("after %v", took)
	}
	until(t, "the event can be committed", func() bool {
		earlier, err := c.Commit(t.Context(), event)
		return err == nil && earlier == nil || earlier != nil
	})
}

// TestStopLosesNothingOnItsWay: a delivery that is sent to us while we stop goes to somebody else at once, not after the ack wait.
func TestStopLosesNothingOnItsWay(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{Listen: "127.0.0.1:0"})
	stays := connect(t, s)
	ensure(t, stays)
	goes := connectWith(t, Options{URL: s.ClientURL()})
	handled := make(chan struct{}, 100)
	handle := func(context.Context, pipeline.Delivery) pipeline.Disposition {
		handled <- struct{}{}
		return pipeline.Ack
	}
	pullWith(t, stays, 1, handle)
	for range 30 {
		r := pullWith(t, goes, 1, handle)
		parked(t, stays, 2)
		began := time.Now()
		var both sync.WaitGroup
		both.Go(func() { publishJobs(t, stays, 4) })
		both.Go(r.stop)
		both.Wait()
		for range 4 {
			receive(t, "a job", handled)
		}
		if took := time.Since(began); took > small.AckWait/2 {
			t.Fatalf("a job was kept for %v", took)
		}
		r.end(t)
	}
}
