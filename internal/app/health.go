package app

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/volleypush/volley/internal/version"
)

// healthServer answers /healthz (the process lives), /readyz (the broker is connected and pulls run; 503 otherwise and while
// draining) and /version.
type healthServer struct {
	addr   string
	server *http.Server
}

func serveHealth(addr string, w *Worker) (*healthServer, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the health port %s can't be opened; name a free one with --http: %w", addr, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		if why := w.unready(); why != "" {
			http.Error(rw, why, http.StatusServiceUnavailable)
			return
		}
		_, _ = rw.Write([]byte("ready\n"))
	})
	mux.HandleFunc("GET /version", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(map[string]string{"version": version.String()})
	})
	h := &healthServer{addr: listener.Addr().String(), server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}}
	go func() { _ = h.server.Serve(listener) }()
	return h, nil
}

func (h *healthServer) close() { _ = h.server.Close() }

// unready says why the worker can't do its work now; "" if it can.
func (w *Worker) unready() string {
	select {
	case <-w.running.Done():
		return "draining"
	default:
	}
	if !w.broker.Connected() {
		return "not connected to NATS"
	}
	return ""
}
