package dash

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// shownRecipients is how many recipients of one event a page lists.
const shownRecipients = 200

// eventsData is a table of events.
type eventsData struct {
	Rows []Entry
	// Job says that they are all of one job, which the table then leaves out.
	Job bool
}

// eventFilter is what the events page is asked for.
type eventFilter struct {
	Kind, Platform, App, Reason, Worker, Q string
	// Bad chooses events with recipients that did not get their push.
	Bad bool
}

// Kinds are those that can be chosen.
func (eventFilter) Kinds() []string {
	var kinds []string
	for _, k := range []results.Kind{
		results.KindSegment, results.KindJobDone, results.KindDead, results.KindProvider, results.KindCredential, results.KindDuplicateJob, results.KindFeedback,
	} {
		kinds = append(kinds, string(k))
	}
	return kinds
}

// Platforms are those that can be chosen.
func (eventFilter) Platforms() []string { return []string{string(jobs.APNS), string(jobs.GCM)} }

// Any says whether anything is asked for.
func (f eventFilter) Any() bool { return f != eventFilter{} }

func filterOf(r *http.Request) eventFilter {
	q := r.URL.Query()
	get := func(name string) string { return cut(strings.TrimSpace(q.Get(name)), maxName) }
	return eventFilter{
		Kind: get("kind"), Platform: get("platform"), App: get("app"), Reason: get("reason"), Worker: get("worker"), Q: get("q"), Bad: q.Get("bad") != "",
	}
}

// fits says whether an event is asked for.
func (f eventFilter) fits(e *Entry) bool {
	return (f.Kind == "" || f.Kind == string(e.Kind)) && (f.Platform == "" || f.Platform == string(e.Platform)) && (f.App == "" || f.App == e.App) &&
		(f.Reason == "" || f.Reason == e.Reason || f.Reason == e.State) && (f.Worker == "" || f.Worker == e.Worker) &&
		(f.Q == "" || strings.Contains(e.Job, f.Q) || strings.Contains(e.Campaign, f.Q)) && (!f.Bad || e.Counts.Bad() > 0)
}

// eventList lists recent events.
func (s *Server) eventList(r *http.Request) (*page, error) {
	f := filterOf(r)
	x := s.events.look()
	return &page{Title: "Events", Here: "/events", Parts: []part{
		{ID: "filter", Template: "filter", Data: f, Still: true},
		{ID: "events", Template: "recent", Data: struct {
			eventsData
			Filter eventFilter
			Cover  coverage
			Most   int
		}{eventsData{Rows: x.Events(shownEvents, f.fits)}, f, covers(x), maxEntries}},
	}}, nil
}

// recipient is one that an event names.
type recipient struct {
	Index int
	// Token is a fingerprint, unless somebody asked for this one.
	Token, Full                           string
	What, Reason, Error, Code, Text, Then string
	Status                                int
}

// event is one stored event, whole.
func (s *Server) event(r *http.Request) (*page, error) {
	key, err := results.ParseID(r.URL.Query().Get("id"))
	if err != nil {
		return nil, fmt.Errorf("%w: that is not the id of an event", ErrAbsent)
	}
	e, err := s.Broker.Event(r.Context(), key.Subject())
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, fmt.Errorf("%w: the event is not stored (any more)", ErrAbsent)
	}
	show, err := strconv.Atoi(r.URL.Query().Get("show"))
	if err != nil {
		show = -1
	}
	list, all := recipientsOf(e, show)
	return &page{Title: "Event " + e.ID, Here: "/events", Still: true, Parts: []part{
		{ID: "event", Template: "event", Data: struct {
			Entry
			Event *results.Event
		}{entryOf(e, reasonsOf(e)), e}},
		{ID: "reasons", Template: "reasons", Data: reasonRows(reasonsOf(e))},
		{ID: "recipients", Template: "recipients", Data: struct {
			ID   string
			Rows []recipient
			All  int
		}{e.ID, list, all}},
	}}, nil
}

// recipientsOf are the recipients that an event names, the first of them, and how many there are. The one at show is told in full.
func recipientsOf(e *results.Event, show int) (list []recipient, all int) {
	add := func(token string, one recipient) {
		if all++; len(list) >= shownRecipients && one.Index != show {
			return
		}
		one.Token = markKey(token)
		if one.Index == show {
			one.Full = token
		}
		list = append(list, one)
	}
	failure := func(f *results.Failure, what string) recipient {
		return recipient{
			Index: f.Index, What: what, Reason: f.Reason, Error: f.Error, Code: string(f.Code), Text: f.Description, Then: string(f.Action), Status: f.Status,
		}
	}
	for i := range e.Failures {
		add(e.Failures[i].Token, failure(&e.Failures[i], "failed"))
	}
	for i := range e.ExpiredTokens {
		add(e.ExpiredTokens[i].Token, failure(&e.ExpiredTokens[i].Failure, "expired"))
	}
	for _, u := range e.Uncertain {
		add(u.Token, recipient{Index: u.Index, What: "uncertain", Reason: u.Reason})
	}
	for _, c := range e.CanonicalIDs {
		add(c.OldID, recipient{Index: c.Index, What: "sent", Reason: "has a newer ID: " + markKey(c.NewID)})
	}
	return list, all
}
