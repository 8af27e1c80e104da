package h2

import (
	"errors"

	"golang.org/x/net/http2"
)

// maxDebug is how much of a GOAWAY's debug data is kept.
const maxDebug = 1 << 10

// frame reads the frame in c.in.source.
func (c *Conn) frame() error {
	frame, err := c.in.frames.ReadFrame()
	var mistake http2.ConnectionError
	var stream http2.StreamError
	switch {
	case errors.As(err, &stream):
		s, idle := c.stream(stream.StreamID)
		if s != nil {
			c.abandon(s, stream.Code)
		}
		return idle
	case errors.As(err, &mistake):
		rule := "a frame that is not allowed"
		if detail := c.in.frames.ErrorDetail(); detail != nil {
			rule = detail.Error()
		}
		return broken(http2.ErrCode(mistake), rule)
	case err != nil: // the frame is shorter than its own fields
		return broken(http2.ErrCodeFrameSize, "a frame that is cut off")
	}
	if settings, ok := frame.(*http2.SettingsFrame); !c.settled && (!ok || settings.IsAck()) {
		return broken(http2.ErrCodeProtocol, "it does not begin with SETTINGS") // RFC 9113 §3.4
	}
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		return c.headers(f)
	case *http2.ContinuationFrame:
		return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.DataFrame:
		return c.data(f)
	case *http2.SettingsFrame:
		return c.heed(c.obey(f))
	case *http2.WindowUpdateFrame:
		return c.widen(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = c.out.frames.WritePing(true, f.Data)
		}
		return nil // that it came is all we ask for
	case *http2.RSTStreamFrame:
		return c.ended(f)
	case *http2.GoAwayFrame:
		c.leave(f)
		return nil
	case *http2.PushPromiseFrame:
		return broken(http2.ErrCodeProtocol, "a push, which we have forbidden")
	}
	return nil // PRIORITY, and frames that nobody has told us of
}

// heed gives an error of SETTINGS its form.
func (c *Conn) heed(err error) error {
	if mistake, ok := errors.AsType[http2.ConnectionError](err); ok {
		return broken(http2.ErrCode(mistake), "a setting has a value that it can't have")
	}
	return err
}

// stream finds the open stream of a frame. It is nil for one that is over, whose last frames may still come; a stream that was
// never opened is the peer's mistake.
func (c *Conn) stream(id uint32) (*slot, error) {
	if id%2 == 0 || id >= c.next {
		return nil, broken(http2.ErrCodeProtocol, "a stream that was never opened")
	}
	return c.slots.find(id), nil
}

// data reads a DATA.
func (c *Conn) data(f *http2.DataFrame) error {
	s, err := c.stream(f.StreamID)
	if err != nil {
		return err
	}
	if s != nil && (s.partial == nil || s.partial.status == 0) {
		c.abandon(s, http2.ErrCodeProtocol)
		s = nil
	}
	if err := c.spend(s, int(f.Length)); err != nil || s == nil || s.id != f.StreamID {
		return err
	}
	p := s.partial
	if !p.append(f.Data(), c.config.MaxBody) {
		if !f.StreamEnded() {
			c.reset(s.id, http2.ErrCodeCancel)
		} else {
			c.hang(s, http2.ErrCodeNo)
		}
		c.settle(s, Answer{Fate: Answered, Status: p.status, Kept: p.kept, Truncated: true})
		return nil
	}
	if f.StreamEnded() {
		c.finish(s)
	}
	return nil
}

// ended reads a RST_STREAM.
func (c *Conn) ended(f *http2.RSTStreamFrame) error {
	s, err := c.stream(f.StreamID)
	if s == nil {
		return err
	}
	fate := c.fateOf(s)
	if f.ErrCode == http2.ErrCodeRefusedStream && (s.partial == nil || s.partial.status == 0) {
		fate = Refused
	}
	c.settle(s, Answer{Fate: fate})
	return nil
}

// fateOf is the fate of an open stream that gets no answer.
func (c *Conn) fateOf(s *slot) Fate {
	if s.end == unfinished {
		return Unsent
	}
	return Lost
}

// abandon ends a stream on which the peer made a mistake.
func (c *Conn) abandon(s *slot, code http2.ErrCode) {
	c.reset(s.id, code)
	c.settle(s, Answer{Fate: c.fateOf(s)})
}

// reset writes a RST_STREAM.
func (c *Conn) reset(id uint32, code http2.ErrCode) { _ = c.out.frames.WriteRSTStream(id, code) }

// leave reads a GOAWAY. There may be several; the last stream only goes down.
func (c *Conn) leave(f *http2.GoAwayFrame) {
	debug := f.DebugData()
	next := &GoAway{Last: f.LastStreamID, Code: f.ErrCode, Debug: append([]byte(nil), debug[:min(len(debug), maxDebug)]...)}
	if before := c.leaving; before != nil {
		next.Last = min(next.Last, before.Last)
		if len(next.Debug) == 0 {
			next.Debug = before.Debug // the reason may be in either
		}
	}
	c.leaving = next
	c.slots.each(func(s *slot) {
		if s.id > next.Last {
			c.settle(s, Answer{Fate: LeftOut})
		}
	})
	c.settleQueue(LeftOut)
	c.changed = true
}
