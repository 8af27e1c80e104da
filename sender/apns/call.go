package apns

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/volleypush/volley/sender"
)

// call is one Deliver or DeliverEach on its way.
type call struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	// parts are what its recipients are sent: one for all of them, or one for each.
	parts []part
	// proceed is asked before each batch; nil means always.
	proceed func() bool
	// timeout bounds one answer; errorTimeout bounds all answers, counted from when the last notification was begun.
	timeout, errorTimeout time.Duration
	batch                 int

	allBegun chan struct{} // closed when everything is begun or given up
	finished chan struct{} // closed when every outcome is set

	// Guarded by the pool's lock:
	out        []sender.Outcome // those that can't be sent are set from the start, the others when they end
	next       int              // the first position that is not begun
	left       int              // how many of those from there on are to be begun
	flying     int
	answers    uint32    // how many outcomes came from the air
	losses     int       // connections that ended under it
	progress   time.Time // when something of it was last begun or answered
	allBegunAt time.Time
	cause      error // why its answers are not awaited any longer
}

// part is one request of a call.
type part struct {
	request *Request
	shared  headers
	// body is the request's payload.
	body string
}

// part is what recipient i is sent, and the recipient's position in it.
func (c *call) part(i int) (*part, int) {
	if len(c.parts) == 1 {
		return &c.parts[0], i
	}
	return &c.parts[i], 0
}

func (c *call) remaining() int { return c.left }

// id is the apns-id of a recipient in Apple's canonical form, "" if Apple is to invent it.
func (p *part) id(i int) string {
	if p.request.IDs == nil {
		return ""
	}
	id := p.request.IDs[i]
	for k := range len(id) {
		if id[k] >= 'A' && id[k] <= 'F' {
			return strings.ToLower(id)
		}
	}
	return id
}

// upcoming appends the positions of the next n recipients to begin.
func (c *call) upcoming(n int, into []int) []int {
	for i := c.next; n > 0 && i < len(c.out); i++ {
		if c.out[i].Class == sender.Unset {
			into = append(into, i)
			n--
		}
	}
	return into
}

// began notes that the recipients at these positions, the next ones, are in the air.
func (c *call) began(positions []int, now time.Time) {
	if len(positions) == 0 {
		return
	}
	c.next = positions[len(positions)-1] + 1
	c.left -= len(positions)
	c.flying += len(positions)
	c.moved(now)
}

// settle notes the outcome of a recipient that was in the air.
func (c *call) settle(index int, outcome *sender.Outcome, now time.Time) {
	c.answers++
	outcome.Rank = c.answers
	c.out[index] = *outcome
	c.flying--
	c.moved(now)
}

// giveUp sets the outcome of everything that is not begun.
func (c *call) giveUp(reason *sender.Reason) {
	if c.left == 0 {
		return
	}
	for i := c.next; i < len(c.out); i++ {
		if c.out[i].Class == sender.Unset {
			c.out[i] = sender.Failed(reason, 0)
		}
	}
	c.next, c.left = len(c.out), 0
	c.moved(time.Now())
}

func (c *call) moved(now time.Time) {
	c.progress = now
	if c.left > 0 {
		return
	}
	if c.allBegunAt.IsZero() {
		c.allBegunAt = c.progress
		close(c.allBegun)
	}
	if c.flying == 0 {
		close(c.finished)
	}
}

// due is when the call is to be ended if nothing changes: when nothing of it moved for as long as an answer may take (so
// no stream became free), or when the answers were awaited for long enough.
func (c *call) due() time.Time {
	if c.remaining() > 0 {
		return c.progress.Add(c.timeout)
	}
	return c.allBegunAt.Add(c.errorTimeout)
}

// wait returns when every outcome of the call is set. It ends the call early when its context ends or it is due. It takes
// mu itself.
func (p *pool) wait(c *call) {
	defer c.cancel(nil)
	timer := time.NewTimer(c.timeout)
	defer timer.Stop()
	allBegun := c.allBegun
	for {
		select {
		case <-c.finished:
			return
		case <-allBegun:
			allBegun = nil
			timer.Reset(c.errorTimeout)
		case <-timer.C:
			p.mu.Lock()
			rest := time.Until(c.due())
			p.mu.Unlock()
			if rest > 0 {
				timer.Reset(rest)
				continue
			}
			p.end(c, errAnswerTimeout)
			<-c.finished
			return
		case <-c.ctx.Done():
			p.end(c, context.Cause(c.ctx))
			<-c.finished
			return
		}
	}
}

// end gives the rest back unsent and calls in what is in the air. It takes mu itself.
func (p *pool) end(c *call, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop(c, Reason(NotBegun))
	c.cause = cause
	c.cancel(cause)
	for _, m := range slices.Concat(p.members, p.leaving) {
		p.settle(m, m.link.cancel(c, nil))
	}
	p.pump()
}
