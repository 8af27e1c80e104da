package dash

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// maxForm is the longest form that is read, in bytes.
const maxForm = 64 << 10

//go:embed static templates
var files embed.FS

// Params are what the pages are made of.
type Params struct {
	// Worker is the worker that serves them.
	Worker string
	Fleet  *Fleet
	Broker Broker
	// Control is nil where nothing can be ordered.
	Control Control
	Now     func() time.Time
	Log     zerolog.Logger
	// Token is what people must give; "" for nothing, on a loopback address only.
	Token string
	// Closed says that the address is not a loopback one and there is no token: then nobody sees anything but how to set one.
	Closed bool
	// Context ends with the worker: what follows events, and pages that update themselves, end with it.
	Context context.Context //nolint:containedctx // it is the server's lifetime
}

// Server serves the pages. It is an http.Handler for everything that the worker serves nothing else under. Close it.
type Server struct {
	Params
	guard   *guard
	events  *follower
	pages   *pages
	read    *recently
	views   map[string]view
	handler http.Handler
	streams chan struct{}
	running sync.WaitGroup
}

// view makes a page of a request.
type view func(r *http.Request) (*page, error)

// New makes a Server.
func New(p Params) *Server {
	s := &Server{
		Params: p, guard: newGuard(p.Token, p.Now), events: newFollower(p.Broker, p.Now, p.Log), pages: newPages(p.Now), read: newRecently(), streams: make(chan struct{}, maxStreams),
	}
	s.views = map[string]view{
		"/": s.overview, "/apps": s.apps, "/campaigns": s.campaigns, "/campaign": s.campaign, "/job": s.job, "/events": s.eventList, "/event": s.event,
		"/dead": s.dead, "/letter": s.letter, "/search": s.search,
	}
	mux := http.NewServeMux()
	for path, v := range s.views {
		pattern := "GET " + path
		if path == "/" {
			pattern += "{$}"
		}
		mux.HandleFunc(pattern, s.inside(s.show(path, v)))
	}
	mux.HandleFunc("GET /live", s.inside(s.live))
	mux.HandleFunc("POST /act", s.inside(s.act))
	mux.HandleFunc("GET /login", s.loginForm)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("GET /static/{name}", s.static)
	mux.HandleFunc("/", s.inside(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			s.fail(w, r, http.StatusMethodNotAllowed, "This address takes no "+r.Method+".")
			return
		}
		s.fail(w, r, http.StatusNotFound, "There is no such page.")
	}))
	// A form of another site is refused by what browsers say of its origin, whether there is a session or not.
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusForbidden, "This form came from another site, so nothing was done. Open this page itself and try there.")
	}))
	s.handler = protection.Handler(mux)
	s.running.Go(func() { s.events.run(p.Context) })
	return s
}

// Close waits for what the server has started; its context must have ended.
func (s *Server) Close() { s.running.Wait() }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	switch {
	case s.Closed:
		s.fail(w, r, http.StatusForbidden, "The web page is served on an address that others can reach, so it needs a token. Set http_token_file in the configuration, "+
			"or VOLLEY_HTTP_TOKEN, to a text of 16 characters or more, and start the worker again.")
		return
	case s.guard.open() && !local(r.Host):
		s.fail(w, r, http.StatusMisdirectedRequest, "Without a token this page is only for this machine: ask for it as localhost or 127.0.0.1.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	s.handler.ServeHTTP(w, r)
}

// inside lets those in who may see pages, and sends the others to log in.
func (s *Server) inside(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.guard.admits(r) {
			next(w, r)
			return
		}
		if r.Method == http.MethodGet && r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html") {
			to := url.URL{Path: "/login", RawQuery: url.Values{"back": {r.URL.RequestURI()}}.Encode()}
			http.Redirect(w, r, to.String(), http.StatusSeeOther)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="volley"`)
		s.fail(w, r, http.StatusUnauthorized, "Log in first, or send the header Authorization: Bearer TOKEN.")
	}
}

// show serves a view.
func (s *Server) show(path string, v view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, err := v(r)
		switch {
		case errors.Is(err, ErrAbsent):
			s.fail(w, r, http.StatusNotFound, sentence(err))
			return
		case err != nil:
			s.Log.Warn().Err(err).Str("page", path).Msg("a page can't be shown")
			s.fail(w, r, http.StatusServiceUnavailable, "The broker does not answer as it should: "+err.Error()+". The page is tried again by itself.")
			return
		}
		s.render(w, r, http.StatusOK, p)
	}
}

// loginForm asks for the token.
func (s *Server) loginForm(w http.ResponseWriter, r *http.Request) {
	if s.guard.admits(r) {
		http.Redirect(w, r, inward(r.FormValue("back")), http.StatusSeeOther) //nolint:gosec // inward leads nowhere else
		return
	}
	s.render(w, r, http.StatusOK, loginPage(r.FormValue("back"), ""))
}

// login begins a session.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	back := r.PostFormValue("back")
	switch {
	case s.guard.open():
	case s.guard.limited(r):
		w.Header().Set("Retry-After", "12")
		s.render(w, r, http.StatusTooManyRequests, loginPage(back, "Too many wrong tokens came from your address. Wait a minute, then try again."))
		return
	case !s.guard.try(r, r.PostFormValue("token")):
		s.Log.Warn().Str("from", r.RemoteAddr).Msg("somebody gave a wrong token for the web page")
		s.render(w, r, http.StatusUnauthorized, loginPage(back, "That is not the token. It is the worker's http_token, or what is in its http_token_file."))
		return
	default:
		http.SetCookie(w, s.guard.begin(r))
		s.Log.Info().Str("from", r.RemoteAddr).Msg("somebody logged in to the web page")
	}
	http.Redirect(w, r, inward(back), http.StatusSeeOther)
}

// logout ends the session of this browser.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, s.guard.end(r))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// inward is a place on this server to go to; the front page for anything else.
func inward(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// static serves the files that pages refer to.
func (s *Server) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	asset, ok := s.pages.assets[name]
	if !ok {
		s.fail(w, r, http.StatusNotFound, "There is no such file.")
		return
	}
	w.Header().Set("Content-Type", asset.kind)
	w.Header().Set("ETag", asset.tag)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, name, time.Time{}, strings.NewReader(asset.text))
}

// sentence is an error as the beginning of a page.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
