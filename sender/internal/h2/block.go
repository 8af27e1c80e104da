package h2

import (
	"bytes"
	"strconv"

	"golang.org/x/net/http2/hpack"
)

// recogniser reads header blocks that say status 200 and change nothing in the compression table, without decoding more
// than it must. What it does not know it leaves to the decoder.
type recogniser struct {
	decoder *hpack.Decoder
	keep    [keepFields]keptName
	// empty says that the peer has set its compression table to size 0, as we ask for: then no field is added to it.
	empty bool
}

// keptName is a name in the forms that it can have on the wire.
type keptName struct {
	raw, huffman []byte
	static       int // index in RFC 7541's table, 0 if it is not there
}

// block is what was recognised.
type block struct {
	kept   [keepFields]Value
	length int64 // content-length, -1 if none
}

func (r *recogniser) init(keep [keepFields]string, decoder *hpack.Decoder) {
	r.decoder = decoder
	for i, name := range keep {
		if name == "" {
			continue
		}
		r.keep[i] = keptName{raw: []byte(name), huffman: hpack.AppendHuffmanString(nil, name), static: staticIndex(name)}
	}
}

// staticIndex finds a name in the table of RFC 7541, Appendix A, by the encoder's knowledge of it.
func staticIndex(name string) int {
	var out bytes.Buffer
	_ = hpack.NewEncoder(&out).WriteField(hpack.HeaderField{Name: name, Value: "\x00", Sensitive: true})
	index, _ := readInteger(out.Bytes(), 4)
	return index
}

// Indexes of the static table that matter.
const (
	representsOK    = indexed | 8 // :status 200
	lastPseudo      = 14
	lastStaticIndex = 61
)

// maxQuick is the longest block that is recognised. The header list of one that is no longer can't be over maxHeaderList: a
// field has at least two bytes, and with a name from the static table comes to at most 59.
const maxQuick = 512

// read recognises a whole header block.
func (r *recogniser) read(b []byte, out *block) bool {
	empty := r.empty
	if len(b) > maxQuick {
		return false
	}
	for len(b) > 0 && b[0] == tableSize { // to 0
		empty, b = true, b[1:]
	}
	if len(b) == 0 || b[0] != representsOK {
		return false
	}
	out.length = -1
	for b = b[1:]; len(b) > 0; {
		if b = r.field(b, out, empty); b == nil {
			return false
		}
	}
	if empty && !r.empty {
		r.empty = true
		r.clear()
	}
	return true
}

// nothing is what is left of a block after its last field; not nil.
var nothing = []byte{}

// field recognises one literal and returns what follows it, nil if it was not recognised.
func (r *recogniser) field(b []byte, out *block, empty bool) []byte {
	bits := uint(4)
	switch first := b[0]; {
	case first&literalIndexed != 0 && first&indexed == 0 && empty:
		bits = 6
	case first&0xe0 != 0: // indexed, adds to the table, or changes its size
		return nil
	}
	index, n := readInteger(b, bits)
	if n == 0 || index > lastStaticIndex || index > 0 && index <= lastPseudo {
		return nil
	}
	b = b[n:]
	kept := -1
	if index == 0 {
		var name Value
		if name, b = readText(b); b == nil {
			return nil
		}
		if kept = r.kept(name); kept < 0 && (name.huffman || !isPlainName(name.wire)) {
			return nil
		}
	}
	value, rest := readText(b)
	if rest == nil || !value.huffman && !isPlain(value.wire) {
		return nil
	}
	if index == indexOfContentLength {
		length, ok := value.number()
		if !ok || out.length >= 0 {
			return nil
		}
		out.length = length
	}
	for i := range r.keep {
		if (i == kept || index > 0 && index == r.keep[i].static) && out.kept[i].wire == nil {
			out.kept[i] = value
		}
	}
	return rest
}

// kept is which of the kept names this is, -1 if none.
func (r *recogniser) kept(name Value) int {
	for i := range r.keep {
		form := r.keep[i].raw
		if name.huffman {
			form = r.keep[i].huffman
		}
		if len(form) > 0 && bytes.Equal(form, name.wire) {
			return i
		}
	}
	return -1
}

// number reads a content-length.
func (v Value) number() (int64, bool) {
	var digits [20]byte
	text := v.Append(digits[:0])
	n, err := strconv.ParseUint(string(text), 10, 63)
	return int64(n), err == nil && isDigits(text)
}

func isDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// readInteger reads an integer of RFC 7541 §5.1 with a prefix of so many bits, up to two bytes after that. n is 0 if there
// is none.
func readInteger(b []byte, bits uint) (value, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	limit := 1<<bits - 1
	value = int(b[0]) & limit
	if value < limit {
		return value, 1
	}
	for n = 1; n < len(b) && n <= 2; n++ {
		value += int(b[n]&0x7f) << (7 * (n - 1))
		if b[n]&0x80 == 0 {
			return value, n + 1
		}
	}
	return 0, 0
}

// readText reads a string literal of RFC 7541 §5.2; rest is nil if it is cut off.
func readText(b []byte) (v Value, rest []byte) {
	length, n := readInteger(b, 7)
	if n == 0 || length > len(b)-n {
		return Value{}, nil
	}
	v = Value{wire: b[n : n+length : n+length], huffman: b[0]&huffmanCoded != 0}
	if rest = b[n+length:]; len(rest) == 0 {
		rest = nothing
	}
	return v, rest
}

// isPlainName says whether a name that is not Huffman-coded is one of a regular field (RFC 9113 §8.2.1) whose value does not
// matter here.
func isPlainName(name []byte) bool {
	return len(name) > 0 && isName(string(name)) && string(name) != "content-length"
}

// isPlain keeps line breaks and NUL out (RFC 9113 §8.2.1).
func isPlain(value []byte) bool {
	for _, c := range value {
		if c == 0 || c == '\r' || c == '\n' {
			return false
		}
	}
	return true
}
