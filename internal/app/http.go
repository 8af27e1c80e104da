package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/volleypush/volley/internal/config"
)

const (
	// headerTimeout is how long a client of the HTTP server may take to ask for something, idleTimeout how long a connection may wait
	// for the next question.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// httpServer is the worker's HTTP server, for people, probes and scrapers. It is not the way of jobs.
type httpServer struct {
	addr string
	// moved says that the default port was taken and another one is used.
	moved  bool
	server *http.Server
	done   chan struct{}
}

// routes mounts everything that the HTTP server serves: this is the one place.
func (w *Worker) routes() http.Handler {
	mux := http.NewServeMux()
	w.mountHealth(mux)
	mux.Handle("GET /metrics", w.metrics.Handler())
	mux.Handle("/", w.pages)
	return mux
}

// listenHTTP opens HOST:PORT. If it is the default and taken, a free port of the same host is opened instead: two workers on one machine
// are no mistake.
func listenHTTP(addr string) (listener net.Listener, moved bool, err error) {
	var listen net.ListenConfig
	listener, err = listen.Listen(context.Background(), "tcp", addr)
	if addr == config.DefaultHTTP && errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(addr)
		listener, err = listen.Listen(context.Background(), "tcp", net.JoinHostPort(host, "0"))
		moved = true
	}
	if err != nil {
		return nil, false, fmt.Errorf("the HTTP port %s can't be opened; name a free one with --http: %w", addr, err)
	}
	return listener, moved, nil
}

// serveHTTP serves the handler until close.
func serveHTTP(listener net.Listener, moved bool, handler http.Handler) *httpServer {
	h := &httpServer{
		addr: listener.Addr().String(), moved: moved,
		server: &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout},
		done:   make(chan struct{}),
	}
	go func() {
		defer close(h.done)
		_ = h.server.Serve(listener) // ends with close, and only then
	}()
	return h
}

// close ends the server and every request under way.
func (h *httpServer) close() {
	_ = h.server.Close()
	<-h.done
}
