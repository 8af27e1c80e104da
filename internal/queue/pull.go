package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/pipeline"
)

// Puller says what Pull takes from and who handles it.
type Puller struct {
	// Stream is jobs.StreamJobs or jobs.StreamWork, Durable one of its consumers. It need not exist yet.
	Stream, Durable string
	// Slots bounds how many deliveries are handled at once; the pulls of a worker share them and take turns.
	Slots *Slots
	Turn  Turn
	// Handle deals with one delivery and says what to tell the broker. It is called from many goroutines. Its context does not
	// end when Pull is told to stop, only with HardStop.
	Handle func(context.Context, pipeline.Delivery) pipeline.Disposition
	// Together, if set, gets deliveries first, as many as came at one time: pipeline.Core.HandleTogether. Those for which it calls alone
	// go to Handle, each in a goroutine of its own.
	Together func(ctx context.Context, all []pipeline.Delivery, alone func(i int), done func(i int, d pipeline.Disposition))
	// Share is how many messages of one recipient, handled by Together, share a slot, when the pull before brought nothing but such messages. 0 is
	// one.
	Share int
	// Gate, if set, is asked before messages are asked for: how long to wait with that, 0 for not at all, and what ends the
	// waiting earlier. One message may be on its way already when the answer changes.
	Gate func() (wait time.Duration, changed <-chan struct{})
	// HardStop, when closed, ends the contexts of the running handlers; nil means never.
	HardStop <-chan struct{}
}

const (
	// parkedPull is how long a pull waits at the broker for a message to come, unless a third of the ack wait is shorter: a lease
	// begins when its pull was asked for.
	parkedPull = 10 * time.Second
	// pullSlack is how much later than expected an answer to a pull may come before the pull is taken for lost.
	pullSlack = 2 * time.Second
	// fetchPatience is how long a pull that should not wait may be without answer. It holds free slots meanwhile.
	fetchPatience = time.Second
	// troubleWait is the first pause after trouble, troubleWaitMax the longest.
	troubleWait    = 100 * time.Millisecond
	troubleWaitMax = 5 * time.Second
	// sharedBytes is how many bytes of messages that share a slot are asked for: those of one recipient have about 600.
	sharedBytes = 128 << 10
	// messageFrame is more than subject and reply of a message have.
	messageFrame = 4 << 10
	// drainWait is how long a stop waits for deliveries that are on their way.
	drainWait = 2 * time.Second
)

// Pull takes deliveries from a durable and hands them to Handle, until ctx ends. Then it asks for no more, gives back at once
// what was not handed out yet, waits for the running handlers and returns nil. Only a Puller that is not complete is an error:
// a missing stream or durable, a lost connection or a broker without leader are waited for, with one log line when it begins
// and one when it is over.
//
// An idle durable has one message asked for in advance, for which no slot is taken: when it comes it waits for a slot, kept alive
// by heartbeats. A busy one takes what slots are free first and then asks for as many messages.
func (c *Conn) Pull(ctx context.Context, p Puller) error {
	if p.Stream == "" || p.Durable == "" || p.Slots == nil || p.Handle == nil {
		return errors.New("a pull needs a stream, a durable, slots and a handler")
	}
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	seat := p.Slots.Seat(p.Turn)
	defer seat.Leave()
	l := &pull{
		Puller: p, conn: c, seat: seat,
		log:   c.log.With().Str("stream", p.Stream).Str("durable", p.Durable).Logger(),
		inbox: newInbox(), next: make(chan hand), over: make(chan struct{}), kicked: make(chan struct{}, 1), stop: ctx.Done(),
	}
	l.pause.InitialInterval, l.pause.MaxInterval, l.pause.Multiplier, l.pause.RandomizationFactor = troubleWait, troubleWaitMax, 2, 0.5
	defer l.hands.Wait()
	defer close(l.over)
	defer c.onReconnect(func() {
		select {
		case l.kicked <- struct{}{}:
		default:
		}
	})()
	if p.HardStop != nil {
		go func() {
			select {
			case <-p.HardStop:
				end()
			case <-l.over:
			}
		}()
	}
	l.run(ctx, work)
	l.leave(work)
	return nil
}

// pull is one running Pull. Its fields belong to the goroutine of Pull; only inbox, next, over and kicked are shared.
type pull struct {
	Puller
	conn *Conn
	seat *Seat
	log  zerolog.Logger

	inbox  *inbox          // what came on any of our subscriptions
	over   chan struct{}   // closed at the end: nobody waits for a delivery any more
	kicked chan struct{}   // the connection was renewed
	stop   <-chan struct{} // the end of Pull's context

	line     *line // nil until prepared, and after trouble
	ackWait  time.Duration
	again    bool // there was trouble: marks are taken anew
	busy     bool // the last pull brought as much as was asked for
	granted  int  // slots that the seat got last
	reserved int  // slots taken for deliveries that are asked for
	cost     int  // slots that the last delivery took: the next ones are taken to be like it
	small    bool // the last pull brought messages of one recipient only
	shared   int  // messages of this pull that share slots
	waiting  []*held
	fresh    []*held        // have their slots, and are handed out next
	handlers sync.WaitGroup // one for each delivery that is handled
	hands    sync.WaitGroup // the goroutines that handle them
	next     chan hand      // what a goroutine that is free takes

	gate    <-chan struct{} // what ends the waiting while the gate is closed
	trouble error           // what is wrong now, nil if nothing
	pause   backoff.ExponentialBackOff
}

// event is what ended a wait.
type event int

const (
	gotArrival event = iota
	gotSlot
	gateChanged
	timedOut
	renewed // the connection
	stopped
)

// run is the life of a pull until it is told to stop.
func (p *pull) run(ctx, work context.Context) {
	for ctx.Err() == nil {
		switch {
		case p.line == nil:
			p.prepare(ctx, work)
		case len(p.waiting) > 0:
			p.place(ctx, work)
		case p.shut(ctx, work):
		case p.busy:
			p.fetch(ctx, work)
		default:
			p.park(ctx, work)
		}
	}
}

// wait waits for one thing to happen. What arrived is dealt with by receive; done tells whether it ended the current request.
func (p *pull) wait(ctx, work context.Context, slots <-chan int, timeout <-chan time.Time) (what event, done bool) {
	select {
	case <-p.inbox.ready:
		return gotArrival, p.receiveAll(work)
	case p.granted = <-slots:
		return gotSlot, false
	case <-p.gate:
		return gateChanged, false
	case <-timeout:
		return timedOut, false
	case <-p.kicked:
		p.reopen()
		return renewed, true
	case <-ctx.Done():
		return stopped, true
	}
}

// prepare finds the durable, makes it again if it was ours and is gone, and opens the line for its messages.
func (p *pull) prepare(ctx, work context.Context) {
	select {
	case <-p.kicked: // an old one: what follows belongs to the new connection
	default:
	}
	err := p.look(ctx)
	if err == nil {
		err = p.conn.refreshMark(ctx, p.Stream, p.again)
	}
	if err == nil {
		p.line, err = p.open()
	}
	if err != nil {
		p.fail(ctx, work, err)
		return
	}
	p.again = false
}

func (p *pull) look(ctx context.Context) error {
	info, err := p.conn.consumerInfo(ctx, p.Stream, p.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if err = p.conn.restoreDurable(ctx, p.Stream, p.Durable); err != nil {
			return err
		}
		info, err = p.conn.consumerInfo(ctx, p.Stream, p.Durable)
	}
	if err != nil {
		return err
	}
	// What the durable says counts, not our setting: another worker may have changed it.
	p.ackWait = info.Config.AckWait
	p.conn.leases.serve(p.ackWait)
	return nil
}

// shut waits while the gate is closed; false if it is open.
func (p *pull) shut(ctx, work context.Context) bool {
	if p.Gate == nil {
		return false
	}
	wait, changed := p.Gate()
	if wait <= 0 {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	p.small = false // one of them tries first
	p.gate = changed
	p.wait(ctx, work, nil, timer.C)
	p.gate = nil
	return true
}

// place gives a slot to the delivery that waits longest.
func (p *pull) place(ctx, work context.Context) {
	defer p.seat.cancel()
	if what, _ := p.wait(ctx, work, p.seat.ask(1), nil); what == gotSlot {
		p.seat.add(p.waiting[0].slots - p.granted)
		p.fresh = append(p.fresh, p.waiting[0])
		p.waiting = p.waiting[1:]
		p.busy = true
		p.handOut(work)
	}
}

// park asks for the next message, whenever it comes. No slot is held meanwhile.
func (p *pull) park(ctx, work context.Context) {
	expires := min(parkedPull, p.ackWait/3)
	if err := p.line.ask(pullRequest{Batch: 1, Expires: expires}); err != nil {
		p.fail(ctx, work, err)
		return
	}
	if !p.await(ctx, work, expires+pullSlack) {
		p.fail(ctx, work, errors.New("the broker does not answer the pull"))
	}
}

// fetch takes the free slots, at least one, and asks for as many messages as are there now.
func (p *pull) fetch(ctx, work context.Context) {
	what, _ := p.wait(ctx, work, p.seat.ask(p.Slots.Size()), nil)
	if what != gotSlot {
		p.seat.cancel()
		return
	}
	p.reserved = p.granted
	want, bytes := max(p.reserved/max(p.cost, 1), 1), p.Slots.room(p.reserved, p.conn.MaxPayload()+messageFrame)
	if p.small {
		want, bytes = p.reserved*p.Share, p.reserved*sharedBytes
	}
	p.small = p.Share > 1
	if err := p.line.ask(pullRequest{Batch: want, NoWait: true, Bytes: bytes}); err != nil {
		p.release()
		p.fail(ctx, work, err)
		return
	}
	if !p.await(ctx, work, fetchPatience) {
		// A durable that is paused or has all deliveries out says nothing. Ask anew without holding slots, on another line, so
		// that the broker forgets this request.
		p.again = true
		p.reopen()
	}
	// Less than asked for: the queue is empty now. Then it is cheaper to be told when the next message comes.
	p.busy = p.line != nil && (p.line.got == want || p.line.more) && p.trouble == nil
	p.small = p.small && p.busy && p.line.got > 0
	p.release()
}

// release frees the slots whose deliveries did not come.
func (p *pull) release() {
	p.seat.give(p.reserved)
	p.reserved, p.shared = 0, 0
}

// await waits until the current request is answered in full, or ended by something else; false if patience ran out.
func (p *pull) await(ctx, work context.Context, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		switch what, done := p.wait(ctx, work, nil, timer.C); {
		case what == timedOut:
			return false
		case !done:
		case what == gotArrival && p.line.failed != nil:
			p.fail(ctx, work, p.line.failed)
			return true
		case what == gotArrival:
			p.well()
			return true
		default:
			return true
		}
	}
}

// fail notes that something is wrong, closes the line and waits before the next try. Slots that were kept for what does not come
// now are free meanwhile.
func (p *pull) fail(ctx, work context.Context, err error) {
	p.release()
	p.reopen()
	if ctx.Err() != nil {
		return
	}
	p.again = true
	if p.trouble == nil {
		p.pause.Reset()
		level := zerolog.WarnLevel
		if !p.conn.Connected() {
			level = zerolog.DebugLevel // the connection says so itself, once for all pulls
		}
		p.log.WithLevel(level).Err(err).Msg("pulling is interrupted, trying again until it works")
	}
	p.trouble = err
	timer := time.NewTimer(p.pause.NextBackOff())
	defer timer.Stop()
	for {
		if what, _ := p.wait(ctx, work, nil, timer.C); what != gotArrival {
			return
		}
	}
}

// well notes that the broker answers as it should.
func (p *pull) well() {
	if p.trouble != nil {
		p.log.Info().Msg("pulling goes on")
		p.trouble = nil
	}
}

// reopen closes the line; prepare opens another one. What still comes on the old one is received as well.
func (p *pull) reopen() {
	if p.line != nil {
		p.line.close()
		p.line = nil
	}
}
