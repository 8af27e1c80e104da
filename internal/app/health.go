package app

import (
	"encoding/json"
	"net/http"
	"runtime"
	"time"

	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/internal/version"
	"github.com/volleypush/volley/sender"
)

// mountHealth mounts /healthz (the process lives), /readyz (it can take jobs: the broker is connected and at least one app is usable; 503 otherwise
// and while draining) and /version. Each answers one JSON object.
func (w *Worker) mountHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		ready := w.readiness()
		code := http.StatusOK
		if !ready.Ready {
			code = http.StatusServiceUnavailable
		}
		answer(rw, code, ready)
	})
	mux.HandleFunc("GET /version", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, http.StatusOK, map[string]string{
			"version": version.String(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "worker": w.options.Config.Worker,
		})
	})
}

// answer writes a page of JSON that nobody may keep.
func answer(rw http.ResponseWriter, code int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(code)
	_ = json.NewEncoder(rw).Encode(body) // whoever asked may have left
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready bool `json:"ready"`
	// Why says what is in the way, one sentence each; empty if nothing is.
	Why []string `json:"why"`
	// Apps says which apps can be sent for.
	Apps []appReadiness `json:"apps"`
}

// appReadiness is whether an app is usable; Why says why it is not. An app whose provider is out is usable: its jobs wait, and there is nothing to
// mend here.
type appReadiness struct {
	Platform string `json:"platform"`
	App      string `json:"app"`
	Usable   bool   `json:"usable"`
	Why      string `json:"why,omitempty"`
}

func (w *Worker) readiness() readiness {
	refused := func(s provider.State) *sender.Reason {
		if cause := w.core.Breaker(s.Platform, s.App).Cause; cause != nil && cause.Class == sender.Credential {
			return cause
		}
		return nil
	}
	return readinessOf(w.running.Err() != nil, w.broker.Connected(), w.registry.States(), refused, w.broker.Now())
}

// readinessOf decides. refused is why the credential of an app was refused last; nil if it was not.
func readinessOf(draining, connected bool, states []provider.State, refused func(provider.State) *sender.Reason, now time.Time) readiness {
	r := readiness{Why: []string{}, Apps: []appReadiness{}}
	usable := 0
	for _, s := range states {
		a := appReadiness{Platform: string(s.Platform), App: s.App}
		switch cause := refused(s); {
		case cause != nil:
			a.Why = "the provider refuses its credential: " + cause.Name
		case !s.CredentialExpires.IsZero() && !now.Before(s.CredentialExpires):
			a.Why = "its certificate expired on " + s.CredentialExpires.UTC().Format(time.DateOnly)
		default:
			a.Usable = true
			usable++
		}
		r.Apps = append(r.Apps, a)
	}
	if draining {
		r.Why = append(r.Why, "the worker is draining: it finishes what it has begun and takes nothing new")
	}
	if !connected {
		r.Why = append(r.Why, "not connected to NATS; it tries again by itself")
	}
	if usable == 0 {
		r.Why = append(r.Why, "no app has a usable credential; see apps, and worker check --connect")
	}
	r.Ready = len(r.Why) == 0
	return r
}
