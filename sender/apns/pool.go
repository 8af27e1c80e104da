package apns

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/volleypush/volley/sender"
)

// pool holds a client's connections and decides whose notification is begun next, and where.
//
//   - A new connection first carries one single request. Only its answer proves the credential and brings the provider's
//     limit of streams; then as many are begun as the provider allows at that moment (apns-http2 §12, §15 rows 2 and 3).
//   - Calls that wait for streams take turns, so a small one passes a large one.
//   - Connections are opened when there is something to send and no room, one at a time. A failed dial fails the calls that
//     wait, unless another connection serves them: there is no back-off here, and so no loop either.
//   - A connection that may take nothing more is drained, then closed.
type pool struct {
	dial        dialer
	size        int
	key         *Key // nil with a certificate
	clock       func() time.Time
	dialTimeout time.Duration
	patience    time.Duration // silence after which an unanswered request condemns its connection

	mu       sync.Mutex
	era      *era
	members  []*member
	leaving  []*member
	waiting  []*call
	growFrom time.Time // no further connection is added to working ones before
	failure  error
	scratch  []int // positions, of begin
}

const (
	// maxLosses is how many connections may end under one call before its rest is given back unsent.
	maxLosses = 3
	// growPause is how long a failed dial keeps the pool from adding to connections that work.
	growPause = 10 * time.Second
)

// era is the time between two Close calls: Close waits for the goroutines of its own era only.
type era struct {
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	dialing bool
}

func newEra() *era {
	ctx, cancel := context.WithCancel(context.Background())
	return &era{ctx: ctx, cancel: cancel}
}

// member is a link of the pool with what the pool knows of it.
type member struct {
	pool    *pool
	link    link
	era     *era
	bearer  bearer
	flying  int
	proven  bool // an answer came that the credential did not spoil
	left    bool // begins nothing any more
	closing bool
	news    chan struct{}
	gone    chan struct{}
}

// changed implements listener.
func (m *member) changed() {
	select {
	case m.news <- struct{}{}:
	default:
	}
}

// room is how many requests may be begun on m now.
func (m *member) room() int {
	free := m.link.free()
	if !m.proven {
		return min(free, max(0, 1-m.flying))
	}
	return free
}

// submit lets the call take part until all its notifications are begun.
func (p *pool) submit(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, c)
	p.pump()
}

// pump begins what can be begun. The caller holds mu; so for all methods below that do not say otherwise.
func (p *pool) pump() {
	share, turns := 0, 0
	for ; len(p.waiting) > 0; turns-- {
		m, room := p.roomiest()
		if len(p.waiting) == 0 { // a connection that was found to have ended took them with it
			return
		}
		if m == nil {
			p.grow()
			return
		}
		if turns <= 0 { // a new round: everybody waiting gets the same
			share, turns = max(1, room/len(p.waiting)), len(p.waiting)
		}
		c := p.waiting[0]
		p.begin(m, c, min(room, share, c.batch, c.remaining()))
		// Its turn is over: to the back, or out if nothing of it is left.
		if len(p.waiting) > 0 && p.waiting[0] == c { // else it was stopped meanwhile
			copy(p.waiting, p.waiting[1:])
			if p.waiting[len(p.waiting)-1] = c; c.remaining() == 0 {
				p.waiting = p.waiting[:len(p.waiting)-1]
			}
		}
	}
}

// begin starts the call's next n notifications on m.
func (p *pool) begin(m *member, c *call, n int) {
	if c.proceed != nil && !c.proceed() {
		c.giveUp(Reason(NotBegun))
		return
	}
	authorization := ""
	if p.key != nil {
		token, err := m.bearer.use(p.key, p.clock())
		if err != nil {
			p.failure = err
			p.lose(m, Reason(ConnectionLost))
			return
		}
		authorization = "bearer " + token
	}
	p.scratch = c.upcoming(n, p.scratch[:0])
	started := m.link.start(c, p.scratch, authorization)
	m.flying += started
	c.began(p.scratch[:started], time.Now())
	if started < n {
		// The link said that it had room; if it does not know why it had none, it would say so for ever.
		p.lose(m, Reason(ConnectionLost))
	}
}

// roomiest returns the member with the most room, nil if none has enough.
func (p *pool) roomiest() (*member, int) {
	var best *member
	most := 0
	for i := 0; i < len(p.members); i++ {
		m := p.members[i]
		room := m.room()
		if room > most && !p.gathers(m, room) {
			best, most = m, room
		}
		if room > 0 {
			continue
		}
		if reason := m.link.ended(); reason != nil {
			p.lose(m, reason)
			i = -1 // others are in its place
			best, most = nil, 0
		}
	}
	return best, most
}

// gathers says that a few streams became free on a busy connection while there is more to send than fits on them: it is
// cheaper to wait for a few more. The answers to what is in the air bring them.
func (p *pool) gathers(m *member, room int) bool {
	const enough, part = 64, 8
	if room >= enough || room*part >= m.flying {
		return false
	}
	for _, c := range p.waiting {
		if room -= c.remaining(); room < 0 {
			return true
		}
	}
	return false
}

// sweep takes out what has ended since the last look.
func (p *pool) sweep() {
	for _, m := range slices.Clone(p.members) {
		if reason := m.link.ended(); reason != nil {
			p.lose(m, reason)
		}
	}
}

// stop gives the rest of a call back, each with the reason.
func (p *pool) stop(c *call, reason *sender.Reason) {
	p.waiting = slices.DeleteFunc(p.waiting, func(other *call) bool { return other == c })
	c.giveUp(reason)
}
