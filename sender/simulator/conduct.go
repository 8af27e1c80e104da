package simulator

import (
	"net"
	"slices"
	"time"
)

// This file is about what happens at a certain time: phases and faults with a time of their own, listening and not.

// attach makes an endpoint follow the scripts.
func (s *Scripts) attach(e *Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = append(s.endpoints, e)
	e.changed()
}

func (s *Scripts) detach(e *Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = slices.DeleteFunc(s.endpoints, func(other *Endpoint) bool { return other == e })
}

// changed makes the endpoint look at the scripts anew, and returns when everything that begins or ends now has.
func (e *Endpoint) changed() {
	done := make(chan struct{})
	select {
	case e.rounds <- done:
		<-done
	case <-e.closing:
	}
}

// conduct begins and ends what is due, in the order of time. Nothing else does, so nothing overtakes.
func (e *Endpoint) conduct() {
	defer close(e.conducted)
	begun := map[*entry]bool{}
	at := time.Now()
	timer := time.NewTimer(maxFor)
	defer timer.Stop()
	var done chan struct{}
	for {
		state := e.options.Scripts.state()
		at = e.advance(state, begun, at)
		if done != nil {
			close(done)
			done = nil
		}
		timer.Reset(e.pause(state, at))
		select {
		case done = <-e.rounds:
		case <-timer.C:
		case <-e.closing:
			return
		}
	}
}

// advance takes every turn that is due since the last one, at, and returns the latest. A phase that is over before we get
// to run has still been: it begins and ends.
func (e *Endpoint) advance(s *state, begun map[*entry]bool, at time.Time) time.Time {
	now := time.Now()
	for {
		e.turn(s, begun, at)
		next := s.next(at)
		if next.IsZero() || next.After(now) {
			return at
		}
		at = next
	}
}

// turn ends what is over, then begins what is due. begun is what holds.
func (e *Endpoint) turn(s *state, begun map[*entry]bool, now time.Time) {
	for n := range begun {
		if !slices.Contains(s.entries, n) || !n.holds(e.options.Platform, now) {
			delete(begun, n)
			for _, l := range e.open() {
				l.release(n)
			}
		}
	}
	down := false
	for _, n := range s.entries {
		if n.fault == nil || !n.holds(e.options.Platform, now) {
			continue
		}
		down = down || n.isDown()
		if begun[n] {
			continue
		}
		begun[n] = true
		switch {
		case n.isDown():
			n.take()
		case n.strikesOpen():
			for _, l := range e.open() {
				l.strikeNow(n)
			}
		}
	}
	if down {
		e.down()
	} else {
		e.up()
	}
}

// isDown says whether the entry keeps its endpoint from listening.
func (n *entry) isDown() bool { return n.strikesOpen() && n.fault.Kind == Down }

// pause is how long nothing begins or ends after the turn at this time.
func (e *Endpoint) pause(s *state, at time.Time) time.Duration {
	e.mu.Lock()
	lacking := e.lacking
	e.mu.Unlock()
	if lacking {
		return retakePause
	}
	if next := s.next(at); !next.IsZero() {
		return time.Until(next)
	}
	return maxFor
}

// down stops listening, keeps the port, and cuts all connections.
func (e *Endpoint) down() {
	e.mu.Lock()
	stops := !e.closed && e.listener != nil
	if stops {
		_ = e.listener.Close()
		e.listener = nil
		var err error
		if e.relisten, e.give, err = holdPort(e.addr); err != nil {
			e.relisten, e.give = e.retake, func() {}
		}
	}
	e.mu.Unlock()
	if !stops {
		return
	}
	for _, l := range e.open() {
		l.gate.reset()
	}
}

// up listens again. If another program has taken the port, it is tried until it succeeds; GET /faults shows it.
func (e *Endpoint) up() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.listener != nil {
		return
	}
	listener, err := e.relisten()
	if e.lacking = err != nil; err != nil {
		e.relisten, e.give = e.retake, func() {}
		return
	}
	e.listener = listener
	e.busy.Go(func() { e.accept(listener) })
}

// retakePause is how long a port that was lost is not asked for again.
const retakePause = 20 * time.Millisecond

// retake listens on a port that could not be held.
func (e *Endpoint) retake() (net.Listener, error) { return net.ListenTCP("tcp", e.addr) }
