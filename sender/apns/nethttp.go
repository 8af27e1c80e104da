package apns

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/sender"
)

// nethttpLink is a link over net/http: one http.ClientConn, which never dials and never resends. Each flight has a goroutine
// while it is in the air; there are never more of them than the provider allows streams.
//
// Streams are counted here and not by ClientConn's Reserve and state hook: the hook can miss a stream that ends while it
// runs (one that ends and one that begins cancel each other out in what it compares), and a wake-up lost is a call that
// hangs. What ClientConn still counts, a stream just ended or just reset, delays RoundTrip for that moment.
type nethttpLink struct {
	conn     *http.ClientConn
	wire     *wire
	host     string
	clock    func() time.Time
	listener listener
	flying   atomic.Int64
	wg       sync.WaitGroup
}

// flight is one request on its way.
type flight struct {
	call *call
	part *part
	// path, id (apns-id) and authorization are the request's head beside what its part says.
	path, id, authorization string
	payload                 string
	begun                   int64 // on the wire's clock
	// state settles the race between net/http taking the body and the call giving up: exactly one of them wins.
	state atomic.Uint32
}

const (
	flightWaiting uint32 = iota
	flightWritten        // net/http has the body: from here on the provider may get it
	flightDropped        // given up before that: the provider never gets the body
)

// takeBody says whether the body may be written.
func (f *flight) takeBody() bool { return f.state.CompareAndSwap(flightWaiting, flightWritten) }

// drop gives the request up and says whether it certainly was never complete at the provider.
func (f *flight) drop() (unsent bool) {
	return f.state.CompareAndSwap(flightWaiting, flightDropped) || f.state.Load() == flightDropped
}

// Health of a connection: a PING after this much silence, and the end if nothing comes back. Apple allows a PING an hour
// on idle connections and does not forbid more; a dead NAT entry is noticed by nothing else (apns-http2 §13).
const (
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second
	// writeTimeout ends a connection that takes no byte for this long.
	writeTimeout = 15 * time.Second
	// maxHeaderBytes is the most that an answer's header may have; Apple's has less than 200 bytes.
	maxHeaderBytes = 16 << 10
	// lastStreamID is where a connection is given up before its stream ids run out at 2^31-1.
	lastStreamID = 1<<31 - 1<<16
)

// dialNetHTTP returns a dialer of nethttpLinks.
func dialNetHTTP(to target, config *tls.Config, dial dialFunc, clock func() time.Time) dialer {
	return func(ctx context.Context, listener listener) (link, error) {
		w, err := dialTLS(ctx, to, config, dial, listener.changed)
		if err != nil {
			return nil, err
		}
		// net/http is handed a finished TLS connection that it can't recognise as one, and so must be told to speak HTTP/2 on it
		// without asking; "unencrypted" is about net/http's knowledge, not about the wire.
		transport := &http.Transport{
			DialTLSContext:         func(context.Context, string, string) (net.Conn, error) { return w, nil },
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeaderBytes,
			Protocols:              new(http.Protocols),
			HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: writeTimeout},
		}
		transport.Protocols.SetUnencryptedHTTP2(true)
		conn, err := transport.NewClientConn(ctx, "https", to.address)
		if err != nil {
			_ = w.Close()
			return nil, &dialError{Reason(ConnectionFailed), err}
		}
		l := &nethttpLink{conn: conn, wire: w, host: to.host, clock: clock, listener: listener}
		w.onRaise(l.wake)
		if err := l.settle(ctx, to); err != nil {
			l.close()
			return nil, err
		}
		return l, nil
	}
}

// settle waits until the provider has said how many streams it allows. That is also when a certificate is known to be
// taken: with TLS 1.3 a refusal comes after our side of the handshake is done.
func (l *nethttpLink) settle(ctx context.Context, to target) error {
	select {
	case <-l.wire.ready:
	case <-ctx.Done():
	}
	switch {
	case l.wire.settled.Load() || l.wire.leave() != nil:
		return nil
	case l.wire.alert.Load():
		return &dialError{Reason(CertificateRefused), errors.New(to.address + refusedRemedy)}
	}
	return noAnswer(to)
}

func (l *nethttpLink) free() int {
	if l.ended() != nil {
		return 0
	}
	return max(0, int(int64(l.wire.limit.Load())-l.flying.Load()))
}

func (l *nethttpLink) start(c *call, positions []int, authorization string) int {
	n := min(len(positions), l.free())
	for _, i := range positions[:n] {
		one, k := c.part(i)
		f := &flight{
			call: c, part: one, path: one.shared.path(one.request, k), id: one.id(k), authorization: authorization,
			payload: one.request.payload(k, one.body), begun: l.wire.now(),
		}
		l.flying.Add(1)
		l.wg.Go(func() {
			one := l.roundTrip(f)
			one.call, one.index = c, i
			l.flying.Add(-1)
			l.listener.landed([]landing{one})
		})
	}
	return n
}

// cancel: the flights end with the call's context.
func (l *nethttpLink) cancel(_ *call, into []landing) []landing { return into }

// ended: net/http reports an idle connection that got a GOAWAY as open for ever (apns-http2 §15 row 8), so the wire is
// asked first.
func (l *nethttpLink) ended() *sender.Reason {
	if gone := l.wire.leave(); gone != nil {
		return goAwayReason(gone.debug)
	}
	if l.wire.over.Load() || l.wire.lastOpened.Load() >= lastStreamID {
		return Reason(ConnectionLost)
	}
	return nil
}

// wake wakes the requests that wait inside net/http for a stream. Net/http looks again when a stream ends, and not when the
// provider allows more of them: after a limit of 0 nothing would ever end. A request that is over before it begins does
// it too, and sends nothing.
func (l *nethttpLink) wake() {
	if l.flying.Load() == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l.wg.Go(func() {
		f := &flight{part: &part{request: &Request{}}}
		f.drop()
		if response, err := l.conn.RoundTrip(l.request(ctx, f)); err == nil {
			_ = response.Body.Close()
		}
	})
}

func (l *nethttpLink) close() {
	_ = l.conn.Close()
	l.wg.Wait()
}

// body gives the payload to net/http once, unless the flight was dropped before.
type body struct {
	flight *flight
	rest   strings.Reader
}

func (b *body) Read(p []byte) (int, error) {
	if b.flight.state.Load() != flightWritten && !b.flight.takeBody() {
		return 0, errDropped
	}
	return b.rest.Read(p)
}

func (b *body) Close() error { return nil }

var errDropped = errors.New("the request was given up before it was written")

func (l *nethttpLink) roundTrip(f *flight) landing {
	ctx, cancel := context.WithTimeoutCause(f.call.ctx, f.call.timeout, errAnswerTimeout)
	defer cancel()
	var stream atomic.Uint32
	// The hook runs right after the frame was written, with the connection's write lock held: the stream opened last is ours.
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { stream.Store(l.wire.lastOpened.Load()) }})
	response, err := l.conn.RoundTrip(l.request(traced, f))
	if err != nil {
		return l.lost(ctx, f, stream.Load())
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return l.lost(ctx, f, stream.Load())
	}
	if len(text) > maxBody {
		text = nil // no answer of Apple's; the status has to do
	}
	r := reply{
		status:     response.StatusCode,
		id:         response.Header.Get("Apns-Id"),
		retryAfter: response.Header.Get("Retry-After"),
		date:       response.Header.Get("Date"),
		body:       text,
	}
	out := r.outcome(&f.part.shared, l.clock())
	if f.part.request.NoProviderIDs {
		out.ProviderID = ""
	}
	return landing{outcome: out, answered: true}
}

// lost is a flight that got no answer.
func (l *nethttpLink) lost(ctx context.Context, f *flight, stream uint32) landing {
	return landing{
		outcome: sender.Failed(l.fate(ctx, f, stream), 0),
		waited:  time.Duration(l.wire.now() - f.begun),
		silent:  l.wire.lastRead.Load() < f.begun,
	}
}

func (l *nethttpLink) request(ctx context.Context, f *flight) *http.Request {
	h := http.Header{"User-Agent": {""}} // an empty one sends none
	for _, field := range append(f.part.shared.fields(f.id), HeaderField{"authorization", f.authorization}) {
		if field.Value != "" {
			h[http.CanonicalHeaderKey(field.Name)] = []string{field.Value}
		}
	}
	b := &body{flight: f}
	b.rest.Reset(f.payload)
	request := &http.Request{
		Method:        http.MethodPost,
		URL:           &url.URL{Scheme: "https", Host: l.host, Path: f.path},
		Host:          l.host,
		Header:        h,
		Body:          b,
		ContentLength: b.rest.Size(),
	}
	return request.WithContext(ctx)
}

// fate is the row of a flight that got no answer (apns-http2 §14). stream is 0 if it had none yet.
func (l *nethttpLink) fate(ctx context.Context, f *flight, stream uint32) *sender.Reason {
	unsent := f.drop()
	gone := l.wire.leave()
	switch {
	case stream != 0 && l.wire.wasRefused(stream):
		return Reason(RefusedStream)
	case gone != nil && (stream == 0 || stream > gone.lastStream):
		return goAwayReason(gone.debug)
	case unsent && ctx.Err() != nil:
		return Reason(NotBegun)
	case unsent:
		return Reason(ConnectionLost)
	case ctx.Err() != nil:
		return givenUp(context.Cause(ctx))
	}
	return Reason(AnswerLost)
}
