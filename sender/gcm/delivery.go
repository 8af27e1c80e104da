package gcm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/sender"
)

// errStopped is why a delivery opens no further requests after an answer that concerned the whole app.
var errStopped = errors.New("an answer concerned the whole app")

// maxLosses is how many connections in a row one delivery may lose before any of them answered. More would be a storm of
// connections against a server that takes none.
const maxLosses = 3

// delivery is one call of Deliver.
type delivery struct {
	client  *Client
	request *Request
	out     []sender.Outcome
	timeout time.Duration
	record  func(exchange) // nil unless Send wants to know

	// ctx is the caller's; open ends with it or with stop, and only what has not begun yet waits under it.
	ctx  context.Context
	open context.Context
	halt context.CancelCauseFunc

	losses  atomic.Int32
	answers atomic.Uint32 // how many recipients have an answer
	pace    pace

	mu sync.Mutex
	// stopped is what those get who were not sent to after a stop.
	stopped *sender.Outcome
	// reasons holds rows that this delivery made, so that equal ones are the same row: outcomes are grouped by row.
	reasons map[string]*sender.Reason
}

func newDelivery(ctx context.Context, c *Client, r *Request, out []sender.Outcome, record func(exchange)) *delivery {
	d := &delivery{client: c, request: r, out: out, timeout: r.ErrorTimeout, record: record, ctx: ctx}
	if d.timeout <= 0 {
		d.timeout = c.config.RequestTimeout
	}
	d.open, d.halt = context.WithCancelCause(ctx)
	return d
}

func (d *delivery) end() { d.halt(nil) }

// settle notes the outcome of one recipient, and stops the delivery if it concerns the whole app.
func (d *delivery) settle(i int, o sender.Outcome) {
	o.Rank = d.answers.Add(1)
	d.out[i] = o
	if o.Reason != nil && o.Reason.Wide {
		d.stop(o)
	}
}

// stop keeps the delivery from beginning anything more. Requests under way go on. Who was not sent to gets the same outcome if that
// is "not sent", and else a row that says why.
func (d *delivery) stop(o sender.Outcome) {
	d.mu.Lock()
	if d.stopped == nil {
		held := sender.Failed(reasonsByName[reasonHeld], 0)
		held.RetryAfter = o.RetryAfter
		if o.Class == sender.Unsent {
			held = o
		}
		d.stopped = &held
	}
	d.mu.Unlock()
	d.halt(errStopped)
}

// notBegun is the outcome of a recipient whose request never began because open has ended.
func (d *delivery) notBegun() sender.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped != nil {
		return *d.stopped
	}
	return sender.Failed(reasonsByName[reasonCancelled], 0)
}

// fill gives every recipient the same outcome.
func (d *delivery) fill(r *sender.Reason) {
	for i := range d.out {
		d.out[i] = sender.Failed(r, 0)
	}
}

// reason returns the row of a word that no table has; see unknownReason.
func (d *delivery) unknown(name string, status int) *sender.Reason {
	return d.shared(unknownReason(name, status))
}

// explain is a row with what happened added to its description. detail must hold nothing secret.
func (d *delivery) explain(name, detail string) *sender.Reason {
	row := *reasonsByName[name]
	row.Description += ": " + detail
	return d.shared(&row)
}

func (d *delivery) shared(r *sender.Reason) *sender.Reason {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := r.Name + "\x00" + r.Class.String() + "\x00" + r.Description
	if old := d.reasons[key]; old != nil {
		return old
	}
	if d.reasons == nil {
		d.reasons = make(map[string]*sender.Reason)
	}
	d.reasons[key] = r
	return r
}

// mayBegin says whether one more request may be begun, after the wait that the project's quota asks for. The caller is asked on both sides of
// that wait: before, because nobody should wait for a delivery that is over, and after, because it may be over by then.
func (d *delivery) mayBegin() bool {
	proceeds := func() bool { return d.open.Err() == nil && (d.request.Proceed == nil || d.request.Proceed()) }
	return proceeds() && (d.client.config.Quota == nil || d.paced() && proceeds())
}

// each runs send for 0 … n-1 on at most width goroutines and returns when all have ended. Once open has ended, or the request may not
// proceed, it calls skip instead.
func (d *delivery) each(n, width int, send, skip func(i int)) {
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1) - 1)
			if i >= n {
				return
			}
			if !d.mayBegin() {
				skip(i)
				continue
			}
			send(i)
		}
	}
	if n == 1 {
		work()
		return
	}
	var wg sync.WaitGroup
	for range min(n, width) {
		wg.Go(work)
	}
	wg.Wait()
}
