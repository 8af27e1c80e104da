package apns

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/simulator"
)

// tampered is a TCP connection that notes its writes, and fails them once it is told to.
type tampered struct {
	net.Conn
	broken atomic.Bool
	// hangs makes writes wait until the connection is closed; hanging is closed when one does.
	hangs           atomic.Bool
	hanging, closed chan struct{}
	once            sync.Once
	mu              sync.Mutex
	writes          []int
}

func (c *tampered) Write(p []byte) (int, error) {
	if c.broken.Load() {
		_ = c.Conn.Close()
		return 0, errors.New("broken pipe")
	}
	if c.hangs.Load() {
		close(c.hanging)
		<-c.closed
		return 0, net.ErrClosed
	}
	c.mu.Lock()
	c.writes = append(c.writes, len(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *tampered) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// tamperer dials tampered connections.
type tamperer struct {
	mu    sync.Mutex
	conns []*tampered
}

func (d *tamperer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &tampered{Conn: conn, hanging: make(chan struct{}), closed: make(chan struct{})}
	d.mu.Lock()
	d.conns = append(d.conns, c)
	d.mu.Unlock()
	return c, nil
}

func (d *tamperer) last() *tampered {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conns[len(d.conns)-1]
}

// TestBinaryBatchIsOneWrite: a batch goes out in one write of the socket.
func TestBinaryBatchIsOneWrite(t *testing.T) {
	t.Parallel()
	wires := &tamperer{}
	f := simulateBinary(t, nil, func(c *Config) { c.Dial = wires.dial })
	deliver(t, f.Client, &Request{Tokens: tokens(100), BatchSize: 50})
	large := 0
	for _, n := range wires.last().writes {
		if n > 50*32 {
			large++
		}
	}
	if large != 2 || len(wires.conns) != 1 {
		t.Errorf("writes of %v bytes on %d connections", wires.last().writes, len(wires.conns))
	}
}

// TestBinaryWriteFails: what was in the write that failed was certainly not read, and is written on another connection. What was
// written before has no proof.
func TestBinaryWriteFails(t *testing.T) {
	t.Parallel()
	wires := &tamperer{}
	f := simulateBinary(t, nil, func(c *Config) { c.Dial = wires.dial })
	asked := 0
	request := &Request{Tokens: tokens(9), BatchSize: 3, Proceed: func() bool {
		if asked++; asked == 2 {
			wires.last().broken.Store(true)
		}
		return true
	}}
	out := deliver(t, f.Client, request)
	if diff := cmp.Diff(map[string]int{AnswerLost: 3, "": 6}, names(out)); diff != "" {
		t.Error(diff)
	}
	f.check(request.Tokens, out)
}

// TestBinaryWriteFailsBesideAPacket is defect 4 of the reference: the packet that is unread when a write fails says who was refused
// and who was not read.
func TestBinaryWriteFailsBesideAPacket(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, []simulator.Rule{refuse(1, simulator.Answer{Packet: &simulator.Packet{Then: simulator.ThenReset}})}, nil)
	asked := 0
	request := &Request{Tokens: tokens(400), BatchSize: 1, Proceed: func() bool {
		if asked++; asked == 4 {
			if err := f.gateway.Ledger().Wait(t.Context(), 2); err != nil {
				t.Error(err)
			}
		}
		return true
	}}
	out := deliver(t, f.Client, request)
	if diff := cmp.Diff(map[string]int{"InvalidToken": 1, "": 399}, names(out)); diff != "" {
		t.Error(diff)
	}
	f.check(request.Tokens, out)
}

// TestBinaryWriteHangs: a gateway that has refused one does not read the rest. The packet ends the write, and Close ends one without a
// packet.
func TestBinaryWriteHangs(t *testing.T) {
	t.Parallel()
	for _, refused := range []bool{true, false} {
		wires := &tamperer{}
		var rules []simulator.Rule
		if refused {
			rules = []simulator.Rule{refuse(0, simulator.Answer{Reason: "InvalidToken", Latency: simulator.Duration(20 * time.Millisecond)})}
		}
		f := simulateBinary(t, rules, func(c *Config) { c.Dial = wires.dial })
		asked, hung := 0, make(chan *tampered, 1)
		request := &Request{Tokens: tokens(6), BatchSize: 3, Proceed: func() bool {
			if asked++; asked == 2 {
				wires.last().hangs.Store(true)
				hung <- wires.last()
			}
			return true
		}}
		want := map[string]int{"InvalidToken": 1, "": 5}
		if !refused {
			want = map[string]int{AnswerLost: 3, NotBegun: 3}
			go func() {
				<-(<-hung).hanging
				_ = f.Close()
			}()
		}
		began := time.Now()
		out := deliver(t, f.Client, request)
		if diff := cmp.Diff(want, names(out)); diff != "" || time.Since(began) > binaryWriteTimeout/2 {
			t.Errorf("after %s: %s", time.Since(began), diff)
		}
		f.check(request.Tokens, out)
	}
}

// TestBinaryRetries: a request is tried on so many connections, at least one. Nothing is said to be uncertain that was never read.
func TestBinaryRetries(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{1, 3} {
		wires := &tamperer{}
		f := simulateBinary(t, nil, func(c *Config) { c.Dial = wires.dial })
		response, err := f.Send(t.Context(), tokens(5), NewMessage("hello"), WithBatchSize(2), WithRetries(retries), func(o *sendOptions) {
			o.request.Proceed = func() bool { wires.last().broken.Store(true); return true }
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int{WriteFailed: 1, ConnectionLost: 4}, names(response.Outcomes)); diff != "" {
			t.Error(diff)
		}
		if !errors.Is(response.Errors[0], TimeoutError) || !errors.Is(response.Errors[4], UnsendableError) || response.Errors[0].Class != sender.Unsent {
			t.Errorf("they fail with %v", response.Errors)
		}
		if len(wires.conns) != retries {
			t.Errorf("%d connections for %d retries", len(wires.conns), retries)
		}
	}
}

// TestBinaryLargeBatch: notifications of the largest size, more than one record of TLS, refused in the middle.
func TestBinaryLargeBatch(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, []simulator.Rule{refuse(700, simulator.Answer{Reason: "InvalidToken"})}, nil)
	payload := make([]byte, MaxBinaryPayload)
	for i := range payload {
		payload[i] = 'x'
	}
	payload[0], payload[len(payload)-1] = '"', '"'
	request := &Request{Tokens: tokens(1000), BatchSize: 1000, Payload: payload}
	out := deliver(t, f.Client, request)
	if diff := cmp.Diff(map[string]int{"InvalidToken": 1, "": 999}, names(out)); diff != "" {
		t.Error(diff)
	}
	f.check(request.Tokens, out)
}

// TestBinarySessionEnds: a connection takes so many notifications and no more.
func TestBinarySessionEnds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		batch       int
		connections int64
	}{{1, 3}, {3, 3}, {1000, 3}} {
		f := simulateBinary(t, nil, nil)
		f.Client.gateway.most = 5
		request := &Request{Tokens: tokens(12), BatchSize: test.batch}
		out := deliver(t, f.Client, request)
		f.check(request.Tokens, out)
		if diff := cmp.Diff(map[string]int{"": 12}, names(out)); diff != "" || f.gateway.State().Accepted != test.connections {
			t.Errorf("batches of %d: %d connections: %s", test.batch, f.gateway.State().Accepted, diff)
		}
	}
}

// TestBinarySmallPassesLarge: a call whose all is written is not kept waiting by one that goes on and on, here for eight seconds.
func TestBinarySmallPassesLarge(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	slow := &Request{Tokens: tokens(8000), Payload: []byte("{}"), BatchSize: 1, Proceed: func() bool {
		<-time.After(time.Millisecond)
		return true
	}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.Deliver(ctx, slow, make([]sender.Outcome, len(slow.Tokens)))
	}()
	if err := f.gateway.Ledger().Wait(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	out := deliver(t, f.Client, &Request{Tokens: tokens(1), ErrorTimeout: 4 * time.Second})
	if diff := cmp.Diff(map[string]int{"": 1}, names(out)); diff != "" {
		t.Error(diff)
	}
	cancel()
	<-ended
}

// TestBinaryFast is defect 8: a clean send does not wait for a time to pass.
func TestBinaryFast(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	began := time.Now()
	deliver(t, f.Client, &Request{Tokens: tokens(1), ErrorTimeout: time.Minute})
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("one notification took %s", took)
	}
}
