package dash

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// page is what a view makes.
type page struct {
	Title string
	// Here is the entry of the navigation that it belongs to.
	Here string
	// Search is what stands in the search box.
	Search string
	Parts  []part
	// Still says that nothing of it changes by itself.
	Still bool
	// Bare leaves out the navigation: who sees it has not logged in.
	Bare bool
}

// part is a piece of a page that is replaced as a whole when it changes.
type part struct {
	// ID is its id in the page, Template what renders it.
	ID, Template string
	Data         any
	// Still says that it does not change by itself: a form that somebody fills in, above all.
	Still bool
}

// rendered is a part as it stands in a page.
type rendered struct {
	ID    string
	Still bool
	HTML  template.HTML
}

// pages renders.
type pages struct {
	templates *template.Template
	assets    map[string]asset
	now       func() time.Time
}

// asset is a file that pages refer to.
type asset struct{ text, kind, tag string }

// newPages reads what is embedded. A fault in it is a fault of the build, which every test would find.
func newPages(now func() time.Time) *pages {
	p := &pages{now: now, assets: make(map[string]asset)}
	p.templates = template.Must(template.New("").Funcs(p.functions()).ParseFS(files, "templates/*.html"))
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	entries, err := fs.ReadDir(files, "static")
	for _, entry := range entries {
		text, failed := fs.ReadFile(files, "static/"+entry.Name())
		if failed != nil {
			err = failed
		}
		sum := sha256.Sum256(text)
		p.assets[entry.Name()] = asset{string(text), kinds[entry.Name()[strings.LastIndexByte(entry.Name(), '.'):]], strconv.Quote(hex.EncodeToString(sum[:8]))}
	}
	if err != nil {
		panic(fmt.Sprintf("the embedded files: %v", err))
	}
	return p
}

// part renders one part.
func (p *pages) part(one part) (rendered, error) {
	var out bytes.Buffer
	if err := p.templates.ExecuteTemplate(&out, one.Template, one.Data); err != nil {
		return rendered{}, err
	}
	return rendered{ID: one.ID, Still: one.Still, HTML: template.HTML(out.String())}, nil //nolint:gosec // html/template has escaped it
}

// layout is what the frame of all pages shows.
type layout struct {
	*page
	Parts  []rendered
	Worker string
	// Exit says that there is a session to end.
	Exit bool
	View string
	// Refresh says that a browser without JavaScript loads it again by itself: nobody fills in a form there.
	Refresh bool
}

// render writes a page. It is rendered whole before its first byte leaves, so that a fault is an error and not half a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, p *page) {
	frame := layout{page: p, Worker: s.Worker, Exit: !s.guard.open() && !p.Bare, View: r.URL.RequestURI(), Refresh: !p.Still}
	var out bytes.Buffer
	var err error
	for _, one := range p.Parts {
		var done rendered
		if done, err = s.pages.part(one); err != nil {
			break
		}
		frame.Parts = append(frame.Parts, done)
		frame.Refresh = frame.Refresh && !done.Still
	}
	if err == nil {
		err = s.pages.templates.ExecuteTemplate(&out, "layout", frame)
	}
	if err != nil {
		s.Log.Error().Err(err).Str("page", r.URL.Path).Msg("a page can't be rendered")
		http.Error(w, "This page can't be shown; the worker's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(out.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(out.Bytes())
	}
}

// fail shows what is wrong.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	s.render(w, r, status, &page{
		Title: http.StatusText(status), Still: status != http.StatusServiceUnavailable, Bare: s.Closed || !s.guard.admits(r),
		Parts: []part{{ID: "fault", Template: "fault", Data: struct{ Title, Text string }{http.StatusText(status), text}}},
	})
}

func loginPage(back, trouble string) *page {
	return &page{
		Title: "Log in", Still: true, Bare: true,
		Parts: []part{{ID: "login", Template: "login", Still: true, Data: struct{ Back, Trouble string }{inward(back), trouble}}},
	}
}
