package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// lastID is where stream ids end, well before 2^31-1.
const lastID = 1<<31 - 1<<16 - 1

// Conn is one connection. Its methods are safe for concurrent use.
type Conn struct {
	config Config
	socket *socket
	conn   net.Conn // TLS on the socket

	wake   chan struct{} // for the writer
	ready  chan struct{} // closed with the peer's first SETTINGS
	done   chan struct{} // closed when everything is settled
	ticker *time.Timer

	in  reader
	out writer

	mu      sync.Mutex
	slots   slots
	queue   []Request // begun; those from head on are not yet handed to the writer
	head    int
	next    uint32 // the next stream's id
	peer    peer
	settled bool // the peer's first SETTINGS are here
	leaving *GoAway
	err     error // why nothing more is read or written
	answers []Answer
	changed bool
	spent   []*partial // for reuse once the answers are told
	spare   []*partial
	rare    bytes.Buffer // frames that are no requests, to be written next
	blocked []uint32     // streams whose body waits for a window
	health  health

	telling sync.Mutex // held while the handler is told; taken before mu
	told    []Answer   // guarded by telling
}

// Open does the TLS handshake on a TCP connection and returns when the peer's SETTINGS are here, so that Free says what the
// peer allows. It owns raw from then on, also when it fails. The context bounds opening only.
func Open(ctx context.Context, raw net.Conn, tlsConfig *tls.Config, config Config) (*Conn, error) {
	socket := newSocket(raw)
	tlsConfig = tlsConfig.Clone()
	tlsConfig.NextProtos = []string{http2.NextProtoTLS}
	tlsConfig.DynamicRecordSizingDisabled = true
	conn := tls.Client(socket, tlsConfig)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, &HandshakeError{err}
	}
	if conn.ConnectionState().NegotiatedProtocol != http2.NextProtoTLS {
		_ = raw.Close()
		return nil, ErrProtocol
	}
	c := newConn(socket, conn, config)
	c.run()
	select {
	case <-c.ready:
		return c, nil
	case <-c.done:
		return nil, c.Err()
	case <-ctx.Done():
		c.Close()
		return nil, context.Cause(ctx)
	}
}

func newConn(socket *socket, conn net.Conn, config Config) *Conn {
	c := &Conn{
		config: config.withDefaults(), socket: socket, conn: conn,
		wake: make(chan struct{}, 1), ready: make(chan struct{}), done: make(chan struct{}),
		next: 1, peer: newPeer(),
	}
	c.in.init(c)
	c.out.init(c)
	c.slots.grow(1)
	c.preface()
	return c
}

// run starts the connection.
func (c *Conn) run() {
	c.watch()
	go c.write()
	go c.serve()
	c.signal()
}

// serve reads until the connection is over, then settles what is left.
func (c *Conn) serve() {
	err := c.read()
	c.fail(err)
	<-c.out.done // what was written is known only now
	c.mu.Lock()
	c.ticker.Stop()
	c.settleRest()
	c.mu.Unlock()
	c.tell()
	close(c.done)
}

// settleRest settles everything that is left when nothing more is read or written.
func (c *Conn) settleRest() {
	c.slots.each(func(s *slot) {
		fate := Lost
		if s.end > c.out.handed {
			fate = Unsent
		}
		c.settle(s, Answer{Fate: fate})
	})
	c.settleQueue(Unsent)
	c.changed = true
}

func (c *Conn) settleQueue(fate Fate) {
	for i := range c.waiting() {
		r := &c.queue[c.head+i]
		c.answers = append(c.answers, Answer{Owner: r.Owner, Index: r.Index, Fate: fate})
	}
	c.take(c.waiting())
}

// waiting is how many requests are queued.
func (c *Conn) waiting() int { return len(c.queue) - c.head }

// take takes the first n requests out of the queue.
func (c *Conn) take(n int) {
	const slack = 1024 // moving the rest to the front each time would cost more than it saves
	c.head += n
	if c.head < len(c.queue) && c.head < slack {
		return
	}
	rest := copy(c.queue, c.queue[c.head:])
	clear(c.queue[rest:])
	c.queue, c.head = c.queue[:rest], 0
}

// settle ends a stream with an answer. The caller holds mu.
func (c *Conn) settle(s *slot, a Answer) {
	a.Owner, a.Index = s.owner, s.index
	if s.partial != nil {
		c.spent = append(c.spent, s.partial)
	}
	if s.rest != nil {
		c.blocked = slices.DeleteFunc(c.blocked, func(id uint32) bool { return id == s.id })
	}
	c.slots.free(s)
	c.answers = append(c.answers, a)
}

// signal wakes the writer.
func (c *Conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Free is how many requests Begin takes now. It is 0 for a connection that has ended.
func (c *Conn) Free() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.free()
}

func (c *Conn) free() int {
	if !c.settled || c.unusable() != nil || c.peer.full(c.blocked) {
		return 0
	}
	return max(0, c.limit()-c.slots.open-c.waiting())
}

// Capacity is how many requests may be in the air at once as things stand: those that are, and Free more.
func (c *Conn) Capacity() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.free() + c.slots.open + c.waiting()
}

// limit is how many streams may be open.
func (c *Conn) limit() int { return int(min(uint32(c.config.MaxStreams), c.peer.streams)) }

// Begin queues as many of the requests as Free allows, in order, and returns how many. It does not wait and calls no
// handler.
func (c *Conn) Begin(requests []Request) int {
	c.mu.Lock()
	n := min(len(requests), c.free())
	c.queue = append(c.queue, requests[:n]...)
	now := c.socket.now()
	for i := range c.queue[len(c.queue)-n:] {
		c.queue[len(c.queue)-n+i].begun = now
	}
	c.mu.Unlock()
	if n > 0 {
		c.signal()
	}
	return n
}

// Cancel gives up the requests of an owner that have had no answer for at least age, and appends what became of them to into:
// Withdrawn if they were written, Unsent if not. It calls no handler.
func (c *Conn) Cancel(owner any, age time.Duration, into []Answer) []Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := len(c.answers)
	now, last := c.socket.now(), c.socket.lastRead.Load()
	c.slots.each(func(s *slot) {
		if s.owner != owner || now-s.begun < int64(age) {
			return
		}
		fate := Withdrawn
		if s.end == unfinished {
			fate = Unsent // without its last byte the peer does not process it
		}
		c.reset(s.id, http2.ErrCodeCancel)
		c.settle(s, Answer{Fate: fate, Waited: time.Duration(now - s.begun), Silent: last < s.begun})
	})
	into = append(into, c.answers[told:]...)
	c.answers = c.answers[:told]
	rest := slices.DeleteFunc(c.queue[c.head:], func(r Request) bool {
		if r.Owner != owner || now-r.begun < int64(age) {
			return false
		}
		into = append(into, Answer{Owner: owner, Index: r.Index, Fate: Unsent})
		return true
	})
	c.queue = c.queue[:c.head+len(rest)]
	c.signal()
	return into
}

// Err is why the connection takes no more requests; nil as long as it may. With *GoAway and ErrExhausted what is in the air
// goes on.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unusable()
}

func (c *Conn) unusable() error {
	switch {
	case c.leaving != nil:
		return c.leaving
	case c.err != nil:
		return c.err
	case c.next > lastID:
		return ErrExhausted
	}
	return nil
}

// Done is closed when nothing of the connection is left and everything was told.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close ends the connection; what is in the air is settled. It returns when nothing of the connection is left, so it must not
// be called by the handler.
func (c *Conn) Close() {
	c.fail(ErrClosed)
	<-c.done
}

// farewell is how long saying goodbye may take.
const farewell = 250 * time.Millisecond

// fail ends the connection for the first reason that it is given. The writer says goodbye and closes the network.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	c.changed = true
	code := http2.ErrCodeNo
	if mistake, ok := errors.AsType[*PeerError](err); ok {
		code = mistake.Code
	}
	_ = c.out.frames.WriteGoAway(0, code, nil) // the peer opens no streams
	raw := c.socket.Conn
	c.out.cut = time.AfterFunc(farewell, func() { _ = raw.Close() })
	c.signal()
}

// tell hands over what was settled. The caller holds nothing. When it returns, nobody looks at the reader's buffer any more.
func (c *Conn) tell() {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.mu.Lock()
	answers, changed, spent := c.answers, c.changed, c.spent
	c.answers, c.changed, c.spent = c.told[:0], false, nil
	c.mu.Unlock()
	if len(answers) > 0 {
		c.config.Handler.Settled(answers)
		clear(answers)
	}
	if changed {
		c.config.Handler.Changed()
	}
	c.told = answers
	if len(spent) > 0 {
		c.mu.Lock()
		c.recycle(spent)
		c.mu.Unlock()
	}
}

// maxSpare is how many unfinished answers are kept for reuse, each with at most maxSpareBody bytes.
const (
	maxSpare     = 256
	maxSpareBody = 4 << 10
)

func (c *Conn) recycle(spent []*partial) {
	for _, p := range spent {
		if len(c.spare) >= maxSpare || cap(p.body) > maxSpareBody {
			continue
		}
		*p = partial{store: p.store[:0], body: p.body[:0]}
		c.spare = append(c.spare, p)
	}
	if c.spent == nil {
		clear(spent)
		c.spent = spent[:0]
	}
}
