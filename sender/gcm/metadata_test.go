package gcm

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/gcm/gcmtest"
)

func TestMetadataServer(t *testing.T) {
	s, err := gcmtest.New(gcmtest.Options{Projects: []string{"demo"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	refuse := false
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Metadata-Flavor") != "Google" || r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/token" || r.URL.Query().Get("scopes") != Scope:
			http.Error(w, "not a question for a token", http.StatusBadRequest)
		case refuse:
			http.Error(w, "no service account", http.StatusNotFound)
		default:
			_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":3599,"token_type":"Bearer"}`, s.IssueToken("demo"))
		}
	}))
	defer machine.Close()
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(machine.URL, "http://"))
	// A proxy is for the world, not for this machine's own link.
	proxy := func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "http" {
			t.Error("the metadata server is asked through a proxy")
		}
		return nil, nil
	}
	c, err := New(Config{Credential: MetadataServer{}, ProjectID: "demo", Endpoint: s.URL(), RootCAs: s.Authority().Pool(), Proxy: proxy})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if n := count(deliver(t, t.Context(), c, ids(20)...)); n["accepted"] != 20 || s.Issued() != 1 {
		t.Error(n, s.Issued(), "tokens")
	}
	refuse = true
	s.RevokeTokens()
	out := deliver(t, t.Context(), c, "abc")
	if text := out[0].Reason.Description; out[0].Class != sender.Credential || !strings.Contains(text, "HTTP 404. Attach a service account") {
		t.Error(out[0].Class, text)
	}
	machine.Close()
	out = deliver(t, t.Context(), c, "abc")
	if text := out[0].Reason.Description; out[0].Class != sender.Unsent || !strings.Contains(text, "from the metadata server, which only machines in Google Cloud have") {
		t.Error(out[0].Class, text)
	}
	if _, err := New(Config{Credential: MetadataServer{}}); err == nil || !strings.Contains(err.Error(), "Set project_id") {
		t.Error(err)
	}
}
