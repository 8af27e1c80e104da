package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// theatre is a broker, the simulated providers, and what is published in front of them.
type theatre struct {
	t *testing.T
	*providers
	// broker are the flags of a worker for the broker.
	broker []string
	js     jetstream.JetStream
	nc     *nats.Conn
	orders []*order
	// published says that the orders are on their queue already.
	published bool

	next   uint64 // the first sequence of PUSH_RESULTS that was not read yet
	events []*results.Event
	twice  int // who was sent to twice until now, where one theatre has several plays
}

// openTheatre connects to the broker as a publisher and subscriber, who outlives its restarts. broker are the flags that lead a worker
// to it; without any it is a server at url.
func openTheatre(t *testing.T, p *providers, url string, broker ...string) *theatre {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.RetryOnFailedConnect(true),
		nats.PingInterval(2*time.Second)) // else it takes minutes to see that a link is down
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if len(broker) == 0 {
		broker = []string{"--nats-url", url}
	}
	return &theatre{t: t, providers: p, broker: broker, nc: nc, js: js, next: 1}
}

// worker starts a worker.
func (s *theatre) worker(name string, more ...string) *process {
	s.t.Helper()
	w := start(s.t, "worker", nil, s.args(name, more)...)
	w.waitFor("is ready")
	return w
}

// mortal starts one that dies. Unless something is published already it waits until the worker asks for jobs: what comes from then on
// is new to it.
func (s *theatre) mortal(name string, d death, env []string, more ...string) *mortal {
	s.t.Helper()
	m := startMortal(s.t, d, env, s.args(name, more)...)
	if s.published {
		return m
	}
	m.waitFor("is ready")
	for _, platform := range jobs.Platforms() {
		durable := jobs.IntakeDurable(platform, jobs.LaneNormal)
		until(s.t, durable+" is pulled from", func() bool {
			waiting := false
			s.ask(jobs.StreamJobs, func(ctx context.Context, stream jetstream.Stream) error {
				consumer, err := stream.Consumer(ctx, durable)
				if err == nil {
					waiting = consumer.CachedInfo().NumWaiting > 0
				}
				return err
			})
			return waiting
		})
	}
	return m
}

func (s *theatre) args(name string, more []string) []string {
	args := []string{"run", "--config", s.config, "--worker", name, "--ack-wait", "1s", "--log-format", "json"}
	return slices.Concat(args, s.broker, more)
}

// end stops a worker in order.
func (s *theatre) end(w *process) {
	s.t.Helper()
	w.signal(syscall.SIGTERM)
	if code := w.wait(); code != 0 {
		s.t.Errorf("a worker that was told to stop ended with exit code %d", code)
	}
}

// publish puts the orders on their queues, as a publisher does who does not give up: the same again until it is acknowledged.
func (s *theatre) publish(orders ...*order) error {
	for _, o := range orders {
		msg := &nats.Msg{Subject: jobs.IntakeSubject(o.platform, o.lane), Data: []byte(o.body), Header: nats.Header{}}
		msg.Header.Set(nats.MsgIdHdr, o.key())
		deadline := time.Now().Add(patience)
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			_, err := s.js.PublishMsg(ctx, msg)
			cancel()
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("publishing %s: %w", o.key(), err)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	return nil
}

// publishing publishes all orders while other things happen.
func (s *theatre) publishing() <-chan error {
	done := make(chan error, 1)
	if s.published {
		done <- nil
		return done
	}
	go func() { done <- s.publish(s.orders...) }()
	return done
}

// ask does something with a stream, again while its broker is away.
func (s *theatre) ask(stream string, do func(context.Context, jetstream.Stream) error) {
	s.t.Helper()
	var last error
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		handle, err := s.js.Stream(ctx, stream)
		if err == nil {
			err = do(ctx, handle)
		}
		cancel()
		if err == nil {
			return
		}
		if last = err; time.Now().After(deadline) {
			s.t.Fatalf("%s: %v", stream, last)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// read takes in the events that were stored since the last time.
func (s *theatre) read() {
	s.t.Helper()
	s.ask(jobs.StreamResults, func(ctx context.Context, stream jetstream.Stream) error {
		for last := stream.CachedInfo().State.LastSeq; s.next <= last; s.next++ {
			msg, err := stream.GetMsg(ctx, s.next)
			if err != nil {
				return err
			}
			e, err := results.Decode(msg.Data)
			if err != nil {
				s.t.Fatal(err)
			}
			s.events = append(s.events, e)
		}
		return nil
	})
}

// done counts the jobs whose last event is there.
func (s *theatre) done() int {
	finished := map[string]bool{}
	for _, e := range s.events {
		if e.Done {
			finished[string(e.Platform)+"."+e.App+"."+e.Job] = true
		}
	}
	return len(finished)
}

// settle waits until every job is done and nothing is left on any queue, then reads the rest of the events.
func (s *theatre) settle() {
	s.t.Helper()
	progress := time.Now()
	for before := -1; ; {
		s.read()
		if s.done() == len(s.orders) {
			break
		}
		if len(s.events) > before {
			before, progress = len(s.events), time.Now()
		}
		if time.Since(progress) > patience {
			s.t.Fatalf("nothing happens, and %d of %d jobs are done", s.done(), len(s.orders))
		}
		<-time.After(20 * time.Millisecond)
	}
	for _, stream := range []string{jobs.StreamJobs, jobs.StreamWork} {
		until(s.t, stream+" is empty", func() bool { return s.count(stream) == 0 })
	}
	s.read()
}

// count is how many messages a stream has.
func (s *theatre) count(stream string) (n uint64) {
	s.t.Helper()
	s.ask(stream, func(_ context.Context, stream jetstream.Stream) error {
		n = stream.CachedInfo().State.Msgs
		return nil
	})
	return n
}

// gone waits until somebody else has finished all that the dead worker held.
func (s *theatre) gone(o *obituary) {
	s.t.Helper()
	for _, h := range o.Held {
		until(s.t, fmt.Sprintf("message %d of %s is finished", h.Sequence, h.Stream), func() bool {
			absent := false
			s.ask(h.Stream, func(ctx context.Context, stream jetstream.Stream) error {
				_, err := stream.GetMsg(ctx, h.Sequence)
				if absent = errors.Is(err, jetstream.ErrMsgNotFound); absent {
					return nil
				}
				return err
			})
			return absent
		})
	}
}

// balance compares everything that was stored with everything that arrived.
func (s *theatre) balance() *books {
	s.t.Helper()
	b := balance(s.orders, s.events, ledger(s.t, s.control), int(s.nc.MaxPayload()))
	if n := s.count(jobs.StreamDead); n > 0 {
		b.fault("there are %d dead letters", n)
	}
	return b
}
