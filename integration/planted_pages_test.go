package integration

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// visit asks the web page as somebody who may see it, and returns headers and body of the answer.
func visit(t *testing.T, page, token, method, path string, form url.Values) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+page+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultTransport.RoundTrip(request) // which follows nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var shown strings.Builder
	if err := response.Header.Write(&shown); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		if _, err := io.Copy(&shown, response.Body); err != nil {
			t.Fatal(err)
		}
		return shown.String()
	}
	// A page that updates itself has no end: its first part shows that it is one, and the page itself has shown the others.
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for first := true; first && lines.Scan(); {
		shown.WriteString(lines.Text() + "\n")
		first = !strings.HasPrefix(lines.Text(), "data: ")
	}
	return shown.String()
}

// everyPage is what the web page shows to somebody who may see it, except for dead letters, whose purpose is to show what a message says.
func everyPage(t *testing.T, page, token string) string {
	t.Helper()
	var shown string
	for _, path := range []string{
		"/", "/apps", "/campaigns", "/campaign?name=none", "/job?id=apns.default.none", "/events", "/event?id=apns.default.none.0.0", "/dead", "/letter?n=9999",
		"/search?q=none", "/login", "/static/live.js", "/live?view=%2Fnowhere", "/live?view=%2F", "/live?view=%2Fevents", "/live?view=%2Fapps",
	} {
		shown += visit(t, page, token, http.MethodGet, path, nil)
	}
	shown += visit(t, page, token, http.MethodPost, "/act", url.Values{"do": {"nothing"}})
	shown += visit(t, page, token, http.MethodPost, "/login", url.Values{"token": {"a wrong one"}})
	return shown + visit(t, page, token, http.MethodPost, "/logout", nil)
}

// commandLines is what the programs print to somebody who has the broker's password.
func commandLines(t *testing.T, broker string) string {
	t.Helper()
	var printed string
	for _, args := range [][]string{
		{"enqueue", "jobs"},
		{"enqueue", "orders"},
		{"enqueue", "status", "none"},
		{"enqueue", "pause", "--app", "nobody"},
		{"enqueue", "resume", "--app", "nobody"},
		{"worker", "dead", "list"},
		{"worker", "dead", "list", "-o", "json"},
	} {
		_, text := runToEnd(t, args[0], []string{"NATS_URL=" + broker}, args[1:]...)
		printed += text
	}
	gone := strings.Replace(broker, "127.0.0.1:", "127.0.0.1:1", 1)
	_, text := runToEnd(t, "enqueue", []string{"NATS_URL=" + gone}, "jobs")
	return printed + text
}
