package app

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// headerTimeout is how long a client of the HTTP server may take to ask for something.
const headerTimeout = 10 * time.Second

// httpServer is the worker's HTTP server, for people, probes and scrapers. It is not the way of jobs.
type httpServer struct {
	addr   string
	server *http.Server
	done   chan struct{}
}

// routes mounts everything that the HTTP server serves: this is the one place.
func (w *Worker) routes() http.Handler {
	mux := http.NewServeMux()
	w.mountHealth(mux)
	mux.Handle("GET /metrics", w.metrics.Handler())
	return mux
}

// serveHTTP listens on HOST:PORT and serves the handler until close.
func serveHTTP(addr string, handler http.Handler) (*httpServer, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the HTTP port %s can't be opened; name a free one with --http: %w", addr, err)
	}
	h := &httpServer{
		addr:   listener.Addr().String(),
		server: &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout},
		done:   make(chan struct{}),
	}
	go func() {
		defer close(h.done)
		_ = h.server.Serve(listener) // ends with close, and only then
	}()
	return h, nil
}

// close ends the server and every request under way.
func (h *httpServer) close() {
	_ = h.server.Close()
	<-h.done
}
