package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// headerTimeout is how long a client may take to send a request's header: it frees sockets of clients that died.
const headerTimeout = 30 * time.Second

// EndpointOptions says how an Endpoint listens.
type EndpointOptions struct {
	// Name is how errors speak of the endpoint, such as "APNs simulator".
	Name string
	// Addr is host:port; port 0 picks a free one. Default 127.0.0.1:0.
	Addr string
	// Hosts are further names and addresses for the certificate, beside localhost, the loopbacks and Addr's host.
	Hosts []string
	// Authority signs the certificate. Required.
	Authority *Authority
	// HTTP1 serves HTTP/1.1 beside HTTP/2. Without it ALPN is h2 only and a client that cannot speak it is turned away
	// in the handshake.
	HTTP1 bool
	// RequestClientCertificate asks for a client certificate and takes any, or none; the handler judges it.
	RequestClientCertificate bool
	// MaxConcurrentStreams per connection, in SETTINGS. 0 leaves net/http's default.
	MaxConcurrentStreams uint32
	// ConnContext attaches what the handler keeps per connection; nil for nothing.
	ConnContext func(ctx context.Context, c net.Conn) context.Context
	// Handler answers. Required.
	Handler http.Handler
}

// Endpoint is a TLS server (1.2 or newer) on a real socket. It writes no log. Safe for concurrent use.
type Endpoint struct {
	listener   net.Listener
	host, port string
	server     *http.Server
	served     chan struct{}

	mu     sync.Mutex
	closed bool
	// busy counts connections and handlers, so that Close leaves no goroutine behind.
	busy sync.WaitGroup
}

// Listen starts an endpoint. A taken address is an error that says so.
func Listen(o EndpointOptions) (*Endpoint, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
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

	e := &Endpoint{listener: listener, served: make(chan struct{})}
	e.host, e.port, _ = net.SplitHostPort(listener.Addr().String()) // a listener's address has this form
	if ip := net.ParseIP(e.host); ip == nil || ip.IsUnspecified() {
		e.host = append(o.Hosts, "localhost")[0]
	}
	e.server = &http.Server{
		Handler:           e.counted(o.Handler),
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: headerTimeout,
		ConnContext:       o.ConnContext,
		ConnState:         e.connState,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		Protocols:         new(http.Protocols),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: int(o.MaxConcurrentStreams)},
	}
	e.server.Protocols.SetHTTP2(true)
	e.server.Protocols.SetHTTP1(o.HTTP1)
	if o.RequestClientCertificate {
		e.server.TLSConfig.ClientAuth = tls.RequestClientCert
	}
	go func() {
		defer close(e.served)
		_ = e.server.ServeTLS(listener, "", "") // it ends with ErrServerClosed, by Close
	}()
	return e, nil
}

// Addr is the host:port that is listened on.
func (e *Endpoint) Addr() string { return e.listener.Addr().String() }

// URL is https:// and Addr; for an endpoint that listens on all addresses, the first of EndpointOptions.Hosts, or
// localhost, with its port.
func (e *Endpoint) URL() string { return "https://" + net.JoinHostPort(e.host, e.port) }

// Close stops listening, cuts every connection and waits until all handlers have returned. Requests in flight get no
// answer. Further calls do nothing.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	again := e.closed
	e.closed = true
	e.mu.Unlock()
	err := e.server.Close()
	<-e.served
	// A connection accepted in the moment of the first Close is known to the server only now.
	err = errors.Join(err, e.server.Close())
	e.busy.Wait()
	if again {
		return nil
	}
	return err
}

// enter counts one more, unless Close has begun to wait.
func (e *Endpoint) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.busy.Add(1)
	return true
}

func (e *Endpoint) counted(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.enter() {
			panic(http.ErrAbortHandler) // closing: the connection is being cut, no answer may be given any more
		}
		defer e.busy.Done()
		handler.ServeHTTP(w, r)
	})
}

// connState counts connections. StateNew comes from the accept loop, which Close has ended before it waits, so a late
// one cannot be missed: it is counted even when closing.
func (e *Endpoint) connState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		e.busy.Add(1)
	case http.StateClosed, http.StateHijacked:
		e.busy.Done()
	case http.StateActive, http.StateIdle:
	}
}
