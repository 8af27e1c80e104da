package simulator

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Wait lets the answer's latency pass, or returns when ctx ends: the client has gone, or the simulator is closing.
func (a *Answer) Wait(ctx context.Context) {
	if a.Latency <= 0 {
		return
	}
	timer := time.NewTimer(time.Duration(a.Latency))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// SetHeaders puts Retry-After and the answer's own headers on a response. A verbatim body gets the content type it
// looks like, unless the headers say otherwise.
func (a *Answer) SetHeaders(h http.Header) {
	if a.RetryAfter != "" {
		h.Set("Retry-After", a.RetryAfter)
	}
	if a.Body != "" {
		h.Set("Content-Type", "application/json; charset=UTF-8")
		if strings.HasPrefix(strings.TrimSpace(a.Body), "<") {
			h.Set("Content-Type", "text/html; charset=UTF-8")
		}
	}
	for name, value := range a.Headers {
		h.Set(name, value)
	}
}
