package apns

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/volleypush/volley/sender"
)

// h2link is a link over net/http: one http.ClientConn, which never dials and never resends. Each flight has a goroutine
// while it is in the air; there are never more of them than the provider allows streams.
//
// Streams are counted here and not by ClientConn's Reserve and state hook: the hook can miss a stream that ends while it
// runs (one that ends and one that begins cancel each other out in what it compares), and a wake-up lost is a call that
// hangs. What ClientConn still counts, a stream just ended or just reset, delays RoundTrip for that moment.
type h2link struct {
	conn   *http.ClientConn
	wire   *wire
	host   string
	flying atomic.Int64
	wg     sync.WaitGroup
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

// dialH2 returns a dialer of h2links.
func dialH2(to target, config *tls.Config, dial dialFunc) dialer {
	return func(ctx context.Context, changed func()) (link, error) {
		w, err := dialTLS(ctx, to, config, dial, changed)
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
		l := &h2link{conn: conn, wire: w, host: to.host}
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
func (l *h2link) settle(ctx context.Context, to target) error {
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
	return &dialError{Reason(ConnectionFailed), errors.New(to.address + " does not answer in HTTP/2; check the endpoint")}
}

func (l *h2link) free() int {
	if l.ended() != nil {
		return 0
	}
	return max(0, int(int64(l.wire.limit.Load())-l.flying.Load()))
}

func (l *h2link) start(batch []*flight) int {
	n := min(len(batch), l.free())
	for _, f := range batch[:n] {
		f.begun = l.wire.now()
		l.flying.Add(1)
		l.wg.Go(func() {
			r := l.roundTrip(f)
			l.flying.Add(-1)
			f.done(f, r)
		})
	}
	return n
}

// ended: net/http reports an idle connection that got a GOAWAY as open for ever (apns-http2 §15 row 8), so the wire is
// asked first.
func (l *h2link) ended() *sender.Reason {
	if gone := l.wire.leave(); gone != nil {
		return gone.reason()
	}
	if l.wire.over.Load() || l.wire.lastOpened.Load() >= lastStreamID {
		return Reason(ConnectionLost)
	}
	return nil
}

func (l *h2link) silentSince(f *flight) bool { return l.wire.lastRead.Load() < f.begun }

// wake wakes the requests that wait inside net/http for a stream. Net/http looks again when a stream ends, and not when the
// provider allows more of them: after a limit of 0 nothing would ever end. A request that is over before it begins does
// it too, and sends nothing.
func (l *h2link) wake() {
	if l.flying.Load() == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l.wg.Go(func() {
		f := &flight{shared: &headers{}}
		f.drop()
		if response, err := l.conn.RoundTrip(l.request(ctx, f)); err == nil {
			_ = response.Body.Close()
		}
	})
}

func (l *h2link) close() {
	_ = l.conn.Close()
	l.wg.Wait()
}

// reason is the row for requests that a GOAWAY leaves out: a credential reason in its debug data is how Apple says that a
// certificate is of the other environment. The data is not always JSON.
func (g *goAway) reason() *sender.Reason {
	var said struct{ Reason string }
	if json.Unmarshal(g.debug, &said) == nil {
		if r, ok := table[said.Reason]; ok && r.Class == sender.Credential {
			return r
		}
	}
	return Reason(GoAway)
}

// body gives the payload to net/http once, unless the flight was dropped before.
type body struct {
	flight *flight
	rest   bytes.Reader
}

func (b *body) Read(p []byte) (int, error) {
	if b.flight.state.Load() != flightWritten && !b.flight.takeBody() {
		return 0, errDropped
	}
	return b.rest.Read(p)
}

func (b *body) Close() error { return nil }

var errDropped = errors.New("the request was given up before it was written")

func (l *h2link) roundTrip(f *flight) reply {
	ctx, cancel := context.WithTimeoutCause(f.ctx, f.timeout, errAnswerTimeout)
	defer cancel()
	var stream atomic.Uint32
	// The hook runs right after the frame was written, with the connection's write lock held: the stream opened last is ours.
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { stream.Store(l.wire.lastOpened.Load()) }})
	response, err := l.conn.RoundTrip(l.request(traced, f))
	if err != nil {
		return reply{reason: l.fate(ctx, f, stream.Load())}
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxBody)) // the status has settled it; a cut body only loses the word for it
	return reply{
		status:     response.StatusCode,
		id:         response.Header.Get("Apns-Id"),
		retryAfter: response.Header.Get("Retry-After"),
		body:       text,
	}
}

func (l *h2link) request(ctx context.Context, f *flight) *http.Request {
	h := http.Header{"User-Agent": {""}} // an empty one sends none
	for _, field := range append(f.shared.fields(f.id), HeaderField{"authorization", f.authorization}) {
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
		ContentLength: int64(len(f.payload)),
	}
	return request.WithContext(ctx)
}

// fate is the row of a flight that got no answer (apns-http2 §14). stream is 0 if it had none yet.
func (l *h2link) fate(ctx context.Context, f *flight, stream uint32) *sender.Reason {
	unsent := f.drop()
	gone := l.wire.leave()
	switch {
	case stream != 0 && l.wire.wasRefused(stream):
		return Reason(RefusedStream)
	case gone != nil && (stream == 0 || stream > gone.lastStream):
		return gone.reason()
	case unsent && ctx.Err() != nil:
		return Reason(NotBegun)
	case unsent:
		return Reason(ConnectionLost)
	case errors.Is(context.Cause(ctx), errAnswerTimeout):
		return Reason(AnswerTimeout)
	case ctx.Err() != nil:
		return Reason(AnswerNotAwaited)
	}
	return Reason(AnswerLost)
}
