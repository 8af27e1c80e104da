package simulator

import (
	"crypto/tls"
	"time"
)

// This file is about endpoints that speak no HTTP (EndpointOptions.Stream): the handler reads and writes the connection
// itself, and tells the faults of each request.

// serveStream runs the connection as a plain stream over TLS.
func (l *Connection) serveStream() {
	now := time.Now()
	l.mu.Lock()
	l.streaming = l.secured
	l.mu.Unlock()
	for _, n := range l.endpoint.options.Scripts.state().entries {
		if n.strikesNew(onReady) && n.holds(l.endpoint.options.Platform, now) && l.claim(n) {
			l.strikeWire(n)
		}
	}
	l.endpoint.options.Stream(l)
	_ = l.secured.Close()
}

// stream is the connection without HTTP; nil for all others.
func (l *Connection) stream() *tls.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streaming
}

// Read reads what the client of a stream sends, until a fault ends that.
func (l *Connection) Read(p []byte) (int, error) {
	n, err := l.secured.Read(p)
	for l.deaf.Load() && err == nil {
		n, err = l.secured.Read(p)
	}
	return n, err
}

// Write writes to the client of a stream.
func (l *Connection) Write(p []byte) (int, error) { return l.secured.Write(p) }

// End closes our direction of a stream: the client reads EOF, and can still write.
func (l *Connection) End() {
	_ = l.secured.CloseWrite()
	_ = l.gate.CloseWrite()
}

// Reset cuts a stream with a RST.
func (l *Connection) Reset() { l.gate.reset() }

// Drain reads and forgets what a client still sends, until it has closed its side or d is over. Closing a socket with
// something unread would be a reset, which takes our last words with it.
func (l *Connection) Drain(d time.Duration) {
	_ = l.gate.SetReadDeadline(time.Now().Add(d))
	buffer := make([]byte, 16<<10)
	for {
		if _, err := l.secured.Read(buffer); err != nil {
			return
		}
	}
}

// Sleep lets d pass. It answers false at once when the simulator is closing.
func (l *Connection) Sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.endpoint.closing:
		return false
	}
}

// Arrived tells the faults that a request of a stream is here. taken says whether the service has it; strike, if it is not
// nil, is what happens to the connection then. Of the faults that count requests, those that need no HTTP/2 strike here:
// Reset, Close, HalfClose, Stall, BlackHole, Garbage and Down. They catch one request each.
func (l *Connection) Arrived() (taken bool, strike func()) {
	if l.deaf.Load() {
		return false, nil
	}
	requests := int(l.requests.Add(1))
	l.endpoint.stats.Requests.Add(1)
	state := l.endpoint.options.Scripts.current.Load()
	if state == nil || !state.faults {
		return true, nil
	}
	now := time.Now()
	for _, n := range state.entries {
		if n.stage() != onRequest || !n.holds(l.endpoint.options.Platform, now) {
			continue
		}
		if strike != nil || !l.meets(n, requests) {
			l.count(n)
			continue
		}
		strike = func() { l.strikeWire(n) }
		taken = n.fault.Lose != "requests"
	}
	return taken || strike == nil, strike
}

// meets says whether the request with that number is the one that the fault strikes with.
func (l *Connection) meets(n *entry, requests int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.progressOf(n)
	if p.over || !n.fault.needsNoStreams() || requests <= p.base+n.fault.After {
		return false
	}
	if !n.take() {
		p.over = true
		return false
	}
	p.done(n, requests)
	return true
}

// endsTaking says whether a stream takes nothing more once the fault has struck.
func (f *Fault) endsTaking() bool {
	switch f.Kind { //nolint:exhaustive // the others go on, unless they lose what is sent
	case Reset, Close, Garbage, Down:
		return true
	}
	return f.Lose == "requests"
}

// needsNoStreams says whether a fault can strike a connection without HTTP/2.
func (f *Fault) needsNoStreams() bool {
	switch f.Kind { //nolint:exhaustive // the others are about streams, or strike earlier
	case Reset, Close, HalfClose, Stall, BlackHole, Garbage, Down:
		return true
	}
	return false
}
