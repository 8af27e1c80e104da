package apns

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/volleypush/volley/sender"
)

// gateway is a client's side of the binary protocol. It holds the calls that have something to write and the connections,
// its sessions.
//
//   - The protocol answers nothing but the first refusal, and that ends the connection (apns-binary §3). So a session is
//     written as long as there is something to write, whoever's it is; then a barrier follows, a notification that can't be
//     accepted. Its refusal proves that everything before it was: nobody waits for a time to pass, and nobody takes silence
//     for success. Calls that come together share a session and its barrier.
//   - What was written after a refused notification was discarded, and is written again on another session. Calls take
//     turns, batch by batch.
//   - Identifiers belong to one session and begin with 1, so a late packet can't mean somebody else, and 0 nobody.
//   - One session is being written at a time; size bounds how many there are, those included that wait for their barrier.
//     A failed dial fails the calls that wait: there is no back-off here, and so no loop either.
type gateway struct {
	dial        func(ctx context.Context) (binaryConn, error)
	size        int
	most        int // notifications that one session takes
	dialTimeout time.Duration

	mu       sync.Mutex
	era      *era
	waiting  []*binaryCall // those with something to write
	sessions map[*session]struct{}
	filling  *session // the one that is dialled or written
	failure  error
}

const (
	// defaultSessions is Config.Connections for the binary protocol: while one session waits for its barrier the next is
	// written.
	defaultSessions = 4
	// sealAfter is how long a call whose all is written waits for the barrier while others go on writing.
	sealAfter = 200 * time.Millisecond
	// maxWritten bounds the notifications of one session, which are kept until their outcome is known.
	maxWritten = 1 << 16
)

// submit lets the call take part.
func (g *gateway) submit(c *binaryCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.progress = time.Now()
	g.waiting = append(g.waiting, c)
	g.pump()
}

// pump opens a session if there is something to write and nobody writing. The caller holds mu; so for all methods below that
// do not say otherwise.
func (g *gateway) pump() {
	if len(g.waiting) == 0 || g.filling != nil || len(g.sessions) >= g.size {
		return
	}
	s := &session{
		gateway: g, era: g.era, calls: map[*binaryCall]int{}, over: make(chan struct{}), quit: make(chan struct{}),
	}
	g.sessions[s], g.filling = struct{}{}, s
	g.era.wg.Go(s.run)
}

// leave takes a call out of the queue.
func (g *gateway) leave(c *binaryCall) {
	g.waiting = slices.DeleteFunc(g.waiting, func(other *binaryCall) bool { return other == c })
}

// next picks the notifications of the next write, and none if the session is to be sealed. Calls take turns and may share a
// write, but no call sees more notifications in it than its batch size. It takes mu itself.
func (g *gateway) next(s *session) []binaryFlight {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(s.written) >= g.most || !s.fullSince.IsZero() && time.Since(s.fullSince) > sealAfter {
		return nil
	}
	begin, limit := len(s.written), min(maxBatchSize, g.most-len(s.written))
	for len(g.waiting) > 0 {
		c := g.waiting[0]
		limit = min(limit, c.batch)
		n := min(limit-(len(s.written)-begin), len(c.todo))
		if n <= 0 {
			break
		}
		g.waiting = g.waiting[1:]
		if c.request.Proceed != nil && !c.request.Proceed() {
			c.giveUp(Reason(NotBegun))
			c.moved()
			continue
		}
		for _, recipient := range c.take(n) {
			s.written = append(s.written, binaryFlight{c, recipient})
		}
		s.calls[c] += n
		c.writing++
		if len(c.todo) > 0 {
			g.waiting = append(g.waiting, c)
		}
	}
	return s.written[begin:]
}

// binaryFlight is one recipient on its way.
type binaryFlight struct {
	call      *binaryCall
	recipient int
}

// wrote notes that of the flights that next picked the first n were written; the others certainly did not reach the gateway. It
// takes mu itself.
func (g *gateway) wrote(s *session, batch []binaryFlight, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.written = s.written[:len(s.written)-len(batch)+n]
	g.again(s, batch[n:])
	for _, c := range callsOf(batch) {
		c.writing--
		c.moved()
		if len(c.todo) == 0 && s.fullSince.IsZero() {
			s.fullSince = time.Now()
		}
	}
}

// again queues flights that were certainly not processed.
func (g *gateway) again(s *session, flights []binaryFlight) {
	for len(flights) > 0 {
		c, recipients := flights[0].call, make([]int, 0, len(flights))
		for len(flights) > 0 && flights[0].call == c {
			recipients = append(recipients, flights[0].recipient)
			flights = flights[1:]
		}
		s.calls[c] -= len(recipients)
		c.again(recipients)
		switch {
		case g.era != s.era: // closed meanwhile
			c.giveUp(Reason(NotBegun))
		case len(c.todo) > 0 && !slices.Contains(g.waiting, c):
			g.waiting = append(g.waiting, c)
		}
	}
}

// callsOf lists the calls of some flights, each once.
func callsOf(flights []binaryFlight) []*binaryCall {
	var calls []*binaryCall
	for _, f := range flights {
		if !slices.Contains(calls, f.call) {
			calls = append(calls, f.call)
		}
	}
	return calls
}

// sealed lets the next session be written. It takes mu itself.
func (g *gateway) sealed(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.filling = nil
	s.closeIfForgotten()
	g.pump()
}

// drop forgets a session.
func (g *gateway) drop(s *session) {
	delete(g.sessions, s)
	if g.filling == s {
		g.filling = nil
	}
}

// dialFailed fails the calls that wait, and takes mu itself.
func (g *gateway) dialFailed(s *session, err error) {
	reason := Reason(ConnectionFailed)
	if known, ok := errors.AsType[*dialError](err); ok {
		reason = known.reason
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(s)
	if g.era != s.era { // closed meanwhile
		g.pump()
		return
	}
	g.failure = err
	g.stopAll(reason)
}

// stopAll gives everything that waits back, each with the reason.
func (g *gateway) stopAll(reason *sender.Reason) {
	waiting := g.waiting
	g.waiting = nil
	for _, c := range waiting {
		c.giveUp(reason)
		c.moved()
	}
}

// close ends every connection and waits until nothing of them is left; what is written is uncertain, what waits unsent. The
// gateway connects anew when it is used again. It takes mu itself.
func (g *gateway) close() {
	g.mu.Lock()
	old := g.era
	g.era = newEra()
	old.cancel()
	g.stopAll(Reason(NotBegun))
	for s := range g.sessions {
		s.leave()
	}
	g.mu.Unlock()
	old.wg.Wait()
}

func (g *gateway) lastFailure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failure
}
