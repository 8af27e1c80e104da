package dash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/volleypush/volley/jobs"
)

// What a form can ask for.
const (
	actPause   = "pause"
	actResume  = "resume"
	actCancel  = "cancel"
	actRequeue = "requeue"
	actDrop    = "drop"
)

// order is what a form asks for.
type order struct {
	Do string
	Scope
	// Letter is the dead letter that it is about, Resend that recipients who may have been reached are sent to again.
	Letter uint64
	Resend bool
	Back   string
}

// Question is what is asked before something that can't be taken back; "" for what can.
func (o order) Question() string {
	switch o.Do {
	case actCancel:
		return "Cancel " + o.Says() + "?"
	case actDrop:
		return fmt.Sprintf("Delete dead letter %d?", o.Letter)
	}
	return ""
}

// Consequence is what comes of it.
func (o order) Consequence() string {
	if o.Do == actCancel {
		return "Everybody who was not reached yet gets the final place “skipped: cancelled”. This can't be taken back."
	}
	return "The job's bytes are gone after this. Its event stays."
}

// act does what a form asks for. What can't be taken back is asked again on a page of its own.
func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, http.StatusBadRequest, "The form can't be read.")
		return
	}
	o, problem := orderOf(r)
	if problem != "" {
		s.fail(w, r, http.StatusBadRequest, problem)
		return
	}
	if o.Question() != "" && r.PostForm.Get("sure") != "yes" {
		s.render(w, r, http.StatusOK, &page{Title: o.Question(), Still: true, Parts: []part{{ID: "sure", Template: "sure", Data: o, Still: true}}})
		return
	}
	err := s.do(r.Context(), o)
	log := s.Log.Info().Str("from", r.RemoteAddr).Str("do", o.Do).Str("scope", o.Says()).Uint64("letter", o.Letter)
	switch {
	case err == nil:
		log.Msg("done, as somebody asked on the web page")
		http.Redirect(w, r, inward(o.Back), http.StatusSeeOther)
	case errors.Is(err, ErrAbsent), errors.Is(err, ErrRefused):
		log.Err(err).Msg("not done, as somebody asked on the web page")
		s.fail(w, r, http.StatusConflict, sentence(err))
	default:
		log.Err(err).Msg("not done, as somebody asked on the web page")
		s.fail(w, r, http.StatusServiceUnavailable, "It is not known whether it is done; look, and try again: "+err.Error()+".")
	}
}

// orderOf reads a form; problem says what is wrong with it.
func orderOf(r *http.Request) (o order, problem string) {
	get := func(name string) string { return r.PostForm.Get(name) }
	o = order{
		Do: get("do"), Back: get("back"), Resend: get("resend") == "yes",
		Scope: Scope{Platform: jobs.Platform(get("platform")), App: get("app"), Lane: jobs.Lane(get("lane")), Campaign: get("campaign"), Job: get("job")},
	}
	for _, text := range []string{string(o.Platform), o.App, string(o.Lane), o.Campaign, o.Job} {
		// They become parts of keys and subjects.
		if text != "" && (len(text) > maxName || !plainName(text)) {
			return o, "A name in the form is none: names have only letters, digits, _ and - in them, and are not that long."
		}
	}
	switch o.Do {
	case actPause, actResume, actCancel:
		if o.Scope == (Scope{}) {
			return o, "Name a platform, an app, a lane, a campaign or a job."
		}
	case actRequeue, actDrop:
		n, err := strconv.ParseUint(get("letter"), 10, 64)
		if err != nil || n == 0 {
			return o, "Name a dead letter by its number."
		}
		o.Letter = n
	default:
		return o, "The form asks for something that can't be done here."
	}
	return o, ""
}

func (s *Server) do(ctx context.Context, o order) error {
	if _, err := s.orders(ctx); errors.Is(err, ErrRefused) && o.Letter == 0 {
		return err
	}
	switch o.Do {
	case actPause:
		return s.Control.Pause(ctx, o.Scope)
	case actResume:
		_, err := s.Control.Resume(ctx, o.Scope)
		return err
	case actCancel:
		return s.Control.Cancel(ctx, o.Scope)
	case actRequeue:
		_, err := s.Broker.Requeue(ctx, o.Letter, o.Resend)
		return err
	default:
		return s.Broker.Drop(ctx, o.Letter)
	}
}
