package queue

import (
	"context"
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
}

// start hands a delivery out; its slot is taken already. A goroutine that has finished another one takes it, if there is one: its
// stack has the size that a delivery needs, and growing a new one costs a tenth of a small job.
func (p *pull) start(work context.Context, h *held) {
	p.handlers.Add(1)
	select {
	case p.next <- h:
	default:
		p.hands.Go(func() {
			for h := h; h != nil; h = p.another() {
				p.handle(work, h)
			}
		})
	}
}

// another waits for the next delivery; nil at the end of the pull.
func (p *pull) another() *held {
	select {
	case h := <-p.next:
		return h
	case <-p.over:
		return nil
	}
}

// handle deals with one delivery.
func (p *pull) handle(work context.Context, h *held) {
	defer p.handlers.Done()
	defer p.Slots.give(1)
	defer p.conn.leases.drop(h.lease)
	d := pipeline.Delivery{
		Stream: p.Stream, Subject: h.msg.Subject, Header: h.msg.Header, Body: h.msg.Data,
		Sequence: h.meta.Sequence.Stream, Stored: h.meta.Timestamp,
		Suspicious: p.conn.suspicious(p.Stream, h.meta.Sequence.Stream, h.meta.NumDelivered),
		Begun:      h.meta.NumDelivered > 1,
		Held:       func() bool { return h.lease.holds(p.conn.now()) },
	}
	switch p.Handle(work, d) {
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
			case a := <-p.inbox:
				p.receive(work, a)
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
