package h2sim

import (
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// maxBlock is the longest header block that is decoded, in bytes on the wire, and the longest string in it: enough to
// answer an oversized header politely, too little for a flood of CONTINUATION.
const maxBlock = 256 << 10

// head is the header block that is being read.
type head struct {
	stream uint32
	ends   bool // END_STREAM was on the HEADERS
	wire   int  // bytes of the block so far

	method, scheme, path, authority string
	fields                          Fields
	length                          int64 // content-length, -1 if none
	expects                         bool  // expect: 100-continue

	limit, size uint32
	regular     bool // a regular field has been there: no pseudo-header field may follow
	malformed   bool
}

func (h *head) begin(f *http2.HeadersFrame) {
	*h = head{stream: f.StreamID, ends: f.StreamEnded(), fields: h.fields[:0], length: -1, limit: h.limit}
}

// add is called by the decoder for each field.
func (h *head) add(f hpack.HeaderField) {
	h.size += f.Size()
	if h.size > h.limit {
		return // decoded all the same, because the compression table goes on
	}
	if strings.HasPrefix(f.Name, ":") {
		h.pseudo(f)
		return
	}
	h.regular = true
	if !isName(f.Name) || !isValue(f.Value) {
		h.malformed = true
		return
	}
	switch f.Name {
	// Fields of a connection have no place in HTTP/2, RFC 9113 §8.2.2.
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		h.malformed = true
	case "te":
		h.malformed = h.malformed || f.Value != "trailers"
	case "content-length":
		length, err := strconv.ParseInt(f.Value, 10, 64)
		if err != nil || length < 0 || h.length >= 0 && h.length != length {
			h.malformed = true
		}
		h.length = length
	case "expect":
		h.expects = strings.EqualFold(f.Value, "100-continue")
	}
	h.fields = append(h.fields, Field{Name: f.Name, Value: f.Value})
}

// pseudo reads a pseudo-header field: each at most once, before all others, no unknown ones (RFC 9113 §8.3).
func (h *head) pseudo(f hpack.HeaderField) {
	var into *string
	switch f.Name {
	case ":method":
		into = &h.method
	case ":scheme":
		into = &h.scheme
	case ":path":
		into = &h.path
	case ":authority":
		into = &h.authority
	}
	if into == nil || *into != "" || h.regular || !isValue(f.Value) {
		h.malformed = true
		return
	}
	*into = f.Value
}

// complete judges a request's header when all of it is here.
func (h *head) complete() bool {
	return !h.malformed && h.method != "" && h.scheme != "" && (strings.HasPrefix(h.path, "/") || h.path == "*") &&
		(!h.ends || h.length <= 0)
}

// request moves the header into a request. The slices change places, so that neither is allocated anew.
func (h *head) request(r *Request) {
	fields := r.Header[:0]
	r.Method, r.Authority, r.Header = h.method, h.authority, h.fields
	r.Path, r.Query, _ = strings.Cut(h.path, "?")
	h.fields = fields
}

// isName is the token rule of RFC 9110 §5.6.2 without upper case, which HTTP/2 forbids.
func isName(name string) bool {
	for _, c := range []byte(name) {
		if !isNameByte(c) {
			return false
		}
	}
	return name != ""
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c != 0 && strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0
}

// isValue keeps line breaks and NUL out (RFC 9113 §8.2.1).
func isValue(value string) bool {
	for _, c := range []byte(value) {
		if c == 0 || c == '\r' || c == '\n' {
			return false
		}
	}
	return true
}

// headers begins a header block.
func (c *Conn) headers(f *http2.HeadersFrame) error {
	c.head.begin(f)
	return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
}

// fragment decodes a piece of a header block, and opens the stream after the last one.
func (c *Conn) fragment(piece []byte, last bool) error {
	if c.head.wire += len(piece); c.head.wire > maxBlock {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	if _, err := c.decoder.Write(piece); err != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	if !last {
		return nil
	}
	if c.decoder.Close() != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	return c.open()
}
