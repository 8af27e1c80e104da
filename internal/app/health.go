package app

import (
	"encoding/json"
	"net/http"

	"github.com/volleypush/volley/internal/version"
)

// mountHealth mounts /healthz (the process lives), /readyz (the broker is connected and pulls run; 503 otherwise and while
// draining) and /version.
func (w *Worker) mountHealth(mux *http.ServeMux) {
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
}

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
