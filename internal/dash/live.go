package dash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxStreams is how many pages may update themselves at a time on one worker.
	maxStreams = 200
	// liveEvery is the pause between two looks for what changed on a page.
	liveEvery = time.Second
	// liveLife is how long one stream lasts; the browser makes the next, and is asked for its session again.
	liveLife = time.Hour
	// liveWrite bounds one write to a browser that does not read any more.
	liveWrite = 10 * time.Second
)

// live sends the parts of a page that changed, as server-sent events: {"id": …, "html": …}. The first are all of them.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	target, err := url.Parse(r.FormValue("view"))
	if err != nil || s.views[target.Path] == nil {
		s.fail(w, r, http.StatusNotFound, "There is no such page to follow.")
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "30")
		s.fail(w, r, http.StatusServiceUnavailable, "Too many pages are open; this one does not update itself.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), liveLife)
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold it back
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	of := r.Clone(ctx)
	of.URL, of.Form = target, nil
	sent := make(map[string]string)
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		if !s.changes(w, of, s.views[target.Path], sent) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-s.Context.Done():
			return
		}
	}
}

// changes sends what is not as it was sent last; false if nobody reads it any more.
func (s *Server) changes(w http.ResponseWriter, r *http.Request, v view, sent map[string]string) bool {
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Now().Add(liveWrite)) // not every ResponseWriter has one
	p, err := v(r)
	if err != nil {
		_, err := fmt.Fprint(w, "event: trouble\ndata: {}\n\n")
		return err == nil && out.Flush() == nil
	}
	for _, one := range p.Parts {
		if one.Still {
			continue
		}
		done, err := s.pages.part(one)
		if err != nil {
			s.Log.Error().Err(err).Str("page", r.URL.Path).Msg("a part of a page can't be rendered")
			return false
		}
		if sent[done.ID] == string(done.HTML) {
			continue
		}
		sent[done.ID] = string(done.HTML)
		body, err := json.Marshal(struct {
			ID   string `json:"id"`
			HTML string `json:"html"`
		}{done.ID, string(done.HTML)})
		if err != nil {
			return false
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", body); err != nil {
			return false
		}
	}
	if _, err := fmt.Fprint(w, ": \n\n"); err != nil { // also proves that somebody is there
		return false
	}
	return out.Flush() == nil
}
