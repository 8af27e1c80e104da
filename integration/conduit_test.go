package integration

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// retransmission is how long TCP waits before it sends again what was lost, at least.
const retransmission = 200 * time.Millisecond

// weather is what a conduit does to the bytes that pass through it. The zero value does nothing.
type weather struct {
	// delay and up to jitter more is how much later each piece arrives.
	delay, jitter time.Duration
	// rate is the most bytes a second in each direction.
	rate int
	// loss is the share of pieces that are lost. TCP hides that: what was lost comes a retransmission later, and what follows waits for it.
	loss float64
	// stalled lets nothing arrive in either direction, until the weather changes.
	stalled bool
}

// conduit is a TCP proxy between two that do not know of it. It knows bytes only, and breaks what it forwards into pieces that are no
// frames of anybody's.
type conduit struct {
	addr, target string

	mu      sync.Mutex
	weather weather
	changed chan struct{} // closed and replaced when the weather changes
	pairs   map[*pair]struct{}
	running sync.WaitGroup
}

// pair is one connection through a conduit: the client's end and the server's.
type pair struct {
	client, server net.Conn
	// deaf is closed when nothing is forwarded any more.
	deaf   chan struct{}
	forget sync.Once

	mu sync.Mutex
	// left is how many bytes still pass, in both directions together, if it is limited.
	left    int
	limited bool
}

// startConduit listens for whom to forward to the target until the test ends.
func startConduit(t *testing.T, target string) *conduit {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &conduit{addr: l.Addr().String(), target: target, changed: make(chan struct{}), pairs: map[*pair]struct{}{}}
	r.running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			p := &pair{client: client, server: server, deaf: make(chan struct{})}
			r.mu.Lock()
			r.pairs[p] = struct{}{}
			r.mu.Unlock()
			r.running.Go(func() { r.forward(p, client, server) })
			r.running.Go(func() { r.forward(p, server, client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.set(weather{})
		for _, p := range r.open() {
			r.end(p)
		}
		r.running.Wait()
	})
	return r
}

// set changes the weather, also for what is on its way.
func (r *conduit) set(w weather) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.weather = w
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *conduit) now() (weather, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.weather, r.changed
}

func (r *conduit) open() (all []*pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		all = append(all, p)
	}
	return all
}

// cut lets n more bytes through each open connection and then resets both its ends: in the middle of a frame, unless n is lucky.
func (r *conduit) cut(n int) {
	for _, p := range r.open() {
		p.mu.Lock()
		p.limited, p.left = true, n
		p.mu.Unlock()
	}
}

// forget leaves each open connection half-open: the server's end is closed, the client is told nothing, and what it sends goes nowhere.
func (r *conduit) forget() {
	for _, p := range r.open() {
		p.forget.Do(func() { close(p.deaf) })
		_ = p.server.Close()
	}
}

// end resets both ends.
func (r *conduit) end(p *pair) {
	r.mu.Lock()
	delete(r.pairs, p)
	r.mu.Unlock()
	p.forget.Do(func() { close(p.deaf) })
	for _, c := range []net.Conn{p.client, p.server} {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}

// allow says how many of n bytes may still pass, and whether the connection ends behind them.
func (p *pair) allow(n int) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.limited {
		return n, false
	}
	n = min(n, p.left)
	p.left -= n
	return n, p.left == 0
}

// piece is what was read at once, and when it arrives.
type piece struct {
	bytes []byte
	due   time.Time
}

// forward moves bytes in one direction. Reading does not wait for writing, so that a delay is no limit of the rate.
func (r *conduit) forward(p *pair, from, to net.Conn) {
	pieces := make(chan piece, 1024)
	r.running.Go(func() { r.deliver(p, to, pieces) })
	defer close(pieces)
	var last time.Time // when the one before arrives
	for {
		buffer := make([]byte, 1+rand.N(8<<10))
		n, err := from.Read(buffer)
		if n > 0 {
			w, _ := r.now()
			due := time.Now().Add(w.delay)
			if w.jitter > 0 {
				due = due.Add(rand.N(w.jitter))
			}
			if rand.Float64() < w.loss {
				due = due.Add(retransmission)
			}
			if due.Before(last) {
				due = last // TCP keeps the order
			}
			if w.rate > 0 {
				due = due.Add(time.Duration(n) * time.Second / time.Duration(w.rate))
			}
			last = due
			select {
			case pieces <- piece{buffer[:n], due}:
			case <-p.deaf:
				_, _ = io.Copy(io.Discard, from) // a peer of a half-open connection can still write
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// deliver writes what was read, each piece when it is due.
func (r *conduit) deliver(p *pair, to net.Conn, pieces <-chan piece) {
	for one := range pieces {
		for waiting := true; waiting; {
			w, changed := r.now()
			wait := time.Until(one.due)
			if w == (weather{}) {
				wait = 0
			}
			if !w.stalled && wait <= 0 {
				break
			}
			var due <-chan time.Time
			if !w.stalled {
				due = time.After(wait)
			}
			select {
			case <-due:
				waiting = false
			case <-changed:
			case <-p.deaf:
				return
			}
		}
		n, last := p.allow(len(one.bytes))
		if _, err := to.Write(one.bytes[:n]); err != nil || last {
			if !p.forgotten() {
				r.end(p)
			}
			return
		}
	}
	if p.forgotten() {
		return // nobody tells the other end
	}
	if tcp, ok := to.(*net.TCPConn); ok && tcp.CloseWrite() != nil {
		r.end(p)
	}
}

func (p *pair) forgotten() bool {
	select {
	case <-p.deaf:
		return true
	default:
		return false
	}
}
