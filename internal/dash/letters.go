package dash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

const (
	// shownLetters is how many dead letters a page has.
	shownLetters = 50
	// shownBody is how many bytes of a body a page shows, shownIDs how many of its recipients.
	shownBody = 64 << 10
	shownIDs  = 20
	// tokenLike is the length from which a text without spaces may be a token in the wrong place.
	tokenLike = 40
)

// letterFilter is what the page of dead letters is asked for.
type letterFilter struct{ Platform, App, Reason, Job string }

// Reasons are those that can be chosen.
func (letterFilter) Reasons() []string { return results.DeadReasons() }

// Platforms are those that can be chosen.
func (letterFilter) Platforms() []string { return eventFilter{}.Platforms() }

// Any says whether anything is asked for.
func (f letterFilter) Any() bool { return f != letterFilter{} }

// dead lists dead letters, newest first.
func (s *Server) dead(r *http.Request) (*page, error) {
	q := r.URL.Query()
	get := func(name string) string { return cut(strings.TrimSpace(q.Get(name)), maxName) }
	f := letterFilter{get("platform"), get("app"), get("reason"), get("job")}
	before, _ := strconv.ParseUint(q.Get("before"), 10, 64) // 0, the newest, for anything else
	if f.App != "" && !plainName(f.App) || f.Platform != "" && f.Platform != string(jobs.APNS) && f.Platform != string(jobs.GCM) {
		return nil, fmt.Errorf("%w: no app has such a name, and no platform", ErrAbsent)
	}
	list, more, err := s.Broker.Letters(r.Context(), LetterQuery{
		Platform: jobs.Platform(f.Platform), App: f.App, Reason: f.Reason, Job: f.Job, Before: before, Limit: shownLetters,
	})
	if err != nil {
		return nil, err
	}
	next := ""
	if more > 0 {
		next = link("/dead", "platform", f.Platform, "app", f.App, "reason", f.Reason, "job", f.Job, "before", more)
	}
	return &page{Title: "Dead letters", Here: "/dead", Still: before > 0, Parts: []part{
		{ID: "filter", Template: "letterfilter", Data: f, Still: true},
		{ID: "letters", Template: "letters", Data: struct {
			Rows   []Letter
			Filter letterFilter
			Next   string
			First  bool
			Back   string
		}{list, f, next, before == 0, r.URL.RequestURI()}},
	}}, nil
}

// plainName says whether a text can be a token of a subject.
func plainName(text string) bool {
	for _, c := range text {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return text != ""
}

// letter is one dead letter.
func (s *Server) letter(r *http.Request) (*page, error) {
	n, err := strconv.ParseUint(r.URL.Query().Get("n"), 10, 64)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("%w: dead letters are numbered from 1", ErrAbsent)
	}
	l, err := s.Broker.Letter(r.Context(), n)
	if err != nil {
		return nil, err
	}
	full := r.URL.Query().Get("tokens") == "yes"
	body, hidden := showBody(l.Body, full)
	return &page{Title: "Dead letter " + strconv.FormatUint(n, 10), Here: "/dead", Still: true, Parts: []part{
		{ID: "letter", Template: "letter", Data: struct {
			*Letter
			Shown        string
			Hidden, Full bool
		}{l, body, hidden, full}},
	}}, nil
}

// showBody is a body for people. Without full what may be a token is a fingerprint; hidden says that there was any, or that the body
// can't be read and so isn't shown at all.
func showBody(body []byte, full bool) (text string, hidden bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	if err == nil && decoder.More() {
		err = errors.New("something follows it")
	}
	if full {
		var out bytes.Buffer
		if err == nil && json.Indent(&out, body, "", "  ") == nil {
			body = out.Bytes()
		}
		return cut(strings.ToValidUTF8(string(body), "�"), shownBody), false
	}
	if err != nil {
		return "", true
	}
	value = mask(value, false, &hidden)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if encoder.Encode(value) != nil {
		return "", true
	}
	return cut(out.String(), shownBody), hidden
}

// mask puts fingerprints in the place of what may be tokens: everything under "ids" and "recipients" (whose variables are theirs, too), and elsewhere long
// texts without spaces.
func mask(value any, ids bool, hidden *bool) any {
	switch v := value.(type) {
	case string:
		if ids && v != "" || len(v) >= tokenLike && !strings.ContainsAny(v, " \t\n") {
			*hidden = true
			return markKey(v)
		}
	case []any:
		rest := 0
		if ids && len(v) > shownIDs {
			rest, v = len(v)-shownIDs, v[:shownIDs]
		}
		for i := range v {
			v[i] = mask(v[i], ids, hidden)
		}
		if rest > 0 {
			return append(v, fmt.Sprintf("… and %d more", rest))
		}
		return v
	case map[string]any:
		masked := make(map[string]any, len(v))
		for name, inner := range v {
			if len(name) >= tokenLike {
				*hidden = true
				name = markKey(name)
			}
			masked[name] = mask(inner, ids || name == "ids" || name == "recipients", hidden)
		}
		return masked
	}
	return value
}
