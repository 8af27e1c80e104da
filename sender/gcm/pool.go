package gcm

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Why a request got no connection, beside the errors of dialling.
var (
	errPoolClosed = errors.New("the client was closed")
	errStillborn  = errors.New("the server ended the connection before it took a request")
)

// Health of HTTP/2 connections: a silent one is pinged, one that does not answer is closed. More often than once a minute on an idle
// connection Google's front ends take for abuse.
const (
	pingAfter   = time.Minute
	pingTimeout = 15 * time.Second
	idleTimeout = 10 * time.Minute
	// dialPause is how long a failed attempt to add a connection beside working ones is not repeated.
	dialPause = time.Second
)

// pool owns the connections of a client. It uses http.ClientConn, one connection without a pool of its own, because http.Transport
// retries requests by itself, dials another connection whenever one is full and, against a server that refuses it politely, has
// opened thousands of connections for a single POST. Here a connection carries one request until it has answered one (before that the
// server's limit is not known), then as many as its SETTINGS and Config.Streams allow.
type pool struct {
	transport *http.Transport
	address   string
	config    Config
	open      func(ctx context.Context) (*conn, error)

	mu      sync.Mutex
	conns   []*conn
	waiting []*waiter // first come, first served
	dialing bool
	// pauseUntil is when a further connection may be tried again after one failed.
	pauseUntil time.Time
	// life ends with close; the next request begins a new one.
	life    context.Context
	endLife context.CancelFunc
	// dialEnd is closed when the attempt under way, or the last one, has ended.
	dialEnd chan struct{}
	// closed counts calls of close; ending are connections that are being closed.
	closed int
	ending []<-chan struct{}
}

// conn is one connection. Its fields are guarded by the pool's mutex.
type conn struct {
	carrier
	http    *http.ClientConn // nil with the pipelined engine
	running int              // requests granted and not released
	warm    bool             // has answered
	retired bool             // takes no more requests
}

// carrier is what carries a connection's requests: net/http, or the pipelined engine.
type carrier interface {
	// capacity is how many requests may be under way at once.
	capacity() int
	// over says that it will never take a request again.
	over() bool
	// close begins to end it. The pool's mutex is held.
	close()
}

// httpCarrier is net/http's.
type httpCarrier struct{ *http.ClientConn }

func (c httpCarrier) capacity() int { return c.Available() + c.InFlight() }

// over: after a GOAWAY, Err stays nil while nothing is available any more.
func (c httpCarrier) over() bool { return c.Err() != nil || c.capacity() == 0 }

func (c httpCarrier) close() { _ = c.ClientConn.Close() }

// waiter waits for up to so many slots on a connection.
type waiter struct {
	want  int
	grant chan grant
}

type grant struct {
	conn *conn
	n    int
	err  error
}

func newPool(config Config, endpoint *url.URL) *pool {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	address := endpoint.Host
	if endpoint.Port() == "" {
		address = net.JoinHostPort(endpoint.Hostname(), "443")
	}
	p := &pool{
		config:  config,
		address: address,
		transport: &http.Transport{
			Protocols:           &protocols,
			TLSClientConfig:     &tls.Config{RootCAs: config.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: config.ConnectTimeout,
			DialContext:         config.Dial,
			Proxy:               config.Proxy,
			DisableCompression:  true,
			IdleConnTimeout:     idleTimeout,
			HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		},
	}
	p.open = p.openHTTP
	return p
}

func (p *pool) openHTTP(ctx context.Context) (*conn, error) {
	made, err := p.transport.NewClientConn(ctx, "https", p.address)
	if err != nil {
		return nil, err
	}
	return &conn{http: made, carrier: httpCarrier{made}}, nil
}

// acquire waits for a slot. The error is the context's cause, or why no connection could be made.
func (p *pool) acquire(ctx context.Context) (*conn, error) {
	c, _, err := p.acquireSome(ctx, 1)
	return c, err
}

// acquireSome waits for at least one slot and takes up to want that are free on the same connection.
func (p *pool) acquireSome(ctx context.Context, want int) (*conn, int, error) {
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	w := &waiter{want: want, grant: make(chan grant, 1)}
	p.mu.Lock()
	if p.life == nil {
		p.life, p.endLife = context.WithCancel(context.Background())
	}
	p.waiting = append(p.waiting, w)
	p.serve()
	p.mu.Unlock()
	select {
	case g := <-w.grant:
		return g.conn, g.n, g.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else if g := <-w.grant; g.conn != nil { // granted meanwhile
		g.conn.running -= g.n
		p.serve()
	}
	return nil, 0, context.Cause(ctx)
}

// release gives a slot back. answered says that a whole answer was read on it.
func (p *pool) release(c *conn, answered bool) { p.releaseSome(c, 1, answered) }

func (p *pool) releaseSome(c *conn, n int, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.running -= n
	c.warm = c.warm || answered
	p.serve()
}

// retire takes a connection out of use; it is closed when its last request ends. unproductive says that it never answered and that this
// is the first to notice.
func (p *pool) retire(c *conn) (unproductive bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	unproductive = !c.retired && !c.warm
	c.retired = true
	return unproductive
}

// serve hands out what is free and dials if that is not enough. The mutex is held.
func (p *pool) serve() {
	p.conns = slices.DeleteFunc(p.conns, func(c *conn) bool {
		dead := c.running == 0 && (c.retired || c.over())
		if dead {
			c.close()
		}
		return dead
	})
	for len(p.waiting) > 0 {
		best := p.freest()
		if best == nil {
			break
		}
		n := min(p.waiting[0].want, p.limit(best)-best.running)
		best.running += n
		p.waiting[0].grant <- grant{conn: best, n: n}
		p.waiting = p.waiting[1:]
	}
	if len(p.waiting) > 0 && p.mayDial() {
		p.dialing = true
		p.dialEnd = make(chan struct{})
		go p.dial(p.life, p.dialEnd)
	}
}

// freest is the connection with the fewest requests that can take one more.
func (p *pool) freest() *conn {
	var best *conn
	for _, c := range p.conns {
		if (best == nil || c.running < best.running) && c.running < p.limit(c) {
			best = c
		}
	}
	return best
}

// limit is how many requests a connection may carry now.
func (p *pool) limit(c *conn) int {
	switch {
	case c.retired || c.over():
		return 0
	case !c.warm:
		return min(1, c.capacity()) // net/http would allow 100 until SETTINGS came
	}
	return min(p.config.Streams, c.capacity())
}

// mayDial: one attempt at a time, never while a new connection has yet to prove itself, never beyond the setting.
func (p *pool) mayDial() bool {
	live, cold := p.live()
	if p.dialing || cold || live >= p.config.Connections {
		return false
	}
	return live == 0 || !p.config.Now().Before(p.pauseUntil)
}

// live counts the connections in use; cold says that one of them has yet to answer.
func (p *pool) live() (n int, cold bool) {
	for _, c := range p.conns {
		if !c.retired {
			n++
			cold = cold || !c.warm
		}
	}
	return n, cold
}

// dial adds a connection. If it fails and there is no other, it fails whoever waits: they would only wait for the next failure.
func (p *pool) dial(life context.Context, end chan struct{}) {
	defer close(end)
	ctx, cancel := context.WithTimeout(life, p.config.ConnectTimeout)
	defer cancel()
	added, err := p.open(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing = false
	if err == nil && (life.Err() != nil || added.over()) {
		added.close()
		err = errStillborn
	}
	live, _ := p.live()
	switch {
	case life.Err() != nil:
	case err == nil:
		p.conns = append(p.conns, added)
	case live == 0:
		p.fail(err)
	default:
		p.pauseUntil = p.config.Now().Add(dialPause)
	}
	p.serve()
}

// fail answers all who wait with an error. The mutex is held.
func (p *pool) fail(err error) {
	for _, w := range p.waiting {
		w.grant <- grant{err: err}
	}
	p.waiting = nil
}

// close closes every connection and waits for the attempts to open one. The pool can be used again.
func (p *pool) close() {
	p.mu.Lock()
	if p.life != nil {
		p.endLife()
		p.life = nil
	}
	p.closed++
	p.fail(errPoolClosed)
	for _, c := range p.conns {
		c.retired = true
		c.close()
	}
	p.conns = nil
	end, ending := p.dialEnd, slices.Clone(p.ending)
	p.mu.Unlock()
	if end != nil {
		<-end
	}
	for _, ended := range ending {
		<-ended
	}
}
