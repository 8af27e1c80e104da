package apns

import (
	"context"
	"time"

	"github.com/volleypush/volley/sender"
)

// call is one Deliver on its way.
type call struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	shared  *headers
	request *Request
	// timeout bounds one answer; errorTimeout bounds all answers, counted from when the last notification was begun.
	timeout, errorTimeout time.Duration
	batch                 int

	allBegun chan struct{} // closed when every flight is begun or given up
	finished chan struct{} // closed when every outcome is set

	// Guarded by the pool's lock:
	out        []sender.Outcome
	flights    []flight // one per recipient that can be sent, in order
	next       int      // the first that is not begun
	flying     int
	answers    uint32    // how many outcomes came from the air
	losses     int       // connections that ended under it
	progress   time.Time // when something of it was last begun or answered
	allBegunAt time.Time
}

func (c *call) remaining() int { return len(c.flights) - c.next }

// take prepares the next n flights.
func (c *call) take(n int, authorization string, done func(*flight, reply)) []*flight {
	batch := make([]*flight, n)
	for i := range batch {
		f := &c.flights[c.next+i]
		f.ctx, f.timeout, f.shared, f.payload, f.handed = c.ctx, c.timeout, c.shared, c.request.Payload, time.Now()
		f.authorization, f.done = authorization, done
		batch[i] = f
	}
	return batch
}

// began notes that the next n flights are in the air.
func (c *call) began(n int) {
	c.next += n
	c.flying += n
	c.moved()
}

// settle notes the outcome of a recipient that was in the air.
func (c *call) settle(index int, outcome sender.Outcome) {
	c.answers++
	outcome.Rank = c.answers
	c.out[index] = outcome
	c.flying--
	c.moved()
}

// giveUp sets the outcome of everything that is not begun.
func (c *call) giveUp(reason *sender.Reason) {
	if c.remaining() == 0 {
		return
	}
	for i := range c.flights[c.next:] {
		c.out[c.flights[c.next+i].index] = sender.Failed(reason, 0)
	}
	c.next = len(c.flights)
	c.moved()
}

func (c *call) moved() {
	c.progress = time.Now()
	if c.next < len(c.flights) {
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
	p.stop(c, Reason(NotBegun))
	p.mu.Unlock()
	c.cancel(cause)
}
