package apns

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/simulator"
)

func TestLoad(t *testing.T) { onEngines(t, testLoad) }

func testLoad(t *testing.T, e Engine) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := script(t, nil, func(c *frames, _ int) {
		c.settings(streams(100))
		for _, r := range c.take(1) {
			close(arrived)
			<-release
			c.answer(r.stream, 200, "")
		}
		c.linger()
	})
	c := s.clientOn(t, e, nil)
	if got := c.Load(); got != (sender.Load{}) {
		t.Errorf("nothing was sent: %+v", got)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		deliver(t, c, &Request{Tokens: tokens(1)})
	}()
	<-arrived
	if diff := cmp.Diff(sender.Load{Connections: 1, UnderWay: 1}, c.Load()); diff != "" {
		t.Error(diff)
	}
	close(release)
	<-done
	if diff := cmp.Diff(sender.Load{Connections: 1}, c.Load()); diff != "" {
		t.Error(diff)
	}
	_ = c.Close()
	if got := c.Load(); got != (sender.Load{}) {
		t.Errorf("closed: %+v", got)
	}
}

// With the binary protocol a session is a connection, and what is written on it is under way until its end.
func TestLoadBinary(t *testing.T) {
	f := simulateBinary(t, []simulator.Rule{refuse(2, simulator.Answer{Never: true})}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		deliverContext(t, ctx, f.Client, &Request{Tokens: tokens(3), Payload: []byte("{}")})
	}()
	for deadline := time.After(20 * time.Second); f.Load() != (sender.Load{Connections: 1, UnderWay: 3}); {
		select {
		case <-deadline:
			t.Fatalf("%+v", f.Load())
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	<-done
	_ = f.Close()
	if got := f.Load(); got != (sender.Load{}) {
		t.Errorf("closed: %+v", got)
	}
}
