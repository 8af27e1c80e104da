package gcm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/sender"
)

// Most bytes of an answer that are read. A legacy chunk of a thousand canonical IDs of full length is just over 4 MB; FCM v1 errors have
// a few hundred bytes.
const (
	maxLegacyAnswer = 8 << 20
	maxFCMAnswer    = 64 << 10
)

// maxRetryAfter bounds what a Retry-After is believed to mean.
const maxRetryAfter = 24 * time.Hour

// errAnswerTimeout is the cause of a request's own deadline, as opposed to the caller's.
var errAnswerTimeout = errors.New("no answer in time")

// answer is an HTTP answer that was read to its end.
type answer struct {
	status     int
	body       []byte
	retryAfter time.Duration
}

// post sends one body and reads the answer, into the room given as far as it goes. If there is none, the outcome says whether the provider
// can have processed it. Nothing reads the body any more when post has returned.
func (d *delivery) post(body []byte, authorization string, room []byte) (answer, *sender.Outcome) {
	for again := false; ; again = true {
		c, err := d.client.pool.acquire(d.open)
		if err != nil {
			o := d.unconnected(err)
			return answer{}, &o
		}
		a, o := d.roundTrip(c, body, authorization, room)
		if o == nil {
			d.losses.Store(0)
		} else if o.Class == sender.Unsent && !again && d.open.Err() == nil {
			// Certainly not processed: a server that closes a connection politely is no reason for a whole round more.
			continue
		}
		if d.record != nil {
			d.record(exchange{request: body, status: a.status, answer: a.body})
		}
		return a, o
	}
}

// unconnected is the outcome of a request that got no connection.
func (d *delivery) unconnected(err error) sender.Outcome {
	if d.open.Err() != nil {
		return d.notBegun()
	}
	return sender.Failed(d.explain(reasonConnectionFailed, d.client.endpoint.Host+": "+connectDetail(err)), 0)
}

// roundTrip is one request on one connection, which it releases.
func (d *delivery) roundTrip(c *conn, body []byte, authorization string, room []byte) (answer, *sender.Outcome) {
	pool := d.client.pool
	ctx, cancel := context.WithTimeoutCause(d.ctx, d.timeout, errAnswerTimeout)
	defer cancel()
	sent := &outgoing{reader: bytes.NewReader(body)}
	defer func() { _ = sent.Close() }() // net/http may be reading it still, when the answer came before the request's end
	request := (&http.Request{
		Method: http.MethodPost, URL: d.client.endpoint, Host: d.client.endpoint.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: d.client.header(authorization),
		// Without GetBody nothing below can send the body a second time.
		Body: sent, ContentLength: int64(len(body)),
	}).WithContext(httptrace.WithClientTrace(ctx, sent.trace()))
	response, err := c.http.RoundTrip(request)
	if err == nil {
		var a answer
		a, err = d.read(response, room)
		if err == nil {
			pool.release(c, true)
			return a, nil
		}
	}
	o := d.unanswered(ctx, sent, response != nil, err)
	if keepsConnection(ctx, err) {
		pool.release(c, false)
		return answer{}, &o
	}
	// Also after a timeout: a dead connection would fill up instead of failing.
	if pool.retire(c) && d.losses.Add(1) >= maxLosses {
		d.stop(sender.Failed(d.explain(reasonConnectionFailed, "the server ends connections instead of answering"), 0))
	}
	pool.release(c, false)
	return answer{}, &o
}

// read reads the whole answer, up to the protocol's limit, into the room given as far as it goes.
func (d *delivery) read(response *http.Response, room []byte) (answer, error) {
	limit := int64(maxFCMAnswer)
	if d.client.config.Protocol == Legacy {
		limit = maxLegacyAnswer
	}
	a := answer{status: response.StatusCode, retryAfter: parseRetryAfter(response.Header.Get("Retry-After"), d.client.config.Now())}
	var err error
	a.body, err = readAll(io.LimitReader(response.Body, limit+1), room[:0])
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if int64(len(a.body)) > limit {
		a.body = nil // too much to be an answer of this API: unreadable, but the status counts
		err = nil
	}
	return a, err
}

// readAll is io.ReadAll into a buffer that may be there already, whose first step is not as small.
func readAll(from io.Reader, into []byte) ([]byte, error) {
	for {
		if len(into) == cap(into) {
			into = slices.Grow(into, max(len(into), bytes.MinRead))
		}
		n, err := from.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		if errors.Is(err, io.EOF) {
			return into, nil
		}
		if err != nil {
			return into, err
		}
	}
}

// unanswered is the outcome of a request that got no whole answer.
func (d *delivery) unanswered(ctx context.Context, sent *outgoing, answering bool, err error) sender.Outcome {
	switch {
	case !answering && (sent.withheld() || refused(err)):
		if d.ctx.Err() != nil {
			return d.notBegun()
		}
		return sender.Failed(reasonsByName[reasonRequestRefused], 0)
	case errors.Is(context.Cause(ctx), errAnswerTimeout):
		return sender.Failed(reasonsByName[reasonAnswerTimeout], 0)
	}
	return sender.Failed(reasonsByName[reasonAnswerLost], 0)
}

// outgoing is a request body that knows whether it can have reached the server as a whole.
type outgoing struct {
	reader *bytes.Reader
	mu     sync.Mutex
	begun  bool
	closed bool
	// broken is set when the transport says that it could not write the whole request.
	broken atomic.Bool
}

func (o *outgoing) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err != nil {
			o.broken.Store(true)
		}
	}}
}

// Read implements io.Reader.
func (o *outgoing) Read(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, errors.New("request body closed")
	}
	o.begun = true
	return o.reader.Read(b)
}

// Close implements io.Closer.
func (o *outgoing) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return nil
}

// withheld says that the server can't have got the whole request, now or later: the transport failed to write it, or it has not begun to
// read the body and from here on never will. httptrace alone can't tell: RoundTrip may return before the trace is called.
func (o *outgoing) withheld() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return !o.begun || o.broken.Load()
}

// What net/http says, as text only, of requests above the last stream of a GOAWAY and of connections that took no request any more.
const (
	textGoAway    = "http2: Transport received Server's graceful shutdown GOAWAY"
	textNotUsable = "http2: client conn not usable"
)

// codeRefusedStream is REFUSED_STREAM (RFC 9113 §7, §8.7: not processed).
const codeRefusedStream = 0x7

// streamError has the shape of net/http's own error of that kind, which errors.As converts to it.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "stream error " + strconv.FormatUint(uint64(e.Code), 10) }

// refused says that the server has promised not to have processed the request.
func refused(err error) bool {
	if stream, ok := errors.AsType[streamError](err); ok {
		return stream.Code == codeRefusedStream
	}
	text := err.Error()
	return text == textGoAway || text == textNotUsable
}

// keepsConnection says that the failure was of one request alone: its stream was reset, or the caller gave up.
func keepsConnection(ctx context.Context, err error) bool {
	var stream streamError
	return errors.As(err, &stream) || ctx.Err() != nil && !errors.Is(context.Cause(ctx), errAnswerTimeout)
}

// parseRetryAfter reads seconds or an HTTP date; 0 if there is nothing to wait for.
func parseRetryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(max(0, min(seconds, int64(maxRetryAfter/time.Second)))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}
