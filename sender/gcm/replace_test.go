package gcm

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/volleypush/volley/sender"
)

// A replaced credential serves without a gap: the old token goes on until the new credential has brought one, and a bad one changes nothing.
func TestReplace(t *testing.T) {
	s, c := simulate(t, V1)
	deliver(t, t.Context(), c, "a")
	key, err := s.ServiceAccount("demo")
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := ParseServiceAccount(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Replace(fresh); err != nil {
		t.Fatal(err)
	}
	if n := count(deliver(t, t.Context(), c, ids(20)...)); n["accepted"] != 20 {
		t.Error(n)
	}
	eventually(t, func() bool { return s.Issued() == 2 })
	c.waitForFlight()
	// One that Google refuses: what is there serves on, and the next one mends it.
	unknown := *fresh
	unknown.ClientEmail = "stranger@demo.iam.gserviceaccount.com"
	if err := c.Replace(&unknown); err != nil {
		t.Fatal(err)
	}
	deliver(t, t.Context(), c, "a")
	c.waitForFlight()
	if n := count(deliver(t, t.Context(), c, ids(20)...)); n["accepted"] != 20 {
		t.Error(n)
	}
	if err := c.Replace(fresh); err != nil {
		t.Fatal(err)
	}
	deliver(t, t.Context(), c, "a")
	eventually(t, func() bool { return s.Issued() == 3 })
	if other, err := s.ServiceAccount("elsewhere"); err != nil {
		t.Fatal(err)
	} else if moved, err := ParseServiceAccount(other); err != nil {
		t.Fatal(err)
	} else if err := c.Replace(moved); err == nil || !strings.Contains(err.Error(), `for the project "elsewhere", the old one for "demo"`) {
		t.Error(err)
	}
	_, legacy := simulate(t, Legacy)
	if err := legacy.Replace(fresh); err == nil {
		t.Error("the legacy protocol takes a service account")
	}
}

// A credential that is replaced while a token is fetched with the old one is used next, not in an hour.
func TestReplaceWhileFetching(t *testing.T) {
	began, goOn := make(chan struct{}, 1), make(chan struct{})
	g := newTokenServer(t)
	slow := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		began <- struct{}{}
		<-goOn
		_, _ = fmt.Fprint(w, `{"access_token":"access-90","expires_in":3600}`)
	})
	first, err := ParseServiceAccount(accountJSON(slow.URL + "/token"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := ParseServiceAccount(accountJSON(g.URL + "/token"))
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, g.server, V1, func(c *Config) {
		c.TokenSource, c.Credential, c.ProjectID = nil, first, ""
		c.RootCAs = c.RootCAs.Clone()
		c.RootCAs.AddCert(slow.Certificate())
	})
	done := make(chan []sender.Outcome)
	go func() { done <- deliver(t, t.Context(), c, "a") }()
	<-began
	if err := c.Replace(second); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if n := count(<-done); n["accepted"] != 1 {
		t.Error(n)
	}
	deliver(t, t.Context(), c, "a")
	eventually(t, func() bool { return g.fetches.Load() == 1 })
}
