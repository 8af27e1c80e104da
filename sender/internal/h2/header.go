package h2

import (
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// maxBlock is the longest header block that is read, in bytes on the wire: enough to tell that one is too long, too little
	// for a flood of CONTINUATION.
	maxBlock = 64 << 10
	// maxHeaderList is the largest header list that is taken as an answer (RFC 9113 §6.5.2).
	maxHeaderList = 16 << 10
	// maxInterim is how many informational answers (1xx) may go before the real one.
	maxInterim = 16
)

// header is the header block that is being decoded.
type header struct {
	keep   *[keepFields]string
	stream uint32 // 0 if there is none
	ends   bool   // END_STREAM was on the HEADERS
	wire   int    // bytes so far

	status    int // 0 if there is none: trailers
	length    int64
	kept      [keepFields]Value
	size      uint32
	regular   bool // a regular field has been there: no pseudo-header field may follow
	malformed bool
}

func (h *header) begin(f *http2.HeadersFrame) {
	*h = header{keep: h.keep, stream: f.StreamID, ends: f.StreamEnded(), length: -1}
}

// add is called by the decoder for each field.
func (h *header) add(f hpack.HeaderField) {
	if h.size += f.Size(); h.size > maxHeaderList {
		return // decoded all the same, because the compression table goes on
	}
	if strings.HasPrefix(f.Name, ":") {
		status, err := strconv.ParseUint(f.Value, 10, 16)
		if f.Name != ":status" || h.status != 0 || h.regular || err != nil || len(f.Value) != 3 || status < 100 {
			h.malformed = true
			return
		}
		h.status = int(status)
		return
	}
	h.regular = true
	if !isName(f.Name) || !isPlain([]byte(f.Value)) {
		h.malformed = true
		return
	}
	if f.Name == "content-length" {
		length, ok := Value{wire: []byte(f.Value)}.number()
		if !ok || h.length >= 0 {
			h.malformed = true
		}
		h.length = length
	}
	for i, name := range h.keep {
		if f.Name == name && h.kept[i].wire == nil {
			h.kept[i] = Value{wire: []byte(f.Value)}
		}
	}
}

// isName is the token rule of RFC 9110 §5.6.2 without upper case, which HTTP/2 forbids.
func isName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || strings.IndexByte("!#$%&'*+.^`|~", c) >= 0) {
			return false
		}
	}
	return name != ""
}

// headers begins a header block.
func (c *Conn) headers(f *http2.HeadersFrame) error {
	if _, err := c.stream(f.StreamID); err != nil {
		return err
	}
	c.in.head.begin(f)
	c.in.block.follow(f.HeaderBlockFragment())
	return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
}

// follow looks at the beginning of a block that the decoder is going to read: only there the table's size can change.
func (r *recogniser) follow(b []byte) {
	switch {
	case len(b) == 0:
		r.empty = false // not known
	case b[0]&0xe0 == tableSize:
		r.empty = b[0] == tableSize && len(b) > 1 && b[1]&0xe0 != tableSize
	}
}

// confirm keeps the table empty after a block that the decoder has read: in the middle of one it lets the size be changed,
// which RFC 7541 §4.2 forbids.
func (r *recogniser) confirm() {
	if r.empty {
		r.clear()
	}
}

// clear sets the decoder's table to size 0.
func (r *recogniser) clear() {
	_, _ = r.decoder.Write([]byte{tableSize}) // it never refuses that
	_ = r.decoder.Close()
}

// fragment decodes a piece of a header block.
func (c *Conn) fragment(piece []byte, last bool) error {
	h := &c.in.head
	if h.wire += len(piece); h.wire > maxBlock {
		return broken(http2.ErrCodeEnhanceYourCalm, "a header block is longer than 65,536 bytes")
	}
	_, err := c.in.decoder.Write(piece)
	if err == nil && last {
		err = c.in.decoder.Close()
	}
	switch {
	case err != nil:
		return broken(http2.ErrCodeCompression, "a header block can't be decoded")
	case !last:
		return nil
	}
	c.in.block.confirm()
	s := c.slots.find(h.stream)
	h.stream = 0
	if s != nil {
		c.headed(s, h)
	}
	return nil
}

// headed makes of a header block what it is: informational, the answer's head, or its trailers.
func (c *Conn) headed(s *slot, h *header) {
	p := c.partialOf(s)
	switch {
	case h.size > maxHeaderList:
		c.abandon(s, http2.ErrCodeEnhanceYourCalm)
	case h.malformed:
		c.abandon(s, http2.ErrCodeProtocol)
	case p.status != 0: // trailers
		if h.status != 0 || !h.ends {
			c.abandon(s, http2.ErrCodeProtocol)
			return
		}
		c.finish(s)
	case h.status < 200:
		if p.interim++; h.status < 100 || h.status == 101 || h.ends || p.interim > maxInterim {
			c.abandon(s, http2.ErrCodeProtocol)
		}
	default:
		p.status, p.length, p.kept = h.status, h.length, h.kept
		if h.ends {
			c.finish(s)
		}
	}
}

// finish settles a stream whose answer is complete.
func (c *Conn) finish(s *slot) {
	p := s.partial
	if p.length >= 0 && p.length != p.got {
		c.abandon(s, http2.ErrCodeProtocol) // RFC 9113 §8.1.1
		return
	}
	c.hang(s, http2.ErrCodeNo)
	c.settle(s, Answer{Fate: Answered, Status: p.status, Kept: p.kept, Body: p.body})
}

// hang resets a stream that is answered but whose request is not written to its end.
func (c *Conn) hang(s *slot, code http2.ErrCode) {
	if s.end == unfinished {
		c.reset(s.id, code)
	}
}
