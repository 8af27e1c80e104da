package apns

import (
	"context"
	"time"

	"github.com/volleypush/volley/sender"
)

// binaryCall is one Deliver on its way to the binary gateway.
type binaryCall struct {
	request *Request
	message message
	batch   int
	// retries is how many connections in a row may fail under the call before its rest is given back.
	retries int
	// timeout bounds the wait for a turn, errorTimeout that for answers, counted from the last write.
	timeout, errorTimeout time.Duration

	done    chan struct{} // closed when every outcome is set
	changed chan struct{} // told when due has changed

	// Guarded by the gateway's lock:
	out      []sender.Outcome
	todo     []int // recipients that are to be written, in order
	flying   int   // recipients that are written, or being written, and not settled
	writing  int   // batches that are being written
	failures int
	progress time.Time // when something of it was last written or settled
	over     bool      // every outcome is set: out belongs to the caller again
}

// due is when the call is to be ended if nothing changes.
func (c *binaryCall) due() time.Time {
	if len(c.todo) > 0 || c.writing > 0 {
		return c.progress.Add(c.timeout)
	}
	return c.progress.Add(c.errorTimeout)
}

// take hands out the next n recipients.
func (c *binaryCall) take(n int) []int {
	taken := c.todo[:n:n]
	c.todo = c.todo[n:]
	c.flying += n
	return taken
}

// again takes recipients back that were certainly not processed.
func (c *binaryCall) again(recipients []int) {
	c.flying -= len(recipients)
	if !c.over {
		c.todo = append(recipients[:len(recipients):len(recipients)], c.todo...)
	}
}

// settle notes what became of one that was flying.
func (c *binaryCall) settle(recipient int, outcome sender.Outcome) {
	c.flying--
	if !c.over {
		c.out[recipient] = outcome
	}
}

// giveUp gives all that is to be written back, each with the reason.
func (c *binaryCall) giveUp(reason *sender.Reason) {
	for _, recipient := range c.todo {
		c.out[recipient] = sender.Failed(reason, 0)
	}
	c.todo = nil
}

// moved notes progress, and the end when there is nothing left.
func (c *binaryCall) moved() {
	c.progress = time.Now()
	select {
	case c.changed <- struct{}{}:
	default:
	}
	if !c.over && len(c.todo) == 0 && c.flying == 0 {
		c.finish()
	}
}

func (c *binaryCall) finish() {
	c.over = true
	close(c.done)
}

// wait returns when every outcome of the call is set. It ends the call early when ctx ends or the call is due.
func (g *gateway) wait(ctx context.Context, c *binaryCall) {
	timer := time.NewTimer(min(c.timeout, c.errorTimeout))
	defer timer.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-ctx.Done():
			g.end(c, Reason(AnswerNotAwaited))
			return
		case <-c.changed:
		case <-timer.C:
		}
		g.mu.Lock()
		rest := time.Until(c.due())
		g.mu.Unlock()
		if rest <= 0 {
			g.end(c, Reason(AnswerTimeout))
			return
		}
		timer.Reset(rest)
	}
}

// end ends a call before all is known: what is not written is given back, what is written gets the reason.
func (g *gateway) end(c *binaryCall, written *sender.Reason) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.over {
		return
	}
	c.giveUp(Reason(NotBegun))
	for i := range c.out {
		if c.out[i].Class == sender.Unset {
			c.out[i] = sender.Failed(written, 0)
		}
	}
	c.finish()
	g.leave(c)
	for s := range g.sessions {
		s.forget(c)
	}
}
