package simulator

import (
	"net"
	"sync"
	"time"
)

// gate is a TCP connection whose wire can be tampered with: it lies below TLS, so what it does looks like the network's
// doing.
type gate struct {
	*net.TCPConn
	mu     sync.Mutex
	flow   flow
	change chan struct{} // closed and replaced when flow changes
	closed bool
	err    error
}

// flow is what happens to the bytes.
type flow int

const (
	flowing flow = iota
	// frozen: nothing goes through in either direction, and nothing is lost.
	frozen
	// unheard: what we write is lost.
	unheard
	// deaf: what we write and what comes is lost.
	deaf
)

func newGate(conn *net.TCPConn) *gate { return &gate{TCPConn: conn, change: make(chan struct{})} }

// set changes the flow.
func (g *gate) set(f flow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flow = f
	close(g.change)
	g.change = make(chan struct{})
}

// pass waits while the wire is frozen, and says what happens to the bytes then.
func (g *gate) pass() flow {
	for {
		g.mu.Lock()
		f, change, closed := g.flow, g.change, g.closed
		g.mu.Unlock()
		if f != frozen || closed {
			return f
		}
		<-change
	}
}

// Read implements net.Conn.
func (g *gate) Read(p []byte) (int, error) {
	for {
		g.pass()
		n, err := g.TCPConn.Read(p)
		if g.pass() != deaf || err != nil {
			return n, err
		}
	}
}

// Write implements net.Conn.
func (g *gate) Write(p []byte) (int, error) {
	if f := g.pass(); f == unheard || f == deaf {
		return len(p), nil
	}
	return g.TCPConn.Write(p)
}

// Close implements net.Conn. It frees whoever waits for a frozen wire.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.err = g.TCPConn.Close()
		close(g.change)
		g.change = make(chan struct{})
	}
	return g.err
}

// reset cuts the connection with a RST.
func (g *gate) reset() {
	_ = g.SetLinger(0)
	_ = g.Close()
}

// end is the end of our direction: FIN. What the client still sends is read for a while by whoever reads.
func (g *gate) end() {
	_ = g.CloseWrite()
	_ = g.SetReadDeadline(time.Now().Add(time.Second))
}

// inject writes past TLS.
func (g *gate) inject(raw []byte) { _, _ = g.TCPConn.Write(raw) }
