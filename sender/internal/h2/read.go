package h2

import (
	"bytes"
	"encoding/binary"
	"errors"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// readBuffer has room for several records.
const readBuffer = 64 << 10

// reader is the reader's own.
type reader struct {
	buffer     []byte
	begin, end int // what of it is not read yet
	source     bytes.Reader
	frames     *http2.Framer // of source
	decoder    *hpack.Decoder
	head       header
	block      recogniser
	owed       int // bytes of bodies for which the connection's window was not widened yet
}

func (r *reader) init(c *Conn) {
	r.buffer = make([]byte, readBuffer)
	r.frames = http2.NewFramer(nil, &r.source)
	r.frames.SetReuseFrames()
	r.frames.SetMaxReadFrameSize(maxFrame)
	r.head.keep = &c.config.Keep
	r.decoder = hpack.NewDecoder(ourTable, r.head.add)
	r.decoder.SetMaxStringLength(maxBlock)
	r.block.init(c.config.Keep, r.decoder)
}

// ourTable is the compression table that we keep for a peer that has not read our SETTINGS yet, or ignores that they say 0.
const ourTable = 4096

// read is the reader. It tells the handler when there is nothing more to read at once, or no room for more.
func (c *Conn) read() error {
	in := &c.in
	untold := false
	for {
		c.socket.dry = untold
		n, err := c.conn.Read(in.buffer[in.end:])
		in.end += n
		if n > 0 {
			mistake := c.parse()
			if mistake != nil {
				return mistake
			}
			untold = true
		}
		switch {
		case err == nil:
			if len(in.buffer)-in.end > maxFrame {
				continue
			}
		case !errors.Is(err, errDry):
			return err
		}
		c.tell()
		untold = false
		in.end = copy(in.buffer, in.buffer[in.begin:in.end])
		in.begin = 0
	}
}

// parse reads every whole frame of the buffer.
func (c *Conn) parse() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := &c.in
	for in.end-in.begin >= frameHeader {
		b := in.buffer[in.begin:in.end]
		length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
		if length > maxFrame {
			return broken(http2.ErrCodeFrameSize, "a frame is longer than 16,384 bytes")
		}
		if len(b) < frameHeader+length {
			break
		}
		in.begin += frameHeader + length
		id := binary.BigEndian.Uint32(b[5:]) &^ (1 << 31)
		if c.quick(http2.FrameType(b[3]), http2.Flags(b[4]), id, b[frameHeader:frameHeader+length]) {
			continue
		}
		in.source.Reset(b[:frameHeader+length])
		if err := c.frame(); err != nil {
			return err
		}
		if c.rare.Len() > maxRare {
			return broken(http2.ErrCodeEnhanceYourCalm, "it asks for more than it reads")
		}
	}
	if c.rare.Len() > 0 || len(c.blocked) > 0 || c.waiting() > 0 {
		c.signal()
	}
	return nil
}

// quick reads the frames of which a common answer consists: a HEADERS that can be recognised, and a DATA. It leaves all
// others alone, and all that is wrong with these.
func (c *Conn) quick(kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) bool {
	if c.in.head.stream != 0 || !c.settled {
		return false
	}
	s := c.slots.find(id)
	if s == nil || s.end == unfinished {
		return false
	}
	switch kind { //nolint:exhaustive // the others are not quick
	case http2.FrameHeaders:
		var b block
		ends := flags&http2.FlagHeadersEndStream != 0
		if s.partial != nil || flags&^http2.FlagHeadersEndStream != http2.FlagHeadersEndHeaders || !c.in.block.read(payload, &b) ||
			ends && b.length > 0 {
			return false
		}
		if ends {
			c.settle(s, Answer{Fate: Answered, Status: statusOK, Kept: b.kept})
		} else {
			c.remember(s, &b)
		}
		return true
	case http2.FrameData:
		return c.quickData(s, flags, payload)
	}
	return false
}

const statusOK = 200

// remember keeps a recognised header until its body is here. What it points to in the read buffer is copied.
func (c *Conn) remember(s *slot, b *block) {
	p := c.partialOf(s)
	p.status, p.length = statusOK, b.length
	for i, v := range b.kept {
		p.store = append(p.store, v.wire...)
		p.kept[i].huffman = v.huffman
	}
	rest := p.store
	for i, v := range b.kept {
		p.kept[i].wire, rest = rest[:len(v.wire)], rest[len(v.wire):]
	}
}

// quickData settles a stream whose body comes in one frame.
func (c *Conn) quickData(s *slot, flags http2.Flags, payload []byte) bool {
	p := s.partial
	if p == nil || p.status == 0 || flags != http2.FlagDataEndStream || len(p.body) > 0 || len(payload) > c.config.MaxBody ||
		p.length >= 0 && p.length != int64(len(payload)) || c.in.owed+len(payload) > connWindow/2 {
		return false
	}
	c.in.owed += len(payload)
	c.settle(s, Answer{Fate: Answered, Status: p.status, Kept: p.kept, Body: payload})
	return true
}

// partialOf is the stream's unfinished answer.
func (c *Conn) partialOf(s *slot) *partial {
	if s.partial == nil {
		if n := len(c.spare); n > 0 {
			s.partial, c.spare = c.spare[n-1], c.spare[:n-1]
		} else {
			s.partial = &partial{}
		}
		s.partial.length = -1
	}
	return s.partial
}

// append adds to the body and says whether it is still short enough.
func (p *partial) append(piece []byte, limit int) bool {
	if p.got += int64(len(piece)); p.got > int64(limit) {
		return false
	}
	p.body = append(p.body, piece...)
	return true
}
