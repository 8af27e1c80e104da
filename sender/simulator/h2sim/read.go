package h2sim

import (
	"errors"
	"io"

	"golang.org/x/net/http2"
)

// read is the reader. It returns when the connection is over.
func (c *Conn) read() {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c.buffered, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	for {
		frame, err := c.in.ReadFrame()
		if err == nil {
			err = c.handle(frame)
		}
		if err != nil && !c.carryOn(err) {
			return
		}
		c.throttle()
	}
}

// carryOn answers an error and says whether the connection goes on.
func (c *Conn) carryOn(err error) bool {
	var stream http2.StreamError
	var conn http2.ConnectionError
	switch {
	case errors.As(err, &errIgnored{}):
		return true
	case errors.As(err, &stream):
		c.config.Stats.Mistakes.Add(1)
		c.fail(stream.StreamID, stream.Code)
		return true
	case errors.As(err, &conn):
		c.abort(http2.ErrCode(conn))
	case errors.Is(err, http2.ErrFrameTooLarge):
		c.abort(http2.ErrCodeFrameSize)
	default:
		return false
	}
	// What the client still sends is read and dropped, so that it can read why.
	_, _ = io.Copy(io.Discard, c.conn)
	return false
}

// abort tells the client what it did wrong, and ends the connection.
func (c *Conn) abort(code http2.ErrCode) {
	c.config.Stats.Mistakes.Add(1)
	c.mu.Lock()
	text := ""
	if detail := c.in.ErrorDetail(); detail != nil {
		text = detail.Error()
	}
	c.leave(c.lastTaken, code, []byte(text))
	c.finish(false, c.hangUp)
	c.mu.Unlock()
	c.signal()
}

// fail resets a stream for a mistake of the client.
func (c *Conn) fail(id uint32, code http2.ErrCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset(id, code)
	if s := c.streams[id]; s != nil {
		c.remove(s)
	}
}

// throttle waits while too much is still to be written.
func (c *Conn) throttle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.pending.Len() > maxOut && !c.over && !c.mute {
		c.signal()
		c.drained.Wait()
	}
}

// handle reads one frame.
func (c *Conn) handle(frame http2.Frame) error {
	if !c.settled {
		first, ok := frame.(*http2.SettingsFrame)
		if !ok || first.IsAck() {
			return http2.ConnectionError(http2.ErrCodeProtocol) // RFC 9113 §3.4
		}
		c.settled = true
	}
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		return c.headers(f)
	case *http2.ContinuationFrame:
		return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.DataFrame:
		return c.data(f)
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.WindowUpdateFrame:
		return c.widen(f)
	case *http2.PingFrame:
		c.ping(f)
	case *http2.RSTStreamFrame:
		return c.cancelled(f)
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil // PRIORITY, GOAWAY and unknown frames need no answer
}

// ping answers a PING, or notes the answer to ours.
func (c *Conn) ping(f *http2.PingFrame) {
	c.mu.Lock()
	if !f.IsAck() {
		if !c.mute {
			_ = c.out.WritePing(true, f.Data)
		}
		c.mu.Unlock()
		return
	}
	then := c.pongs[f.Data]
	delete(c.pongs, f.Data)
	c.mu.Unlock()
	if then != nil {
		then()
	}
}

// cancelled: the client gave a stream up.
func (c *Conn) cancelled(f *http2.RSTStreamFrame) error {
	if f.StreamID > c.maxID {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.forgotten, f.StreamID)
	if s := c.streams[f.StreamID]; s != nil {
		s.ended = true // nothing more comes on it
		c.remove(s)
	}
	return nil
}
