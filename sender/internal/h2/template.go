package h2

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Field is a field of a request's header. Name is in lower case.
type Field struct{ Name, Value string }

// Template is what many requests have in common. It is read-only once it is used, and then safe for concurrent use by any
// number of connections. Each connection encodes its header once and copies it from then on.
type Template struct {
	// Authority is the host that is asked, with its port if that is not 443.
	Authority string
	// Path is the path, or what Request.Path is added to.
	Path string
	// Fields are the header's other fields. content-length is added.
	Fields []Field
	// OwnField is the name of the field that Request.Own is the value of.
	OwnField string
	// Before and After are the body around Request.Body.
	Before, After []byte
	// Batch is the most requests that are put into one write together with one of these; 0 is no limit of its own.
	Batch int
}

// Request is one POST.
type Request struct {
	*Template
	// Path is added to the template's. It must need no escaping.
	Path string
	// Own is the value of the template's OwnField; "" leaves the field out.
	Own string
	// Body is put between the template's Before and After.
	Body string
	// Owner and Index come back with the answer. Owner is what Cancel looks for.
	Owner any
	Index int

	begun int64 // on the socket's clock
}

func (r *Request) length() int { return len(r.Before) + len(r.Body) + len(r.After) }

// fieldOverhead is what RFC 9113 §6.5.2 adds to each field of a header list.
const fieldOverhead = 32

// listSize is the size of the request's header list as RFC 9113 §6.5.2 counts it.
func (r *Request) listSize() int {
	const fixed = len(":method"+"POST"+":scheme"+"https"+":authority"+":path"+"content-length") + 5*fieldOverhead + 10
	n := fixed + len(r.Authority) + len(r.Template.Path) + len(r.Path)
	for _, f := range r.Fields {
		n += len(f.Name) + len(f.Value) + fieldOverhead
	}
	if r.Own != "" {
		n += len(r.OwnField) + len(r.Own) + fieldOverhead
	}
	return n
}

// maxTable is the most that our encoder puts into the peer's compression table.
const maxTable = 4096

// encoder makes header blocks. It holds the connection's compression state, so everything that it returns must be written,
// in order.
type encoder struct {
	hpack  *hpack.Encoder
	out    bytes.Buffer
	cached *Template
	// stable says that the cached blocks only refer to the compression table and do not change it, so that they can be
	// written again.
	stable        bool
	before, after []byte
	own           []byte // the representation of OwnField's name
	scratch       []byte
}

func newEncoder() *encoder {
	e := &encoder{}
	e.hpack = hpack.NewEncoder(&e.out)
	e.hpack.SetMaxDynamicTableSizeLimit(maxTable)
	return e
}

// resize obeys the peer's SETTINGS_HEADER_TABLE_SIZE.
func (e *encoder) resize(size uint32) {
	e.hpack.SetMaxDynamicTableSize(min(size, maxTable))
	e.cached = nil
}

// use makes before and after those of t. Pseudo-header fields go before all others, and with a table size update that is due,
// which must come first of all.
func (e *encoder) use(t *Template) {
	if e.cached == t && e.stable {
		return
	}
	if e.cached != t {
		e.own = appendText(append(e.own[:0], literalNeverIndexed), t.OwnField)
	}
	e.cached, e.stable = t, true
	e.out.Reset()
	e.add(":method", "POST")
	e.add(":scheme", "https")
	e.add(":authority", t.Authority)
	pseudo := e.out.Len()
	for _, f := range t.Fields {
		e.add(f.Name, f.Value)
	}
	e.before = append(e.before[:0], e.out.Bytes()[:pseudo]...)
	e.after = append(e.after[:0], e.out.Bytes()[pseudo:]...)
}

// add encodes one field. The block is stable unless the field, or what stands before it, changes the table.
func (e *encoder) add(name, value string) {
	at := e.out.Len()
	_ = e.hpack.WriteField(hpack.HeaderField{Name: name, Value: value}) // a bytes.Buffer takes everything
	if first := e.out.Bytes()[at]; first&indexed == 0 && first&0xf0 != 0 {
		e.stable = false // added to the table (01…), or after a table size update (001…)
	}
}

// First bytes of the representations of RFC 7541 §6.
const (
	indexed              = 0x80
	literalIndexed       = 0x40
	tableSize            = 0x20
	literalNeverIndexed  = 0x10
	indexOfPath          = 4
	indexOfContentLength = 28
	huffmanCoded         = 0x80
)

// appendText appends a string literal, RFC 7541 §5.2, without Huffman coding: it would save a third of the bytes and cost
// more than they do.
func appendText(dst []byte, texts ...string) []byte {
	n := 0
	for _, text := range texts {
		n += len(text)
	}
	dst = appendInteger(dst, 0, 7, n)
	for _, text := range texts {
		dst = append(dst, text...)
	}
	return dst
}

// appendInteger appends an integer with a prefix of so many bits, RFC 7541 §5.1. first are the bits before the prefix.
func appendInteger(dst []byte, first byte, bits uint, n int) []byte {
	limit := 1<<bits - 1
	if n < limit {
		return append(dst, first|byte(n))
	}
	dst = append(dst, first|byte(limit))
	for n -= limit; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

// frameHeader is the size of one, RFC 9113 §4.1.
const frameHeader = 9

func appendFrameHeader(dst []byte, length int, kind http2.FrameType, flags http2.Flags, stream uint32) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	return binary.BigEndian.AppendUint32(dst, stream)
}

// appendHeaders appends the request's HEADERS, and CONTINUATION if that is not enough.
func (e *encoder) appendHeaders(dst []byte, r *Request, stream uint32) []byte {
	e.use(r.Template)
	at := len(dst)
	dst = append(dst, make([]byte, frameHeader)...)
	dst = append(dst, e.before...)
	// A path is not going to come again, and may name a device.
	dst = appendInteger(dst, literalNeverIndexed, 4, indexOfPath)
	dst = appendText(dst, r.Template.Path, r.Path)
	dst = append(dst, e.after...)
	dst = appendInteger(dst, 0, 4, indexOfContentLength)
	var digits [20]byte
	length := strconv.AppendInt(digits[:0], int64(r.length()), 10)
	dst = append(append(dst, byte(len(length))), length...)
	if r.Own != "" {
		dst = appendText(append(dst, e.own...), r.Own)
	}
	flags := http2.FlagHeadersEndHeaders
	if r.length() == 0 {
		flags |= http2.FlagHeadersEndStream
	}
	if block := len(dst) - at - frameHeader; block > maxFrame {
		return e.split(dst, at, stream, flags)
	}
	appendFrameHeader(dst[:at], len(dst)-at-frameHeader, http2.FrameHeaders, flags, stream)
	return dst
}

// split makes HEADERS and CONTINUATION of the block that begins behind the gap at at.
func (e *encoder) split(dst []byte, at int, stream uint32, flags http2.Flags) []byte {
	e.scratch = append(e.scratch[:0], dst[at+frameHeader:]...)
	dst, kind := dst[:at], http2.FrameHeaders
	flags &^= http2.FlagHeadersEndHeaders
	for rest := e.scratch; len(rest) > 0; kind, flags = http2.FrameContinuation, 0 {
		piece := rest[:min(len(rest), maxFrame)]
		rest = rest[len(piece):]
		if len(rest) == 0 {
			flags |= http2.FlagHeadersEndHeaders
		}
		dst = append(appendFrameHeader(dst, len(piece), kind, flags, stream), piece...)
	}
	return dst
}

// appendBody appends the request's whole body in DATA frames.
func (r *Request) appendBody(dst []byte, stream uint32) []byte {
	n := r.length()
	if n <= maxFrame {
		dst = appendFrameHeader(dst, n, http2.FrameData, http2.FlagDataEndStream, stream)
		dst = append(append(append(dst, r.Before...), r.Body...), r.After...)
		return dst
	}
	rest := r.appendText(nil)
	for len(rest) > 0 {
		piece := rest[:min(len(rest), maxFrame)]
		rest = rest[len(piece):]
		var flags http2.Flags
		if len(rest) == 0 {
			flags = http2.FlagDataEndStream
		}
		dst = append(appendFrameHeader(dst, len(piece), http2.FrameData, flags, stream), piece...)
	}
	return dst
}

func (r *Request) appendText(dst []byte) []byte {
	return append(append(append(dst, r.Before...), r.Body...), r.After...)
}
