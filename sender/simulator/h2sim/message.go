package h2sim

import (
	"time"

	"golang.org/x/net/http2"
)

// Field is one header field.
type Field struct {
	// Name is in lower case.
	Name, Value string
	// Once keeps a field of an answer out of the compression table: its value is not going to come again.
	Once bool
}

// Fields are header fields in the order of the wire, without the pseudo-header fields.
type Fields []Field

// Get is the first value of the name, which must be in lower case; "" if there is none.
func (f Fields) Get(name string) string {
	for i := range f {
		if f[i].Name == name {
			return f[i].Value
		}
	}
	return ""
}

// Count is how many fields have the name, which must be in lower case.
func (f Fields) Count(name string) int {
	n := 0
	for i := range f {
		if f[i].Name == name {
			n++
		}
	}
	return n
}

// Set replaces the first field of the name, which must be in lower case, or appends one.
func (f *Fields) Set(name, value string) {
	for i := range *f {
		if (*f)[i].Name == name {
			(*f)[i].Value = value
			return
		}
	}
	*f = append(*f, Field{Name: name, Value: value})
}

// Request is a request as it arrived. It belongs to the handler only until the handler returns.
type Request struct {
	Method string
	// Path is as it was sent, up to the first "?"; Query is what follows that.
	Path, Query string
	Authority   string
	Header      Fields
	// Body is nil in Early.
	Body []byte
	// Oversize says that the body is longer than Config.MaxBody; Body is only its beginning.
	Oversize bool
}

// Response is the answer to a request. The zero value of each field but Status leaves it out. The connection keeps Body.
type Response struct {
	// Status is 200 to 599.
	Status int
	Header Fields
	Body   []byte
	// Trailer follows the body in a header block of its own.
	Trailer Fields
	// Informational are statuses from 100 to 199 that go before the answer (RFC 9113 §8.1).
	Informational []int
	// Latency is how long the answer takes; the connection goes on meanwhile.
	Latency time.Duration
	// Never is for a request that gets no answer; its stream stays open until the client gives it up.
	Never bool
	// Last makes the connection say nothing more after this answer, while it goes on taking requests.
	Last bool
	// Reset ends the stream with this code: at once if Status is 0, else in the middle of the answer.
	Reset *http2.ErrCode
}

// Handler answers complete requests. It is called by the connection's reader, so it must not wait; a held request may be
// handed to it by another goroutine at the same time (see Conn.Take).
type Handler interface {
	Answer(r *Request) Response
}

// EarlyHandler is a Handler that may answer when only the header has arrived. The rest of such a request is not read: its
// stream is reset with NO_ERROR after the answer (RFC 9113 §8.1).
type EarlyHandler interface {
	Handler
	Early(r *Request) (answer Response, ok bool)
}
