package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

const (
	// lookEvery is how often the leader of PUSH_CONTROL is asked for what is new, lookTimeout how long it may take to answer. A worker that
	// has heard nothing for orderPatience begins nothing new: somebody may have cancelled meanwhile.
	lookEvery     = 250 * time.Millisecond
	lookTimeout   = 500 * time.Millisecond
	orderPatience = 800 * time.Millisecond
	// lookSoon is the pause after a nudge that found nothing new yet; each is twice as long as the one before, for lookAgain of them.
	lookSoon  = 2 * time.Millisecond
	lookAgain = 6
	// sweepAgain is when a change of orders is followed by a second look at the schedules: by then every worker has heard of it, and
	// what one that had not heard put aside is there.
	sweepAgain = 3 * time.Second
)

// Watcher implements pipeline.Control: it reads the orders of PUSH_CONTROL as they come. The leader of the bucket is asked again and
// again for what follows the last order, because a subscription that has gone deaf looks like one without news; one on the bucket's
// subjects only makes it ask at once.
type Watcher struct {
	conn   *Conn
	orders atomic.Pointer[pipeline.Orders]
	// known is nil while it can't be known what is ordered.
	known atomic.Bool

	mu      sync.Mutex
	waiting chan struct{} // closed when it is known

	// What follows belongs to Run.
	book    *orderBook
	heard   time.Time // when the last question left that was answered
	changed bool      // the book says more than orders
	told    bool      // the log tells of the trouble
}

// Watch makes a watcher. It knows nothing before Run runs.
func (c *Conn) Watch() *Watcher {
	return &Watcher{conn: c, waiting: make(chan struct{}), book: newOrderBook(), heard: c.now()}
}

// Orders implements pipeline.Control.
func (w *Watcher) Orders() *pipeline.Orders { return w.orders.Load() }

// Ready implements pipeline.Control.
func (w *Watcher) Ready(ctx context.Context) bool {
	for !w.known.Load() {
		w.mu.Lock()
		waiting := w.waiting
		w.mu.Unlock()
		select {
		case <-waiting:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// Run watches until ctx ends. Whenever the orders have changed it also turns schedules that wait for nothing any more into work.
func (w *Watcher) Run(ctx context.Context) error {
	nudge := make(chan struct{}, 1)
	kick := func() {
		select {
		case nudge <- struct{}{}:
		default:
		}
	}
	sub, err := w.conn.nc.Subscribe(bucketSubject(jobs.BucketControl, anyOrder), func(*nats.Msg) { kick() })
	if err != nil {
		return fmt.Errorf("listening for orders: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	var renewed atomic.Bool
	defer w.conn.onReconnect(func() { renewed.Store(true); kick() })()
	sweeps := make(chan struct{}, 1)
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	sweeping.Go(func() { w.sweep(ctx, sweeps) })
	soon := 0
	for ctx.Err() == nil {
		if renewed.Swap(false) {
			w.forget() // the bucket may be another
		}
		if w.look(ctx) {
			select {
			case sweeps <- struct{}{}:
			default:
			}
		}
		pause := lookEvery
		if soon > 0 {
			pause = lookSoon << (lookAgain - soon)
			soon--
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-nudge:
			soon = lookAgain // the subscription is faster than the disk
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// look reads what is new. It answers whether that changed what is in force.
func (w *Watcher) look(ctx context.Context) (changed bool) {
	for {
		asked := w.conn.now()
		ask, cancel := context.WithTimeout(ctx, lookTimeout)
		found, err := w.conn.nextOn(ask, bucketStream(jobs.BucketControl), bucketSubject(jobs.BucketControl, anyOrder), w.book.next)
		cancel()
		switch {
		case errors.Is(err, errAbsent):
			w.well(asked)
			return changed
		case err == nil:
			err = w.book.take(found)
		}
		if err != nil {
			w.trouble(ctx, err)
			return changed
		}
		changed, w.changed = true, true
	}
}

// well notes that all orders are known that were stored when the question left.
func (w *Watcher) well(asked time.Time) {
	first := !w.known.Load()
	if w.changed || first {
		all := w.book.list()
		w.orders.Store(pipeline.NewOrders(all))
		if w.changed {
			w.tell(all)
		}
		w.changed = false
	}
	w.heard = asked
	if w.told {
		w.told = false
		w.conn.log.Info().Msg("what is paused and cancelled can be read again")
	}
	if first {
		w.known.Store(true)
		w.mu.Lock()
		defer w.mu.Unlock()
		close(w.waiting)
	}
}

// tell logs how much is paused and cancelled for this worker from now on.
func (w *Watcher) tell(all []pipeline.Order) {
	pauses := 0
	for _, order := range all {
		if order.Kind == pipeline.OrderPause {
			pauses++
		}
	}
	w.conn.log.Info().Int("pauses", pauses).Int("cancels", len(all)-pauses).Msg("what is paused and cancelled was read")
}

// forget begins to read from the start. What held goes on holding until that is done; a bucket with nothing in it ends it.
func (w *Watcher) forget() { w.book, w.changed = newOrderBook(), true }

// trouble notes that the orders could not be read. The first time for long is told.
func (w *Watcher) trouble(ctx context.Context, err error) {
	if answered(err) == codeStreamNotFound {
		w.forget()
		err = w.conn.noStream(bucketStream(jobs.BucketControl))
	}
	if ctx.Err() != nil || w.conn.now().Sub(w.heard) < orderPatience {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known.Swap(false) {
		w.waiting = make(chan struct{})
	}
	if !w.told {
		w.told = true
		w.conn.log.Warn().Err(err).Msg("it can't be read what is paused and cancelled; nothing new is sent until it can")
	}
}

// sweep turns schedules into work: once at the start, because whoever should have done it may have died, then after each change, at once
// and again when every worker has heard of it.
func (w *Watcher) sweep(ctx context.Context, changes <-chan struct{}) {
	if !w.Ready(ctx) {
		return
	}
	for {
		if _, err := w.conn.Sweep(ctx, pipeline.Scope{}, w.Orders()); err != nil && ctx.Err() == nil {
			w.conn.log.Warn().Err(err).Msg("what is cancelled or not paused any more may wait for its time; it is looked at again")
		}
		select {
		case <-changes:
			continue
		case <-time.After(sweepAgain):
		case <-ctx.Done():
			return
		}
		if _, err := w.conn.Sweep(ctx, pipeline.Scope{}, w.Orders()); err != nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-changes:
		case <-ctx.Done():
			return
		}
	}
}
