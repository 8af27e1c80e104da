package h2

import "time"

// health is what is known of whether the peer is still there. The connection's lock guards it.
type health struct {
	pinged int64 // when the last PING was sent, on the socket's clock; 0 if anything came since
}

// pingData is in our PINGs. Whatever comes back counts as a sign of life, so it need not be told from another.
var pingData = [8]byte{'a', 'l', 'i', 'v', 'e', '?'}

// looks is the time between two looks at the peer.
func looks(c Config) time.Duration { return min(c.PingAfter, c.PingTimeout) / 4 }

// watch looks after the peer until the connection is over.
func (c *Conn) watch() {
	interval := looks(c.config)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ticker = time.AfterFunc(interval, func() {
		if silent := c.look(); silent {
			c.fail(ErrSilent)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err == nil {
			c.ticker.Reset(interval)
		}
	})
}

// look sends a PING after some silence and says whether there was too much of it.
func (c *Conn) look() (silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, heard := c.socket.now(), c.socket.lastRead.Load()
	since := func(at int64) time.Duration { return time.Duration(now - at) }
	if c.out.since != 0 && since(c.out.since) > c.config.WriteTimeout {
		return true
	}
	if c.health.pinged != 0 && c.health.pinged > heard {
		return since(c.health.pinged) > c.config.PingTimeout
	}
	c.health.pinged = 0
	patience := c.config.IdlePing
	if c.slots.open > 0 {
		patience = c.config.PingAfter
	}
	if c.settled && since(heard) > patience {
		_ = c.out.frames.WritePing(false, pingData)
		c.health.pinged = now
		c.signal()
	}
	return false
}
