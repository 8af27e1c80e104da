package apns

import (
	"errors"
	"maps"
	"slices"

	"github.com/volleypush/volley/sender"
)

// This file is about what follows from the end of a session: for those that were written on it, for the rest of their
// calls, and for the others. As in binary_gateway.go the caller holds the gateway's lock where nothing else is said.

// settle gives everything that was written its outcome, or another turn. It takes the lock itself.
func (g *gateway) settle(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(s)
	affected := slices.Collect(maps.Keys(s.calls))
	if len(s.written) == 0 {
		affected = slices.Clone(g.waiting) // it ended before anybody's turn came, which is a failure all the same
	}
	v, lost := judge(s.packet, len(s.written), s.barrier), Reason(AnswerLost)
	if isCertificateAlert(s.err) {
		// With TLS 1.3 the client has begun to write by then. Nothing of it was read.
		lost = Reason(CertificateRefused)
		g.failure = errors.New("the gateway" + refusedRemedy)
	}
	for _, f := range s.written[:v.accepted] {
		f.call.settle(f.recipient, sender.Outcome{Class: sender.Accepted})
	}
	rest := s.written[v.accepted:]
	if v.reason != nil {
		rest[0].call.settle(rest[0].recipient, sender.Failed(v.reason, v.status))
	}
	switch {
	case v.lost:
		for _, f := range rest {
			f.call.settle(f.recipient, sender.Failed(lost, 0))
		}
	case v.reason != nil:
		g.again(s, rest[1:])
		g.learn(rest[0].call, v.reason)
	default:
		g.again(s, rest)
	}
	if lost.Class == sender.Credential {
		g.stopAll(lost)
	}
	for _, c := range affected {
		g.count(c, s, v)
		c.moved()
	}
	g.pump()
}

// learn draws the conclusions of a refusal that the reference calls fatal: the rest of the call would get the same, or the
// rest of everything.
func (g *gateway) learn(c *binaryCall, reason *sender.Reason) {
	switch reason.Class { //nolint:exhaustive // the others concern one recipient
	case sender.Credential:
		g.failure = errors.New("the gateway refuses this app: " + reason.Name + "; check that its certificate is the right one")
		g.stopAll(Reason(UnsendableApp))
	case sender.BadJob:
		c.giveUp(Reason(Unsendable))
		g.leave(c)
	}
}

// count counts the sessions in a row that brought a call nothing that is certain, and gives the rest of it back after as many
// as it is to be tried.
func (g *gateway) count(c *binaryCall, s *session, v verdict) {
	if v.accepted > 0 || v.reason != nil && v.reason.Class != sender.Transient {
		c.failures = 0
		return
	}
	c.failures++
	if c.failures < c.retries || len(c.todo) == 0 {
		return
	}
	if s.writeFailed { // the reference blames the first of the batch, and calls the rest unsendable
		c.out[c.todo[0]] = sender.Failed(Reason(WriteFailed), 0)
		c.todo = c.todo[1:]
	}
	c.giveUp(Reason(ConnectionLost))
	g.leave(c)
}
