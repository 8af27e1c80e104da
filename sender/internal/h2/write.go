package h2

import (
	"time"

	"golang.org/x/net/http2"
)

const (
	// maxWrite is how many bytes one write has at least before it is closed. More would save little, and keep memory busy.
	maxWrite = 128 << 10
	// maxRare is how many bytes of answers to the peer's own frames may wait until it reads them.
	maxRare = 256 << 10
)

// writer is the writer's own, but for handed, since and cut, which the connection's lock guards.
type writer struct {
	frames  *http2.Framer // into Conn.rare
	encoder *encoder
	buffer  []byte
	done    chan struct{} // closed when nothing more is written
	// handed is how many bytes of plain text may be on the network.
	handed uint64
	since  int64 // when the write under way began, 0 if there is none
	cut    *time.Timer
}

func (w *writer) init(c *Conn) {
	w.frames = http2.NewFramer(&c.rare, nil)
	w.encoder = newEncoder()
	w.done = make(chan struct{})
}

// write is the writer.
func (c *Conn) write() {
	defer close(c.out.done)
	for range c.wake {
		for c.writeOnce() {
		}
		c.mu.Lock()
		over := c.err != nil
		c.mu.Unlock()
		if over {
			_ = c.conn.SetWriteDeadline(time.Now().Add(farewell))
			_ = c.conn.Close()
			c.out.cut.Stop()
			return
		}
	}
}

// writeOnce writes what there is, as far as it may be written together, and says whether there was anything.
func (c *Conn) writeOnce() bool {
	c.mu.Lock()
	told := len(c.answers)
	buffer := c.fill(c.out.buffer[:0])
	refused := len(c.answers) > told
	c.out.buffer = buffer[:0]
	c.out.handed += uint64(len(buffer))
	c.out.since = c.socket.now()
	c.mu.Unlock()
	if refused {
		c.tell()
	}
	if len(buffer) == 0 {
		return refused
	}
	c.socket.hold()
	_, err := c.conn.Write(buffer)
	n, flushErr := c.socket.flush()
	if err == nil {
		err = flushErr
	}
	c.mu.Lock()
	c.out.since = 0
	if err != nil {
		// A record is longer than the text in it, so no more text than that can be whole at the other end.
		c.out.handed -= uint64(len(buffer) - min(n, len(buffer)))
	}
	c.mu.Unlock()
	if err != nil {
		c.fail(err)
		return false
	}
	return true
}

// fill appends to dst what is to be written next.
func (c *Conn) fill(dst []byte) []byte {
	dst = append(dst, c.rare.Bytes()...)
	c.rare.Reset()
	if c.err != nil {
		return dst
	}
	dst = c.unblock(dst)
	batch, count := int(^uint(0)>>1), 0
	n, waiting, limit := 0, c.waiting(), c.limit()
	for ; n < waiting && c.slots.open < limit && len(dst) < maxWrite; n++ {
		r := &c.queue[c.head+n]
		if r.Batch > 0 {
			batch = min(batch, r.Batch)
		}
		if count >= batch || (int64(r.length()) > c.peer.conn && len(c.blocked) > 0) {
			break
		}
		if int64(r.listSize()) > int64(c.peer.maxHeader) {
			c.answers = append(c.answers, Answer{Owner: r.Owner, Index: r.Index, Fate: Refused})
			continue
		}
		dst = c.appendRequest(dst, r)
		count++
	}
	c.take(n)
	return dst
}

// appendRequest opens a stream.
func (c *Conn) appendRequest(dst []byte, r *Request) []byte {
	for c.slots.place(c.next).id != 0 {
		c.next += 2
	}
	s := c.slots.place(c.next)
	*s = slot{id: c.next, index: r.Index, owner: r.Owner, begun: r.begun, end: unfinished, window: c.peer.window}
	c.slots.open++
	c.next += 2
	dst = c.out.encoder.appendHeaders(dst, r, s.id)
	switch n := int64(r.length()); {
	case n == 0:
	case n <= s.window && n <= c.peer.conn:
		dst = r.appendBody(dst, s.id)
		s.window -= n
		c.peer.conn -= n
	default:
		s.rest = r.appendText(nil)
		if dst = c.appendRest(dst, s); s.rest != nil {
			c.blocked = append(c.blocked, s.id)
		}
		return dst
	}
	s.end = c.out.handed + uint64(len(dst))
	return dst
}
