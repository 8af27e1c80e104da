package apns

import (
	"errors"
	"time"

	"github.com/volleypush/volley/sender"
)

// landed settles one flight; it takes mu itself.
func (p *pool) landed(m *member, c *call, f *flight, r reply) {
	outcome := r.outcome(c.shared, p.clock())
	p.mu.Lock()
	defer p.mu.Unlock()
	m.flying--
	c.settle(f.index, outcome)
	p.learn(m, c, f, r, outcome)
	p.closeIfDrained(m)
	p.pump()
}

// learn draws the conclusions of one answer, or of its absence, for the connection and for the rest of the call.
func (p *pool) learn(m *member, c *call, f *flight, r reply, outcome sender.Outcome) {
	reason := outcome.Reason
	switch {
	case r.reason != nil:
		p.learnFromSilence(m, f, r.reason)
	case reason == nil:
		m.proven = true
	case reason.Class == sender.Credential:
		// Every other notification of the call would get the same answer, and Apple counts them.
		p.failure = errors.New("the provider refuses this app: " + reason.Name)
		p.stop(c, reason)
	case spoilsConnection(reason.Name):
		fresh := !m.proven
		p.retire(m)
		if fresh {
			p.stop(c, Reason(NotBegun)) // a new connection was no better
		}
	default:
		m.proven = true
	}
}

// learnFromSilence looks at a flight without an answer: has the connection died unnoticed?
func (p *pool) learnFromSilence(m *member, f *flight, reason *sender.Reason) {
	switch reason.Name {
	case AnswerTimeout, AnswerNotAwaited:
	default:
		return // the link itself says when it has ended
	}
	if m.left || time.Since(f.handed) < p.patience {
		return
	}
	if !m.proven || m.link.silentSince(f) {
		p.lose(m, Reason(ConnectionLost))
	}
}

// spoilsConnection says whether Apple's answer means that this connection will not get better (apns-http2 §10, §13).
func spoilsConnection(name string) bool {
	switch name {
	case "ExpiredProviderToken", "TooManyProviderTokenUpdates", "UnrelatedKeyIdInToken", "IdleTimeout", "Shutdown":
		return true
	}
	return false
}
