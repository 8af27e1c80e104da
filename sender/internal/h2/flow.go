package h2

import (
	"golang.org/x/net/http2"
)

// Limits of RFC 9113 §6.5.2 and §6.9, and what we allow the peer.
const (
	defaultWindow = 65535
	maxWindow     = 1<<31 - 1
	// maxFrame is the largest frame we read and, as long as the peer does not allow more, write. We never write larger ones:
	// they are cut into records of this size anyway.
	maxFrame = 16384
	// streamWindow is how much of an answer's body may be on its way; more than is kept of most.
	streamWindow = 256 << 10
	// connWindow is the same for all answers of a connection.
	connWindow = 4 << 20
)

// peer is what the peer allows us.
type peer struct {
	streams   uint32 // open at a time
	window    int64  // of a new stream
	conn      int64  // what is left of the connection's
	maxHeader uint32 // size of a header list
}

func newPeer() peer {
	return peer{streams: 1<<32 - 1, window: defaultWindow, conn: defaultWindow, maxHeader: 1<<32 - 1}
}

// full says that nothing more is to be begun before the peer widens the connection's window.
func (p *peer) full(blocked []uint32) bool { return p.conn <= 0 && len(blocked) > 0 }

// preface is what a client's connection begins with: we take no pushes and need no compression table.
func (c *Conn) preface() {
	c.rare.WriteString(http2.ClientPreface)
	_ = c.out.frames.WriteSettings(
		http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0},
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeaderList},
	)
	_ = c.out.frames.WriteWindowUpdate(0, connWindow-defaultWindow)
}

// obey reads the peer's SETTINGS, which hold from now on, and acknowledges them. What is encoded from now on comes after the
// acknowledgement.
func (c *Conn) obey(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return err
		}
		switch s.ID {
		case http2.SettingHeaderTableSize:
			c.out.encoder.resize(s.Val)
		case http2.SettingEnablePush:
			if s.Val != 0 {
				return broken(http2.ErrCodeProtocol, "a server can't take pushes")
			}
		case http2.SettingMaxConcurrentStreams:
			c.peer.streams = s.Val
		case http2.SettingInitialWindowSize:
			return c.resize(int64(s.Val))
		case http2.SettingMaxHeaderListSize:
			c.peer.maxHeader = s.Val
		default: // larger frames are no use to us, and extensions are none of ours
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !c.settled {
		c.settled = true
		close(c.ready)
	}
	c.slots.grow(c.limit())
	c.changed = true
	return c.out.frames.WriteSettingsAck()
}

// resize changes the windows of all streams by what a new one's changed, RFC 9113 §6.9.2. They may become negative.
func (c *Conn) resize(window int64) error {
	difference := window - c.peer.window
	c.peer.window = window
	over := false
	c.slots.each(func(s *slot) {
		s.window += difference
		over = over || s.window > maxWindow
	})
	if over {
		return broken(http2.ErrCodeFlowControl, "a stream's window is over 2^31-1")
	}
	return nil
}

// widen reads a WINDOW_UPDATE.
func (c *Conn) widen(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if c.peer.conn += int64(f.Increment); c.peer.conn > maxWindow {
			return broken(http2.ErrCodeFlowControl, "the connection's window is over 2^31-1")
		}
		c.changed = c.changed || len(c.blocked) > 0 || c.waiting() > 0
		return nil
	}
	s, err := c.stream(f.StreamID)
	if s == nil {
		return err
	}
	if s.window += int64(f.Increment); s.window > maxWindow {
		c.abandon(s, http2.ErrCodeFlowControl)
	}
	return nil
}

// spend notes that n bytes of flow-controlled frames came, on stream s if that is open, and widens the windows again when
// half of them is used up.
func (c *Conn) spend(s *slot, n int) error {
	if c.in.owed += n; c.in.owed > connWindow {
		return broken(http2.ErrCodeFlowControl, "more than the connection's window")
	}
	if c.in.owed > connWindow/2 {
		_ = c.out.frames.WriteWindowUpdate(0, uint32(c.in.owed))
		c.in.owed = 0
	}
	if s == nil || s.partial == nil {
		return nil
	}
	p := s.partial
	if p.owed += n; p.owed > streamWindow {
		c.abandon(s, http2.ErrCodeFlowControl)
		return nil
	}
	if p.owed > streamWindow/2 {
		_ = c.out.frames.WriteWindowUpdate(s.id, uint32(p.owed))
		p.owed = 0
	}
	return nil
}

// unblock writes what the windows allow of the bodies that waited for them.
func (c *Conn) unblock(dst []byte) []byte {
	if len(c.blocked) == 0 {
		return dst
	}
	still := c.blocked[:0]
	for _, id := range c.blocked {
		s := c.slots.find(id)
		if s == nil {
			continue
		}
		if dst = c.appendRest(dst, s); s.rest != nil {
			still = append(still, id)
		}
	}
	c.blocked = still
	return dst
}

// appendRest writes what the windows allow of a body.
func (c *Conn) appendRest(dst []byte, s *slot) []byte {
	for s.rest != nil {
		n := int(min(int64(len(s.rest)), maxFrame, c.peer.conn, s.window))
		if n <= 0 {
			return dst
		}
		piece := s.rest[:n]
		c.peer.conn -= int64(n)
		s.window -= int64(n)
		var flags http2.Flags
		if s.rest = s.rest[n:]; len(s.rest) == 0 {
			s.rest, flags = nil, http2.FlagDataEndStream
		}
		dst = append(appendFrameHeader(dst, n, http2.FrameData, flags, s.id), piece...)
		if s.rest == nil {
			s.end = c.out.handed + uint64(len(dst))
		}
	}
	return dst
}
