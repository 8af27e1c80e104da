package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

const (
	// handshakeTimeout is how long a client may take for TLS: it frees sockets of clients that died.
	handshakeTimeout = 30 * time.Second
	// acceptPause is how long nothing is accepted after that failed.
	acceptPause = 10 * time.Millisecond
	// headerTimeout is the same for the header of an HTTP/1.1 request.
	headerTimeout = 30 * time.Second
)

// EndpointOptions says how an Endpoint listens.
type EndpointOptions struct {
	// Name is how errors speak of the endpoint, such as "APNs simulator".
	Name string
	// Platform is APNS or GCM: whose faults strike here.
	Platform string
	// Addr is host:port; port 0 picks a free one. Default 127.0.0.1:0.
	Addr string
	// Hosts are further names and addresses for the certificate, beside localhost, the loopbacks and Addr's host.
	Hosts []string
	// Authority signs the certificate. Required.
	Authority *Authority
	// Scripts are the faults. Default: none.
	Scripts *Scripts
	// HTTP1 serves HTTP/1.1 beside HTTP/2. Without it ALPN is h2 only and a client that cannot speak it is turned away
	// in the handshake.
	HTTP1 bool
	// RequestClientCertificate asks for a client certificate and takes any, or none; the handler judges it.
	RequestClientCertificate bool
	// MaxConcurrentStreams of an HTTP/2 connection. 0 states none.
	MaxConcurrentStreams uint32
	// Window is SETTINGS_INITIAL_WINDOW_SIZE. Default 65,535.
	Window uint32
	// MaxBody is the longest request body that handlers get to see whole, in bytes. Default 1 MiB.
	MaxBody int
	// Excess is what the GOAWAY says to a client that opens too many streams; see h2sim.Config.
	Excess func() (code http2.ErrCode, debug string, yes bool)
	// Connect is called for each connection when its handshake is done and returns what answers its requests. Required,
	// but for a Stream.
	Connect func(*Connection) h2sim.Handler
	// Stream serves each connection as a plain stream over TLS, instead of HTTP: it reads and writes the Connection, and the
	// connection ends when it returns. It must return soon after its reads fail.
	Stream func(*Connection)
}

// Endpoint is a TLS server (1.2 or newer) on a real socket, whose connections can be struck by faults. It writes no log.
// Safe for concurrent use.
type Endpoint struct {
	options    EndpointOptions
	host, port string
	addr       *net.TCPAddr
	tls        *tls.Config
	http1      *http1 // nil without
	stats      h2sim.Stats
	accepted   atomic.Int64

	mu       sync.Mutex
	listener net.Listener // nil while it is down
	relisten func() (net.Listener, error)
	give     func()
	lacking  bool // it should listen and could not
	links    map[*Connection]struct{}
	closed   bool

	rounds    chan chan struct{}
	closing   chan struct{}
	conducted chan struct{}
	// busy counts accept loops and connections, so that Close leaves no goroutine behind.
	busy sync.WaitGroup
}

// Listen starts an endpoint. A taken address is an error that says so.
func Listen(o EndpointOptions) (*Endpoint, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Scripts == nil {
		o.Scripts = NewScripts()
	}
	if o.MaxConcurrentStreams == 0 {
		o.MaxConcurrentStreams = h2sim.Unlimited
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	host, _, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is not an address to listen on, give host:port (port 0 picks a free one): %w", o.Name, o.Addr, err)
	}
	names := append([]string{"localhost", "127.0.0.1", "::1"}, o.Hosts...)
	if host != "" {
		names = append(names, host)
	}
	certificate, err := o.Authority.ServerCertificate(names...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	listener, err := net.Listen("tcp", o.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: address already in use: %s; stop the program that listens there or choose another port (0 picks a free one): %w", o.Name, o.Addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w", o.Name, o.Addr, err)
	}

	e := &Endpoint{
		options: o, listener: listener, links: map[*Connection]struct{}{},
		rounds: make(chan chan struct{}), closing: make(chan struct{}), conducted: make(chan struct{}),
	}
	e.addr, _ = listener.Addr().(*net.TCPAddr) // that is what "tcp" listens on
	e.host, e.port, _ = net.SplitHostPort(listener.Addr().String())
	if ip := net.ParseIP(e.host); ip == nil || ip.IsUnspecified() {
		e.host = append(o.Hosts, "localhost")[0]
	}
	e.tls = &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
		DynamicRecordSizingDisabled: true, // answers are small, and many go into one write
	}
	if o.Stream != nil {
		e.tls.NextProtos = nil // clients from before ALPN
	}
	if o.RequestClientCertificate {
		e.tls.ClientAuth = tls.RequestClientCert
	}
	if o.HTTP1 {
		e.tls.NextProtos = append(e.tls.NextProtos, "http/1.1")
		e.http1 = newHTTP1(e)
	}
	e.busy.Go(func() { e.accept(listener) })
	go e.conduct()
	o.Scripts.attach(e)
	return e, nil
}

// Addr is the host:port that is listened on.
func (e *Endpoint) Addr() string { return e.addr.String() }

// URL is https:// and Addr; for an endpoint that listens on all addresses, the first of EndpointOptions.Hosts, or
// localhost, with its port.
func (e *Endpoint) URL() string { return "https://" + e.HostPort() }

// HostPort is URL without https://.
func (e *Endpoint) HostPort() string { return net.JoinHostPort(e.host, e.port) }

// Close stops listening, cuts every connection and waits until all handlers have returned. Requests in flight get no
// answer. Further calls do nothing.
func (e *Endpoint) Close() error {
	e.options.Scripts.detach(e)
	e.mu.Lock()
	again := e.closed
	e.closed = true
	var err error
	if !again {
		close(e.closing)
		if e.listener != nil {
			err = e.listener.Close()
		} else {
			e.give()
		}
	}
	for l := range e.links {
		_ = l.gate.Close()
	}
	e.mu.Unlock()
	if e.http1 != nil {
		err = errors.Join(err, e.http1.close())
	}
	<-e.conducted
	e.busy.Wait()
	return err
}

// accept takes connections until the listener is closed.
func (e *Endpoint) accept(listener net.Listener) {
	for {
		raw, err := listener.Accept()
		if err != nil {
			e.mu.Lock()
			over := e.closed || e.listener != listener
			e.mu.Unlock()
			if over || errors.Is(err, net.ErrClosed) {
				return
			}
			select { // the connection went away before it was accepted, or the system is short of something
			case <-e.closing:
			case <-time.After(acceptPause):
			}
			continue
		}
		conn, ok := raw.(*net.TCPConn)
		if !ok {
			_ = raw.Close()
			continue
		}
		l := newConnection(e, conn)
		e.mu.Lock()
		if e.closed || e.listener != listener {
			e.mu.Unlock()
			l.gate.reset()
			return
		}
		e.links[l] = struct{}{}
		e.accepted.Add(1)
		e.busy.Add(1)
		e.mu.Unlock()
		go l.serve()
	}
}

// drop forgets a connection that is over.
func (e *Endpoint) drop(l *Connection) {
	e.mu.Lock()
	delete(e.links, l)
	e.mu.Unlock()
	e.busy.Done()
}

// open are the connections there are.
func (e *Endpoint) open() []*Connection {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]*Connection, 0, len(e.links))
	for l := range e.links {
		all = append(all, l)
	}
	return all
}

// handshake does the server's side of TLS; alert makes it fail in the client's eyes.
func (e *Endpoint) handshake(conn net.Conn, alert bool) (*tls.Conn, error) {
	config := e.tls
	if alert {
		config = config.Clone()
		config.VerifyConnection = func(tls.ConnectionState) error { return errAlert }
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	secured := tls.Server(conn, config)
	return secured, secured.HandshakeContext(ctx)
}

// errAlert makes crypto/tls send bad_certificate.
var errAlert = errors.New("the script ends this handshake")
