package simulator

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// Connection is one connection of an endpoint. Its exported methods are for handlers; over HTTP/1.1 those that concern
// streams do nothing. Safe for concurrent use.
type Connection struct {
	endpoint *Endpoint
	gate     *gate
	secured  *tls.Conn

	requests atomic.Int64 // what Fault.After counts
	deaf     atomic.Bool  // a stream takes nothing more

	mu sync.Mutex
	h2 *h2sim.Conn // nil until TLS is done, and over HTTP/1.1
	// streaming is the connection of an endpoint without HTTP, once TLS is done.
	streaming *tls.Conn
	streams   uint32 // the limit that the handler wants
	progress  map[*entry]*progress
	ended     bool
}

// progress is how far a fault is with a connection.
type progress struct {
	base   int // requests that do not count
	caught []*h2sim.Stream
	count  int // of those that were refused at once
	late   *time.Timer
	over   bool
	undo   func() // ends what lasts
	lasts  *time.Timer
}

func newConnection(e *Endpoint, conn *net.TCPConn) *Connection {
	return &Connection{endpoint: e, gate: newGate(conn), streams: e.options.MaxConcurrentStreams, progress: map[*entry]*progress{}}
}

// TLS is what the handshake agreed on.
func (l *Connection) TLS() tls.ConnectionState { return l.secured.ConnectionState() }

// SetMaxStreams states another limit of concurrent streams; called by EndpointOptions.Connect, the first one.
func (l *Connection) SetMaxStreams(streams uint32) {
	l.mu.Lock()
	l.streams = streams
	h2 := l.h2
	l.mu.Unlock()
	if h2 != nil {
		h2.SetMaxStreams(streams)
	}
}

// restoreStreams states the limit that holds without faults.
func (l *Connection) restoreStreams() {
	l.mu.Lock()
	streams, h2 := l.streams, l.h2
	l.mu.Unlock()
	if h2 != nil {
		h2.SetMaxStreams(streams)
	}
}

// Leave asks the client to leave with a GOAWAY, answers what was taken, and ends the connection.
func (l *Connection) Leave(code http2.ErrCode, debug string) {
	if h2 := l.http2(); h2 != nil {
		h2.GoAway(0, code, []byte(debug))
		h2.Drain()
	}
}

func (l *Connection) http2() *h2sim.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.h2
}

// serve runs the connection from its acceptance to its end.
func (l *Connection) serve() {
	e := l.endpoint
	defer e.drop(l)
	defer l.cleanUp()
	alert, goesOn := l.accepted()
	if !goesOn {
		return
	}
	secured, err := e.handshake(l.gate, alert)
	if err != nil {
		_ = l.gate.Close()
		return
	}
	l.secured = secured
	if e.options.Stream != nil {
		l.serveStream()
		return
	}
	if secured.ConnectionState().NegotiatedProtocol == "h2" {
		l.serveHTTP2()
		return
	}
	if e.http1 == nil {
		_ = secured.Close()
		return
	}
	e.http1.serve(l)
}

// serveHTTP2 runs the connection as what it is for.
func (l *Connection) serveHTTP2() {
	o := &l.endpoint.options
	handler := o.Connect(l)
	config := h2sim.Config{
		Handler: handler, Arrived: l.arrived, MaxStreams: l.streams, Window: o.Window, MaxBody: o.MaxBody, Excess: o.Excess, Stats: &l.endpoint.stats,
	}
	now := time.Now()
	var first []*entry
	for _, n := range l.endpoint.options.Scripts.state().entries {
		if !n.strikesNew(onReady) || !n.holds(o.Platform, now) || !l.claim(n) {
			continue
		}
		switch n.fault.Kind {
		case MaxStreams: // so that the very first SETTINGS say it
			config.MaxStreams = *n.fault.Streams
			l.lasting(n, l.restoreStreams)
		case Window:
			config.Window = n.fault.Bytes
		default:
			first = append(first, n)
		}
	}
	h2 := h2sim.New(l.secured, config)
	l.mu.Lock()
	l.h2 = h2
	l.mu.Unlock()
	if ready, ok := handler.(interface{ Ready() }); ok {
		ready.Ready()
	}
	for _, n := range first {
		l.strike(n, nil)
	}
	h2.Serve()
}

// cleanUp stops what would strike later.
func (l *Connection) cleanUp() {
	_ = l.gate.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for _, p := range l.progress {
		p.stop()
	}
	clear(l.progress)
}

func (p *progress) stop() {
	if p.late != nil {
		p.late.Stop()
	}
	if p.lasts != nil {
		p.lasts.Stop()
	}
}
