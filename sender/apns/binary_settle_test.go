package apns

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/simulator"
)

// stage is a gateway whose dials fail with err, and a call that waits with n recipients.
func stage(err error, n int) (*gateway, *binaryCall) {
	g := &gateway{
		dial: func(context.Context) (binaryConn, error) { return nil, err }, size: 1, most: maxWritten, dialTimeout: time.Second,
		era: newEra(), sessions: map[*session]struct{}{},
	}
	c := &binaryCall{
		request: &Request{Tokens: tokens(n)}, batch: 100, retries: 2, out: make([]sender.Outcome, n),
		done: make(chan struct{}), changed: make(chan struct{}, 1),
	}
	for i := range n {
		c.todo = append(c.todo, i)
	}
	g.waiting = []*binaryCall{c}
	return g, c
}

func (g *gateway) open() *session {
	return &session{gateway: g, era: g.era, calls: map[*binaryCall]int{}, over: make(chan struct{}), quit: make(chan struct{})}
}

// TestBinaryRefusedCertificateStopsAll: also those of whom nothing was written. There is no second connection.
func TestBinaryRefusedCertificateStopsAll(t *testing.T) {
	g, c := stage(errors.New("dialled again"), 3)
	s := g.open()
	s.err = &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}
	g.settle(s)
	<-c.done
	if diff := cmp.Diff(map[string]int{CertificateRefused: 3}, names(c.out)); diff != "" {
		t.Error(diff)
	}
}

// TestBinaryClosedMeanwhile: what a session gives back after Close is not sent any more.
func TestBinaryClosedMeanwhile(t *testing.T) {
	g, c := stage(errors.New("dialled again"), 3)
	s := g.open()
	g.filling = s
	g.next(s)
	g.wrote(s, s.written, 3)
	g.close()
	s.packet = &packet{commandResponse, 8, 1}
	g.settle(s)
	<-c.done
	if diff := cmp.Diff(map[string]int{"InvalidToken": 1, NotBegun: 2}, names(c.out)); diff != "" {
		t.Error(diff)
	}
}

// TestBinaryOldDialFails: a dial from before Close fails nobody who came after it.
func TestBinaryOldDialFails(t *testing.T) {
	g, c := stage(&dialError{Reason(ServerNotTrusted), errors.New("the new dial")}, 2)
	old := g.open()
	old.era = newEra()
	g.dialFailed(old, errors.New("the old dial"))
	<-c.done
	if diff := cmp.Diff(map[string]int{ServerNotTrusted: 2}, names(c.out)); diff != "" {
		t.Error(diff)
	}
}

// TestBinaryFailuresInARow: only those in a row count, and something certain ends the row.
func TestBinaryFailuresInARow(t *testing.T) {
	invalid := verdict{reason: Reason("InvalidToken")}
	busy := verdict{reason: Reason("ProcessingError")}
	lost := verdict{lost: true}
	for name, test := range map[string]struct {
		verdicts []verdict
		ends     bool
	}{
		"one":                  {[]verdict{lost}, false},
		"two in a row":         {[]verdict{lost, busy}, true},
		"a refusal between":    {[]verdict{lost, invalid, lost}, false},
		"an acceptance":        {[]verdict{busy, {accepted: 1, lost: true}, busy}, false},
		"shutdowns of nothing": {[]verdict{{}, {}}, true},
	} {
		g, c := stage(nil, 2)
		for _, v := range test.verdicts {
			g.count(c, g.open(), v)
		}
		if (len(c.todo) == 0) != test.ends {
			t.Errorf("%s: %d are still to be sent", name, len(c.todo))
		}
	}
}

// until waits for a fact about the client's side.
func (f *binaryFixture) until(fact func(*gateway) bool) {
	for g := f.Client.gateway; ; <-time.After(time.Millisecond) {
		g.mu.Lock()
		is := fact(g)
		g.mu.Unlock()
		if is {
			return
		}
	}
}

// TestBinaryTurns: with one connection allowed the second call waits for the first one's end, and one that gave up meanwhile keeps
// nobody waiting.
func TestBinaryTurns(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, []simulator.Rule{refuse(0, simulator.Answer{Never: true})}, func(c *Config) { c.Connections = 1 })
	first := make(chan struct{})
	go func() {
		defer close(first)
		f.Deliver(t.Context(), &Request{Tokens: tokens(1), Payload: []byte("{}"), ErrorTimeout: 400 * time.Millisecond}, make([]sender.Outcome, 1))
	}()
	if err := f.gateway.Ledger().Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	f.until(func(g *gateway) bool { return g.filling == nil })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if diff := cmp.Diff(map[string]int{NotBegun: 1}, names(deliverContext(t, ctx, f.Client, &Request{Tokens: tokens(2)[1:]}))); diff != "" {
		t.Error("the one that gives up", diff)
	}
	if diff := cmp.Diff(map[string]int{"": 1}, names(deliver(t, f.Client, &Request{Tokens: tokens(3)[2:]}))); diff != "" {
		t.Error("the one behind it", diff)
	}
	select {
	case <-first:
	default:
		t.Error("two connections at a time")
	}
}

// TestBinaryGivenUpDial: a call that ends while its connection is dialled leaves that to the next.
func TestBinaryGivenUpDial(t *testing.T) {
	t.Parallel()
	dialling, goOn := make(chan struct{}), make(chan struct{})
	f := simulateBinary(t, nil, func(c *Config) {
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			close(dialling)
			<-goOn
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-dialling
		cancel()
	}()
	if diff := cmp.Diff(map[string]int{NotBegun: 1}, names(deliverContext(t, ctx, f.Client, &Request{Tokens: tokens(1)}))); diff != "" {
		t.Error(diff)
	}
	submitted := make(chan []sender.Outcome)
	go func() { submitted <- deliver(t, f.Client, &Request{Tokens: tokens(2)[1:], Retries: 1}) }()
	f.until(func(g *gateway) bool { return len(g.waiting) == 1 })
	close(goOn)
	if diff := cmp.Diff(map[string]int{"": 1}, names(<-submitted)); diff != "" {
		t.Error(diff)
	}
}
