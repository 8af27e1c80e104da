package queue

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/internal/pipeline"
)

// ackAgain is the pause before an acknowledgement is sent again that could not be sent.
const ackAgain = 200 * time.Millisecond

var (
	bodyAck = []byte("+ACK")
	bodyNak = []byte("-NAK")
)

// held is a delivery that is kept alive.
type held struct {
	msg   *nats.Msg
	meta  *nats.MsgMetadata
	lease *lease
	slots int // that it takes
}

// MostTogether is how many deliveries are handled together at most. More would share no more of the cost, and wait longer for the
// slowest of them.
const MostTogether = 128

// handOut hands out what has its slots.
func (p *pull) handOut(work context.Context) {
	for len(p.fresh) > 0 {
		n := 1
		if p.Together != nil {
			n = min(len(p.fresh), MostTogether)
		}
		all := slices.Clone(p.fresh[:n])
		p.fresh = append(p.fresh[:0], p.fresh[n:]...)
		p.handlers.Add(n)
		p.employ(work, hand{all, p.Together != nil})
	}
}

// hand is what one goroutine takes on: deliveries that are handled together, or one.
type hand struct {
	all      []*held
	together bool
}

// employ gives deliveries to a goroutine. One that has finished others takes them, if there is one: its stack has the size that a
// delivery needs, and growing a new one costs a tenth of a small job.
func (p *pull) employ(work context.Context, all hand) {
	select {
	case p.next <- all:
	default:
		p.hands.Go(func() {
			for next := all; next.all != nil; next = p.another() {
				if next.together {
					p.handleTogether(work, next.all)
				} else {
					p.handle(work, next.all[0])
				}
			}
		})
	}
}

// another waits for the next deliveries; none at the end of the pull.
func (p *pull) another() hand {
	select {
	case next := <-p.next:
		return next
	case <-p.over:
		return hand{}
	}
}

// handle deals with one delivery.
func (p *pull) handle(work context.Context, h *held) {
	p.dispose(work, h, p.Handle(work, p.delivery(h)))
}

// handleTogether deals with several.
func (p *pull) handleTogether(work context.Context, all []*held) {
	deliveries := make([]pipeline.Delivery, len(all))
	for i, h := range all {
		deliveries[i] = p.delivery(h)
	}
	p.Together(work, deliveries,
		func(i int) { p.employ(work, hand{all: all[i : i+1]}) },
		func(i int, d pipeline.Disposition) { p.dispose(work, all[i], d) })
}

func (p *pull) delivery(h *held) pipeline.Delivery {
	return pipeline.Delivery{
		Stream: p.Stream, Subject: h.msg.Subject, Header: h.msg.Header, Body: h.msg.Data,
		Sequence: h.meta.Sequence.Stream, Stored: h.meta.Timestamp,
		Suspicious: p.conn.suspicious(p.Stream, h.meta.Sequence.Stream, h.meta.NumDelivered),
		Begun:      h.meta.NumDelivered > 1,
		Held:       func() bool { return h.lease.holds(p.conn.now()) },
	}
}

// dispose tells the broker and lets go of the delivery.
func (p *pull) dispose(work context.Context, h *held, d pipeline.Disposition) {
	defer p.handlers.Done()
	defer p.seat.give(h.slots)
	defer p.conn.leases.drop(h.lease)
	switch d {
	case pipeline.Ack:
		p.ack(work, h.msg.Reply)
	case pipeline.GiveBack:
		p.giveBack(h.msg.Reply)
	case pipeline.Leave:
	}
}

// ack acknowledges. It goes on trying while there is no connection, but not for ever: a lost acknowledgement is safe, the
// delivery comes again and its event is found.
func (p *pull) ack(work context.Context, reply string) {
	var giveUp <-chan time.Time
	stop := p.stop
	for {
		err := p.conn.nc.Publish(reply, bodyAck)
		if err == nil {
			return
		}
		if giveUp == nil {
			giveUp = time.After(p.ackWait)
			p.log.Debug().Err(err).Msg("an acknowledgement waits for the connection")
		}
		select {
		case <-time.After(ackAgain):
		case <-giveUp:
			return
		case <-stop:
			return
		case <-work.Done():
			return
		}
	}
}

// giveBack returns a delivery at once. If that fails it comes back after the ack wait.
func (p *pull) giveBack(reply string) {
	if err := p.conn.nc.Publish(reply, bodyNak); err != nil {
		p.log.Debug().Err(err).Msg("a delivery can't be given back; it comes again after the ack wait")
	}
}

// leave ends a pull: what is on its way is awaited, what was not handed out is given back, what runs is waited for.
func (p *pull) leave(work context.Context) {
	if p.line != nil {
		timer := time.NewTimer(drainWait)
		defer timer.Stop()
		drained := p.line.close()
	drain:
		for {
			select {
			case <-p.inbox.ready:
				p.receiveAll(work)
			case <-drained:
				break drain
			case <-timer.C:
				break drain
			}
		}
		p.line = nil
	}
	for _, h := range p.waiting {
		p.giveBack(h.msg.Reply)
		p.conn.leases.drop(h.lease)
	}
	p.handlers.Wait()
}
