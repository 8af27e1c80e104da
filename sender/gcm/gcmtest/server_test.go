package gcmtest

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

func TestBothProtocolVersions(t *testing.T) {
	f := start(t, nil)
	header := http.Header{"Authorization": {"key=k"}, "Content-Type": {"application/json"}}
	for version, h2 := range map[int]bool{1: false, 2: true} {
		got := f.do(f.newClient(h2), http.MethodPost, "/fcm/send", header, `{"to":"r1"}`)
		if got.status != 200 || got.proto != version {
			t.Errorf("answered %d over HTTP/%d, want 200 over HTTP/%d", got.status, got.proto, version)
		}
	}
}

func TestStreamLimitIsStated(t *testing.T) {
	for name, test := range map[string]struct {
		set  uint32
		want int
	}{"default": {0, 100}, "set": {7, 7}} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(o *Options) { o.MaxConcurrentStreams = test.set })
			conn, err := f.client.Transport.(*http.Transport).NewClientConn(t.Context(), "https", f.Addr()) //nolint:forcetypeassert // made by newClient
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := conn.RoundTrip(request) // by its end the SETTINGS have been read
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if got := conn.Available(); got != test.want {
				t.Errorf("%d streams are available, want %d", got, test.want)
			}
		})
	}
}

func TestUnknownURLs(t *testing.T) {
	f := start(t, nil)
	tests := []struct{ method, path string }{
		{http.MethodGet, "/fcm/send"},
		{http.MethodPost, "/batch"},
		{http.MethodPost, "/v1/projects/" + project + "/messages"},
		{http.MethodPost, "/v1/projects//messages:send"},
		{http.MethodPost, "/v1/projects/a/b/messages:send"},
		{http.MethodPut, "/token"},
	}
	for _, test := range tests {
		got := f.do(f.client, test.method, test.path, http.Header{}, "")
		if got.status != 404 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s %s answers %d %s", test.method, test.path, got.status, got.header.Get("Content-Type"))
		}
	}
	if f.Ledger().Len() != 0 {
		t.Error("what is no send is in the ledger")
	}
}

func TestBodyLimit(t *testing.T) {
	f := start(t, nil)
	if got := f.legacy(strings.Repeat(" ", maxRead)); got.status != 400 {
		t.Errorf("at the limit: %d", got.status)
	}
	if got := f.legacy(strings.Repeat(" ", maxRead+1)); got.status != 413 {
		t.Errorf("one byte more: %d", got.status)
	}
}

func TestTakenPort(t *testing.T) {
	f := start(t, nil)
	_, err := New(Options{Addr: f.Addr()})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "Google simulator: address already in use: "+f.Addr()) {
		t.Errorf("a taken port answers: %v", err)
	}
}
