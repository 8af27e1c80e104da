package queue

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/jobs"
)

// receiveAll takes what came and hands out what has its slots. It returns true if that completes the current request.
func (p *pull) receiveAll(work context.Context) (complete bool) {
	for _, a := range p.inbox.take() {
		complete = p.receive(a) || complete
	}
	p.handOut(work)
	return complete
}

// receive takes one thing that came.
func (p *pull) receive(a arrival) (complete bool) {
	if a.msg.Reply == "" {
		return a.line == p.line && a.line.status(a.msg)
	}
	meta, err := a.msg.Metadata()
	if err != nil {
		p.log.Error().Err(err).Msg("the broker handed over a message without its place in the stream")
		return false
	}
	h := &held{msg: a.msg, meta: meta, slots: p.slotsOf(a.msg), lease: p.conn.leases.take(a.msg.Reply, p.ackWait, a.line.since)}
	p.cost = h.slots
	if p.reserved > 0 || h.slots == 0 {
		kept := min(h.slots, p.reserved)
		p.reserved -= kept
		p.seat.add(h.slots - kept)
		p.fresh = append(p.fresh, h)
	} else {
		p.waiting = append(p.waiting, h)
	}
	return a.line == p.line && a.line.count()
}

// slotsOf is how many slots a message takes. Of those that share one the first takes it.
func (p *pull) slotsOf(msg *nats.Msg) int {
	if !single(msg) {
		p.small = false
		return p.Slots.cost(len(msg.Data))
	}
	if p.Share < 2 || p.reserved == 0 && p.shared == 0 {
		return p.Slots.cost(len(msg.Data))
	}
	if p.shared++; p.shared%p.Share != 1 {
		return 0
	}
	return 1
}

// single says whether a message of PUSH_WORK is of a job of one recipient.
func single(msg *nats.Msg) bool {
	return len(msg.Data) < sharedBytes/16 && msg.Header.Get(jobs.HeaderTotal) == "1"
}
