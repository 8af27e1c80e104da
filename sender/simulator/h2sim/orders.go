package h2sim

import (
	"time"

	"golang.org/x/net/http2"
)

// SetMaxStreams states a new SETTINGS_MAX_CONCURRENT_STREAMS. It holds for streams opened from now on; what the client
// opens before it has read it is refused, which is safe to send again.
func (c *Conn) SetMaxStreams(streams uint32) {
	c.mu.Lock()
	if c.limits.stated != streams && !c.mute {
		_ = c.out.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: streams})
		c.limits.state(streams)
	}
	c.mu.Unlock()
	c.signal()
}

// GoAway asks the client to leave. Streams above last are not processed from now on; if some were, it is raised to the
// highest of them, and returned. It may be sent several times.
func (c *Conn) GoAway(last uint32, code http2.ErrCode, debug []byte) uint32 {
	c.mu.Lock()
	last = max(last, c.lastTaken)
	c.leave(last, code, debug)
	c.mu.Unlock()
	c.signal()
	return last
}

// leave writes a GOAWAY. The caller holds mu.
func (c *Conn) leave(last uint32, code http2.ErrCode, debug []byte) {
	if !c.mute {
		_ = c.out.WriteGoAway(last, code, debug)
	}
	c.leaving, c.lastSaid = true, last
}

// leftOut says whether a GOAWAY has promised that this stream is not processed. The caller holds mu.
func (c *Conn) leftOut(id uint32) bool { return c.leaving && id > c.lastSaid }

// Drain ends the connection when everything that the last GOAWAY left in has been answered.
func (c *Conn) Drain() {
	c.mu.Lock()
	c.draining = true
	c.drain()
	c.mu.Unlock()
	c.signal()
}

// drain ends a draining connection that has nothing more to answer. The caller holds mu.
func (c *Conn) drain() {
	if !c.draining || c.mute {
		return
	}
	for _, s := range c.streams {
		if !c.leftOut(s.id) {
			return
		}
	}
	c.finish(false, c.hangUp)
}

// Ping sends a PING and calls then, in the reader, when the client has answered it: it has read everything before.
func (c *Conn) Ping(data [8]byte, then func()) {
	c.mu.Lock()
	if !c.mute {
		_ = c.out.WritePing(false, data)
		c.pongs[data] = then
	}
	c.mu.Unlock()
	c.signal()
}

// Stall holds all answers back, or gives them. PINGs and SETTINGS are answered all the same.
func (c *Conn) Stall(on bool) {
	c.mu.Lock()
	c.stalled = on
	waiting := c.waiting
	if !on {
		c.waiting = nil
		for _, l := range waiting {
			if c.streams[l.stream.id] == l.stream {
				c.respond(l.stream, &l.response)
			}
		}
	}
	c.mu.Unlock()
	c.signal()
}

// Write puts bytes on the connection that need not be frames.
func (c *Conn) Write(raw []byte) {
	c.mu.Lock()
	if !c.mute {
		_, _ = c.pending.Write(raw)
	}
	c.mu.Unlock()
	c.signal()
}

// Finish writes what is pending, calls then, and writes nothing any more. If taking is set requests go on being taken,
// without answers; else they are ignored. Only the first call counts.
func (c *Conn) Finish(taking bool, then func()) {
	c.mu.Lock()
	c.finish(taking, then)
	c.mu.Unlock()
	c.signal()
}

// HangUp writes what is pending, then closes the connection politely.
func (c *Conn) HangUp() { c.Finish(false, c.hangUp) }

// finish is Finish. The caller holds mu.
func (c *Conn) finish(taking bool, then func()) {
	if c.mute {
		return
	}
	c.mute, c.ignoring, c.final = true, !taking, then
	c.drained.Broadcast()
}

// hangUp says goodbye and goes on reading for a while, so that the goodbye arrives.
func (c *Conn) hangUp() {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(linger))
}

// Close cuts the connection.
func (c *Conn) Close() error { return c.conn.Close() }
