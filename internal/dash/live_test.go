package dash

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// stream opens the stream of a page and returns what reads its next part.
func (st *stage) stream(view string) (next func() (id, html string), end func()) {
	st.t.Helper()
	server := httptest.NewServer(st)
	request, err := http.NewRequestWithContext(st.t.Context(), http.MethodGet, server.URL+"/live?view="+url.QueryEscape(view), nil)
	if err != nil {
		st.t.Fatal(err)
	}
	resp, err := server.Client().Do(request) //nolint:bodyclose // end closes it
	if err != nil {
		st.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		st.t.Fatalf("%s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	next = func() (string, string) {
		st.t.Helper()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var part struct{ ID, HTML string }
				if err := json.Unmarshal([]byte(data), &part); err != nil {
					st.t.Fatal(err)
				}
				return part.ID, part.HTML
			}
		}
		return "", ""
	}
	return next, func() {
		_ = resp.Body.Close()
		server.Close()
	}
}

func TestLiveSendsWhatChanged(t *testing.T) {
	st := newStage(t, nil)
	next, end := st.stream("/")
	defer end()
	for _, want := range []string{"verdict", "figures", "charts", "queues", "workers"} {
		if id, html := next(); id != want || html == "" {
			t.Fatalf("%q comes instead of %q", id, want)
		}
	}
	st.Fleet.Note(worker("somebody", noon, 0))
	for {
		id, html := next()
		if id == "queues" || id == "charts" {
			t.Errorf("%s did not change and is sent again", id)
		}
		if id == "workers" {
			if !strings.Contains(html, "somebody") {
				t.Errorf("the change is not in it: %s", html)
			}
			return
		}
	}
}

func TestLiveLeavesFormsAlone(t *testing.T) {
	st := newStage(t, nil)
	next, end := st.stream("/events")
	defer end()
	if id, _ := next(); id != "events" {
		t.Errorf("%q comes first: a form that somebody fills in would be replaced", id)
	}
}

func TestLiveEndsWithTheWorker(t *testing.T) {
	st := newStage(t, nil)
	next, end := st.stream("/apps")
	defer end()
	next()
	st.stop()
	if id, _ := next(); id != "" {
		t.Errorf("%q comes after the end", id)
	}
}

func TestLiveStreamsAreBounded(t *testing.T) {
	st := newStage(t, nil)
	for range maxStreams {
		st.streams <- struct{}{}
	}
	if a := st.ask(http.MethodGet, "/live?view=/", nil, nil); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("one more stream: %d", a.Status)
	}
}
