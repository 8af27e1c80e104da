package simulator

import (
	"time"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// This file is about when a fault strikes a connection: how it counts and catches requests, and how it ends.

// progressOf is the fault's progress; what it counts begins with the request under way. The caller holds mu.
func (l *Connection) progressOf(n *entry) *progress {
	p := l.progress[n]
	if p == nil {
		p = &progress{base: max(0, int(l.requests.Load())-1)}
		l.progress[n] = p
	}
	return p
}

// claim says whether the fault may strike the connection as a whole: once, and only as often as it is allowed in all.
func (l *Connection) claim(n *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	p := l.progressOf(n)
	if p.over || !n.take() {
		return false
	}
	p.over = true
	return true
}

// strikeNow strikes an open connection because the fault's time has come, if it is far enough for that.
func (l *Connection) strikeNow(n *entry) {
	if n.stage() == onReady && l.http2() == nil && l.stream() == nil || n.fault.Kind == Window || n.fault.Kind == TLSAlert {
		return // it is struck when it gets there, or not at all
	}
	if l.claim(n) {
		l.strike(n, nil)
	}
}

// arrived is asked about each request; false means that a fault has it.
func (l *Connection) arrived(s *h2sim.Stream) (take bool) {
	l.requests.Add(1)
	state := l.endpoint.options.Scripts.current.Load()
	if state == nil || !state.faults {
		return true
	}
	now := time.Now()
	taken := true
	for _, n := range state.entries {
		switch {
		case n.stage() != onRequest || !n.holds(l.endpoint.options.Platform, now):
		case taken:
			taken = !l.caught(n, s)
		default:
			l.count(n)
		}
	}
	return taken
}

// count lets a fault see a request that another one has.
func (l *Connection) count(n *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progressOf(n)
}

// caught gives the request to the fault if that wants it.
func (l *Connection) caught(n *entry, s *h2sim.Stream) bool {
	l.mu.Lock()
	p, requests := l.progressOf(n), int(l.requests.Load())
	switch {
	case p.over || requests <= p.base+n.fault.After:
		l.mu.Unlock()
		return false
	case p.count == 0 && !n.take():
		p.over = true
		l.mu.Unlock()
		return false
	}
	p.count++
	if n.fault.Kind == RefuseStream {
		if n.catch() > 0 && p.count >= n.catch() {
			p.done(n, requests)
		}
		l.mu.Unlock()
		l.h2.Refuse(s, errCode(n.fault.Code, http2.ErrCodeRefusedStream))
		return true
	}
	p.caught = append(p.caught, s)
	if p.count < n.catch() {
		if s.Keep(); p.count == 1 {
			p.late = time.AfterFunc(n.fault.patience(), func() { l.strikeLate(n, p) })
		}
		l.mu.Unlock()
		return true
	}
	caught := p.caught
	p.done(n, requests)
	l.mu.Unlock()
	l.strike(n, caught)
	return true
}

// done ends a round of catching.
func (p *progress) done(n *entry, requests int) {
	if p.late != nil {
		p.late.Stop()
	}
	p.base, p.caught, p.count = requests, nil, 0
	p.over = !n.fault.Again
}

// strikeLate strikes with what was caught until now.
func (l *Connection) strikeLate(n *entry, p *progress) {
	l.mu.Lock()
	caught := p.caught
	if len(caught) > 0 && !l.ended {
		p.done(n, p.base+n.fault.After+len(caught))
	}
	over := l.ended
	l.mu.Unlock()
	if len(caught) > 0 && !over {
		l.strike(n, caught)
	}
}

// lasting notes how the fault ends: with its time, its phase or its script, whatever is first.
func (l *Connection) lasting(n *entry, undo func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	p := l.progressOf(n)
	p.undo = undo
	if n.fault.For > 0 && n.until.IsZero() {
		p.lasts = time.AfterFunc(time.Duration(n.fault.For), func() { l.undo(n) })
	}
}

// undo ends what the fault did to the connection.
func (l *Connection) undo(n *entry) {
	l.mu.Lock()
	var undo func()
	if p := l.progress[n]; p != nil {
		undo, p.undo = p.undo, nil
	}
	l.mu.Unlock()
	if undo != nil {
		undo()
	}
}

// release ends the fault: what it still holds is taken.
func (l *Connection) release(n *entry) {
	l.undo(n)
	l.mu.Lock()
	var caught []*h2sim.Stream
	if p := l.progress[n]; p != nil {
		p.stop()
		caught = p.caught
		delete(l.progress, n)
	}
	l.mu.Unlock()
	l.take(caught)
}
