package apns

import (
	"errors"
	"time"

	"github.com/volleypush/volley/sender"
)

// landed implements listener; it takes mu itself.
func (m *member) landed(landings []landing) {
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle(m, landings)
	p.pump()
}

// settle settles flights that have ended on m.
func (p *pool) settle(m *member, landings []landing) {
	if len(landings) == 0 {
		return
	}
	now := time.Now()
	m.flying -= len(landings)
	for i := range landings {
		one := &landings[i]
		one.call.settle(one.index, &one.outcome, now)
		if one.outcome.Class == sender.Accepted {
			m.proven = true
		} else {
			p.learn(m, one)
		}
	}
	p.closeIfDrained(m)
}

// learn draws the conclusions of one refusal, or of an answer's absence, for the connection and for the rest of the call.
func (p *pool) learn(m *member, l *landing) {
	reason := l.outcome.Reason
	switch {
	case !l.answered:
		p.learnFromSilence(m, l)
	case reason.Class == sender.Credential:
		// Every other notification of the call would get the same answer, and Apple counts them.
		p.failure = errors.New("the provider refuses this app: " + reason.Name)
		p.stop(l.call, reason)
	case spoilsConnection(reason.Name):
		fresh := !m.proven
		p.retire(m)
		if fresh {
			p.stop(l.call, Reason(NotBegun)) // a new connection was no better
		}
	default:
		m.proven = true
	}
}

// learnFromSilence looks at a flight without an answer: has the connection died unnoticed?
func (p *pool) learnFromSilence(m *member, l *landing) {
	switch l.outcome.Reason.Name {
	case AnswerTimeout, AnswerNotAwaited:
	default:
		return // the link itself says when it has ended
	}
	if m.left || l.waited < p.patience {
		return
	}
	if !m.proven || l.silent {
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
