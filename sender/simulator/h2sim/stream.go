package h2sim

import (
	"bytes"
	"time"

	"golang.org/x/net/http2"
)

// maxWindow is the largest a flow-control window may be.
const maxWindow = 1<<31 - 1

// Stream is one request and its answer.
type Stream struct {
	id      uint32
	request Request
	length  int64  // content-length, -1 if none
	read    int64  // bytes of body so far
	body    []byte // what Request.Body is made of, unless it came in one piece
	window  int64  // how much the client may still send
	credit  uint32 // how much of what it sent is not yet credited
	ended   bool   // the client has sent everything
	taken   bool   // the handler has it, or had it

	send    int64 // how much we may still send
	rest    []byte
	trailer Fields
	cut     *http2.ErrCode // ends the stream in place of END_STREAM
	timer   *time.Timer
}

// ID is the stream's identifier.
func (s *Stream) ID() uint32 { return s.id }

// Keep makes the request independent of the reader's buffers, so that it can be taken after Config.Arrived has returned.
func (s *Stream) Keep() { s.request.Body = bytes.Clone(s.request.Body) }

// open begins a stream when its header is complete, or ends one with trailers.
func (c *Conn) open() error {
	h := &c.head
	if h.stream%2 == 0 {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if h.stream <= c.maxID {
		return c.trailers()
	}
	c.maxID = h.stream
	c.mu.Lock()
	err := c.admit()
	if err == nil && !h.complete() && h.size <= h.limit {
		c.forget(h.stream, h.ends)
		err = http2.StreamError{StreamID: h.stream, Code: http2.ErrCodeProtocol}
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	s := c.newStream()
	h.request(&s.request)
	s.id, s.ended, s.length = h.stream, h.ends, h.length
	c.mu.Lock()
	s.window, s.send = int64(c.config.Window), c.peer.window
	if !c.settingsRead {
		s.window = defaultWindow // until it has read ours, the client counts from the default
	}
	c.streams[s.id] = s
	if h.expects && !s.ended && !c.mute {
		c.informational(s.id, 100)
	}
	c.mu.Unlock()
	switch {
	case h.size > h.limit:
		c.answer(s, Response{Status: 431})
		return nil
	case c.early != nil && !s.ended:
		if answer, ok := c.early.Early(&s.request); ok {
			c.note(s)
			c.answer(s, answer)
			return nil
		}
	}
	if s.ended {
		c.arrived(s)
	}
	return nil
}

// errIgnored says that the stream's header was read and nothing more is to be done about it.
type errIgnored struct{}

func (errIgnored) Error() string { return "ignored" }

// admit decides whether one more stream may be opened. The caller holds mu.
func (c *Conn) admit() error {
	h := &c.head
	if c.ignoring || c.leftOut(h.stream) {
		c.forget(h.stream, h.ends)
		return errIgnored{}
	}
	open := uint64(len(c.streams))
	if open < uint64(c.limits.stated) {
		return nil
	}
	c.config.Stats.Refused.Add(1)
	if open >= uint64(c.limits.permitted()) {
		c.config.Stats.Excess.Add(1)
		if c.config.Excess != nil {
			if code, debug, yes := c.config.Excess(); yes {
				c.leave(c.lastTaken, code, []byte(debug))
				c.finish(false, c.hangUp)
				return errIgnored{}
			}
		}
	}
	c.reset(h.stream, http2.ErrCodeRefusedStream)
	c.forget(h.stream, h.ends)
	return errIgnored{}
}

// forget remembers that the client may go on sending on a stream that is over for us. The caller holds mu.
func (c *Conn) forget(id uint32, ended bool) {
	if !ended {
		c.forgotten[id] = struct{}{}
	}
}

// trailers ends a stream; what they say is of no interest.
func (c *Conn) trailers() error {
	id := c.head.stream
	c.mu.Lock()
	s := c.streams[id]
	_, forgotten := c.forgotten[id]
	if forgotten && c.head.ends {
		delete(c.forgotten, id)
	}
	c.mu.Unlock()
	switch {
	case s == nil && forgotten:
		return nil
	case s == nil || s.ended:
		return http2.ConnectionError(http2.ErrCodeStreamClosed)
	case !c.head.ends || c.head.malformed:
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	return c.ends(s, nil)
}

// data takes a piece of a body and credits it at once: bodies are bounded by MaxBody, not by the windows. So nobody can
// exceed the connection's window, of which half is always left, and a stream's only if that is small.
func (c *Conn) data(f *http2.DataFrame) error {
	size, id := int64(f.Length), f.StreamID
	if c.credit += f.Length; c.credit >= connWindow/2 {
		c.update(0, c.credit)
		c.credit = 0
	}
	c.mu.Lock()
	s := c.streams[id]
	_, forgotten := c.forgotten[id]
	if forgotten && f.StreamEnded() {
		delete(c.forgotten, id)
	}
	if s != nil && !s.ended {
		s.window -= size
	}
	c.mu.Unlock()
	switch {
	case s == nil && forgotten:
		return nil
	case s == nil && id > c.maxID:
		return http2.ConnectionError(http2.ErrCodeProtocol) // DATA on an idle stream, RFC 9113 §5.1
	case s == nil || s.ended:
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeStreamClosed}
	case s.window < 0:
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeFlowControl}
	}
	if f.StreamEnded() {
		return c.ends(s, f.Data())
	}
	if s.request.Oversize {
		return nil // it is on its way to an answer, whatever else comes
	}
	if s.add(f.Data(), c.config.MaxBody); s.request.Oversize {
		c.arrived(s)
		return nil
	}
	if s.credit += f.Length; s.credit >= c.config.Window/2 {
		c.update(id, s.credit)
		c.mu.Lock()
		s.window += int64(s.credit)
		c.mu.Unlock()
		s.credit = 0
	}
	return nil
}

// add appends a piece to the body, as far as it is kept.
func (s *Stream) add(piece []byte, limit int) {
	s.read += int64(len(piece))
	if s.read > int64(limit) {
		s.request.Oversize = true
		piece = piece[:max(0, limit-len(s.body))]
	}
	s.body = append(s.body, piece...)
	s.request.Body = s.body
}

// ends is called with the last piece of a body, which needs no copy if it is also the first.
func (c *Conn) ends(s *Stream, last []byte) error {
	c.mu.Lock()
	s.ended = true
	c.mu.Unlock()
	if len(s.body) == 0 && len(last) <= c.config.MaxBody {
		s.request.Body = last
		s.read = int64(len(last))
	} else {
		s.add(last, c.config.MaxBody)
	}
	if s.length >= 0 && s.length != s.read {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol}
	}
	c.arrived(s)
	return nil
}

// arrived decides what becomes of a complete request.
func (c *Conn) arrived(s *Stream) {
	c.mu.Lock()
	over := s.taken || c.leftOut(s.id)
	c.mu.Unlock()
	if over {
		return // it was answered early, or a GOAWAY came between its header and its end
	}
	c.config.Stats.Requests.Add(1)
	if c.config.Arrived != nil && !c.config.Arrived(s) {
		return
	}
	c.take(s)
	c.recycle(s)
}

// newStream takes an idle one if there is one.
func (c *Conn) newStream() *Stream {
	n := len(c.idle)
	if n == 0 {
		return new(Stream)
	}
	s := c.idle[n-1]
	c.idle = c.idle[:n-1]
	return s
}

// recycle keeps a stream that was answered on the spot. Nobody else knows it: streams that were held, or whose answer
// waits for something, are left to the garbage collector.
func (c *Conn) recycle(s *Stream) {
	if len(c.idle) == maxIdle {
		return
	}
	c.mu.Lock()
	_, known := c.streams[s.id]
	c.mu.Unlock()
	if known || s.timer != nil {
		return
	}
	*s = Stream{request: Request{Header: s.request.Header[:0]}, body: s.body[:0]}
	if cap(s.body) > maxFrame {
		s.body = nil
	}
	c.idle = append(c.idle, s)
}
