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
}

// conn is one connection. Its fields are guarded by the pool's mutex.
type conn struct {
	http    *http.ClientConn
	running int  // requests granted and not released
	warm    bool // has answered
	retired bool // takes no more requests
}

// waiter waits for a slot on a connection.
type waiter struct{ grant chan grant }

type grant struct {
	conn *conn
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
	return &pool{
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
}

// acquire waits for a slot. The error is the context's cause, or why no connection could be made.
func (p *pool) acquire(ctx context.Context) (*conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	w := &waiter{grant: make(chan grant, 1)}
	p.mu.Lock()
	if p.life == nil {
		p.life, p.endLife = context.WithCancel(context.Background())
	}
	p.waiting = append(p.waiting, w)
	p.serve()
	p.mu.Unlock()
	select {
	case g := <-w.grant:
		return g.conn, g.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else if g := <-w.grant; g.conn != nil { // granted meanwhile
		g.conn.running--
		p.serve()
	}
	return nil, context.Cause(ctx)
}

// release gives a slot back. answered says that a whole answer was read on it.
func (p *pool) release(c *conn, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.running--
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
		dead := c.running == 0 && (c.retired || p.limit(c) == 0)
		if dead {
			_ = c.http.Close()
		}
		return dead
	})
	for len(p.waiting) > 0 {
		best := p.freest()
		if best == nil {
			break
		}
		best.running++
		p.waiting[0].grant <- grant{conn: best}
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
	case c.retired || c.http.Err() != nil:
		return 0
	case !c.warm:
		// 100 until SETTINGS came, 0 after GOAWAY.
		return min(1, c.http.Available()+c.http.InFlight())
	}
	return min(p.config.Streams, c.http.Available()+c.http.InFlight())
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
	made, err := p.transport.NewClientConn(ctx, "https", p.address)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing = false
	added := &conn{http: made}
	if err == nil && (life.Err() != nil || p.limit(added) == 0) {
		_ = made.Close()
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
	p.fail(errPoolClosed)
	for _, c := range p.conns {
		c.retired = true
		_ = c.http.Close()
	}
	p.conns = nil
	end := p.dialEnd
	p.mu.Unlock()
	if end != nil {
		<-end
	}
}
