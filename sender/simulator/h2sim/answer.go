package h2sim

import (
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Take hands a request to the handler and answers it. It does nothing if the stream is over.
func (c *Conn) Take(s *Stream) {
	c.take(s)
	c.signal()
}

// take is Take for the reader, which lets the answers go before it waits for more requests.
func (c *Conn) take(s *Stream) {
	if c.note(s) {
		c.answer(s, c.config.Handler.Answer(&s.request))
	}
}

// Lose hands a request to the handler and loses the answer.
func (c *Conn) Lose(s *Stream) {
	if c.note(s) {
		c.config.Handler.Answer(&s.request)
	}
}

// Refuse resets a stream whose request was not taken.
func (c *Conn) Refuse(s *Stream, code http2.ErrCode) {
	c.mu.Lock()
	if c.streams[s.id] == s {
		c.reset(s.id, code)
		c.remove(s)
	}
	c.mu.Unlock()
	c.signal()
}

// note marks a request as taken; false if its stream is over, or its client has been told that it never will be.
func (c *Conn) note(s *Stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams[s.id] != s || s.taken || c.leftOut(s.id) {
		return false
	}
	s.taken = true
	c.lastTaken = max(c.lastTaken, s.id)
	return true
}

// answer gives the answer now, later or never.
func (c *Conn) answer(s *Stream, r Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.streams[s.id] != s || c.over || r.Never:
	case r.Latency > 0:
		latency := r.Latency
		r.Latency = 0
		c.timers.Add(1)
		s.timer = time.AfterFunc(latency, func() {
			defer c.timers.Done()
			c.answer(s, r)
			c.signal()
		})
	case c.stalled:
		c.waiting = append(c.waiting, late{s, r})
	default:
		c.respond(s, &r)
	}
}

// stopTimer is called when a stream is over. The caller holds mu.
func (c *Conn) stopTimer(s *Stream) {
	if s.timer != nil && s.timer.Stop() {
		c.timers.Done()
	}
}

// remove ends a stream. The caller holds mu.
func (c *Conn) remove(s *Stream) {
	c.stopTimer(s)
	delete(c.streams, s.id)
	c.forget(s.id, s.ended)
	if len(s.rest) > 0 {
		c.blocked = slices.DeleteFunc(c.blocked, func(other *Stream) bool { return other == s })
	}
	c.drain()
}

// reset writes a RST_STREAM. The caller holds mu.
func (c *Conn) reset(id uint32, code http2.ErrCode) {
	if !c.mute {
		_ = c.out.WriteRSTStream(id, code)
	}
}

// respond writes an answer as far as the windows allow. The caller holds mu.
func (c *Conn) respond(s *Stream, r *Response) {
	if c.mute {
		c.remove(s)
		return
	}
	for _, status := range r.Informational {
		c.informational(s.id, status)
	}
	if r.Reset != nil && r.Status == 0 {
		c.reset(s.id, *r.Reset)
		c.remove(s)
		return
	}
	s.rest, s.trailer, s.cut = r.Body, r.Trailer, r.Reset
	if s.cut != nil {
		s.rest, s.trailer = s.rest[:len(s.rest)/2], nil
	}
	if r.Last {
		defer c.finish(true, func() {})
	}
	last := len(s.rest) == 0 && len(s.trailer) == 0 && s.cut == nil
	c.block.Reset()
	c.field(Field{Name: ":status", Value: statusText(r.Status)})
	c.fields(r.Header)
	c.writeBlock(s.id, last)
	if last {
		c.finished(s)
		return
	}
	c.blocked = append(c.blocked, s)
	c.pump()
}

// statusText avoids an allocation for the commonest ones.
func statusText(status int) string {
	if status == 200 {
		return "200"
	}
	return strconv.Itoa(status)
}

// finished is called when the whole answer is written. The caller holds mu.
func (c *Conn) finished(s *Stream) {
	if !s.ended {
		c.reset(s.id, http2.ErrCodeNo) // the rest of the request is of no interest, RFC 9113 §8.1
	}
	c.remove(s)
}

func (c *Conn) informational(id uint32, status int) {
	c.block.Reset()
	c.field(Field{Name: ":status", Value: strconv.Itoa(status)})
	c.writeBlock(id, false)
}

func (c *Conn) field(f Field) {
	_ = c.encoder.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value, Sensitive: f.Once})
}

func (c *Conn) fields(all Fields) {
	for i := range all {
		c.field(all[i])
	}
}

// writeBlock writes the header block, in as many frames as it takes. The caller holds mu.
func (c *Conn) writeBlock(id uint32, endStream bool) {
	block := c.block.Bytes()
	first := block[:min(len(block), c.peer.frameSize)]
	rest := block[len(first):]
	_ = c.out.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: first, EndStream: endStream, EndHeaders: len(rest) == 0,
	})
	for len(rest) > 0 {
		piece := rest[:min(len(rest), c.peer.frameSize)]
		rest = rest[len(piece):]
		_ = c.out.WriteContinuation(id, len(rest) == 0, piece)
	}
}

// pump writes bodies as far as the client's windows allow, in the order of the answers. The caller holds mu.
func (c *Conn) pump() {
	if c.mute || len(c.blocked) == 0 {
		return
	}
	waiting := c.blocked
	c.blocked = nil
	var still []*Stream
	for _, s := range waiting {
		for len(s.rest) > 0 {
			n := int(min(int64(len(s.rest)), int64(c.peer.frameSize), c.peer.conn, s.send))
			if n <= 0 {
				break
			}
			piece := s.rest[:n]
			s.rest = s.rest[n:]
			s.send -= int64(n)
			c.peer.conn -= int64(n)
			_ = c.out.WriteData(s.id, len(s.rest) == 0 && len(s.trailer) == 0 && s.cut == nil, piece)
		}
		if len(s.rest) > 0 {
			still = append(still, s)
			continue
		}
		c.closing(s)
	}
	c.blocked = append(still, c.blocked...)
}

// closing writes what comes after a body. The caller holds mu.
func (c *Conn) closing(s *Stream) {
	if len(s.trailer) > 0 {
		c.block.Reset()
		c.fields(s.trailer)
		c.writeBlock(s.id, true)
	}
	if s.cut != nil {
		c.reset(s.id, *s.cut)
		c.remove(s)
		return
	}
	c.finished(s)
}

// update writes a WINDOW_UPDATE.
func (c *Conn) update(id, credit uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mute {
		_ = c.out.WriteWindowUpdate(id, credit)
	}
}

// widen reads a WINDOW_UPDATE.
func (c *Conn) widen(f *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.StreamID == 0 {
		if c.peer.conn += int64(f.Increment); c.peer.conn > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.pump()
		return nil
	}
	s := c.streams[f.StreamID]
	switch {
	case f.StreamID > c.maxID:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case s == nil:
		return nil // it is over
	}
	if s.send += int64(f.Increment); s.send > maxWindow {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl}
	}
	c.pump()
	return nil
}
