package h2

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Fate is the closed set of what can become of a request.
type Fate uint8

const (
	// Answered completely. Whatever the status is.
	Answered Fate = iota + 1
	// Unsent: not all of it was handed to the network, so the peer can't have processed it.
	Unsent
	// Refused by the peer unprocessed (REFUSED_STREAM, RFC 9113 §8.7), or by us because its header is longer than the peer
	// takes.
	Refused
	// LeftOut of what a GOAWAY says is still processed (RFC 9113 §6.8).
	LeftOut
	// Lost: it was written, and no complete answer came.
	Lost
	// Withdrawn by Cancel after it was written.
	Withdrawn
)

// Processed says whether the peer may have processed a request that has this fate.
func (f Fate) Processed() bool { return f == Answered || f == Lost || f == Withdrawn }

// keepFields is how many fields of an answer can be kept.
const keepFields = 3

// Answer is what became of one request. It and everything it points to belong to the connection again when the handler
// returns.
type Answer struct {
	// Owner and Index are those of the request.
	Owner any
	Index int
	Fate  Fate
	// Waited is how long ago the request was begun, and Silent says that the peer sent nothing at all since; only for
	// Withdrawn.
	Waited time.Duration
	Silent bool
	// Status, Kept (in the order of Config.Keep) and Body are set if Answered. Truncated says that the body was longer than
	// Config.MaxBody; then it is nil.
	Status    int
	Kept      [keepFields]Value
	Body      []byte
	Truncated bool
}

// Value is the value of a header field as it came; it is only decoded when it is asked for.
type Value struct {
	wire    []byte
	huffman bool
}

// Append appends the text to dst. A text that can't be decoded is empty.
func (v Value) Append(dst []byte) []byte {
	if !v.huffman {
		return append(dst, v.wire...)
	}
	var text bytes.Buffer
	if _, err := hpack.HuffmanDecode(&text, v.wire); err != nil {
		return dst
	}
	return append(dst, text.Bytes()...)
}

// String is the text.
func (v Value) String() string {
	if len(v.wire) == 0 {
		return ""
	}
	return string(v.Append(nil))
}

// Handler is told what happens on a connection, by one goroutine at a time, which holds no lock of the connection.
type Handler interface {
	// Settled tells what became of requests; each is told exactly once, here or by Cancel. A read is told as a whole, so that a
	// handler can use all the streams that became free in one go.
	Settled(answers []Answer)
	// Changed says that Free or Err may have changed other than by Begin and Settled.
	Changed()
}

// GoAway is what the peer said when it asked us to leave. It is the Err of a connection from then on.
type GoAway struct {
	// Last is the last stream that it may process.
	Last uint32
	Code http2.ErrCode
	// Debug is at most 1,024 bytes of what it added.
	Debug []byte
}

// Error names the code, and not the debug data, which may be anything.
func (g *GoAway) Error() string { return fmt.Sprintf("the peer is leaving (GOAWAY %s)", g.Code) }
