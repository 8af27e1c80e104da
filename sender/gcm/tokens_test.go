package gcm

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/volleypush/volley/sender"
)

// tokenServer is a token endpoint and FCM in one server, with a clock of its own.
type tokenServer struct {
	*server
	fetches atomic.Int32
	// lasts is expires_in of the tokens; refuse makes FCM refuse those numbered up to it.
	lasts  atomic.Int32
	refuse atomic.Int32
	// fail, if not nil, answers the token endpoint instead.
	fail func(w http.ResponseWriter)
	now  atomic.Int64
}

func newTokenServer(t *testing.T) *tokenServer {
	t.Helper()
	g := &tokenServer{}
	g.lasts.Store(3600)
	g.now.Store(testNow.Unix())
	g.server = newServer(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		if r.URL.Path == "/token" {
			n := g.fetches.Add(1)
			if g.fail != nil {
				g.fail(w)
				return
			}
			if err := checkAssertion(g.URL+"/token", string(body)); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"access_token":"access-%d","expires_in":%d,"token_type":"Bearer"}`, n, g.lasts.Load())
			return
		}
		var number int32
		_, _ = fmt.Sscanf(r.Header.Get("Authorization"), "Bearer access-%d", &number)
		if number <= g.refuse.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, fcmErrorBody(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."))
			return
		}
		accept(w)
	})
	return g
}

// checkAssertion verifies what the client sends (reference fcm-v1 §2).
func checkAssertion(audience, form string) error {
	_, assertion, ok := strings.Cut(form, "assertion=")
	if assertion, _, _ = strings.Cut(assertion, "&"); !ok || !strings.Contains(form, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer") {
		return errors.New("not an assertion: " + form)
	}
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return errors.New("not a JWT")
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	for i, v := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, v) != nil {
			return errors.New("not a JWT")
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return errors.New("bad signature")
	}
	if header.Alg != "RS256" || header.Kid != "kid-1" || claims.Iss != "sender@demo.example" || claims.Scope != Scope || claims.Aud != audience || claims.Exp-claims.Iat > 3600 {
		return fmt.Errorf("claims %+v %+v", header, claims)
	}
	return nil
}

func (g *tokenServer) client(t *testing.T) *Client {
	t.Helper()
	account, err := ParseServiceAccount(accountJSON(g.URL + "/token"))
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, g.server, V1, func(c *Config) {
		c.TokenSource, c.Credential, c.ProjectID = nil, account, ""
		c.Now = func() time.Time { return time.Unix(g.now.Load(), 0) }
	})
}

func TestAccessTokenIsFetchedOnceForAll(t *testing.T) {
	g := newTokenServer(t)
	c := g.client(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if n := count(deliver(t, t.Context(), c, ids(50)...)); n["accepted"] != 50 {
				t.Error(n)
			}
		})
	}
	wg.Wait()
	if n := g.fetches.Load(); n != 1 {
		t.Errorf("%d tokens were fetched", n)
	}
}

// A token is renewed in the background five minutes before its end, and never used after it.
func TestAccessTokenIsRenewedBeforeItEnds(t *testing.T) {
	g := newTokenServer(t)
	c := g.client(t)
	send := func() string {
		t.Helper()
		if n := count(deliver(t, t.Context(), c, "abc")); n["accepted"] != 1 {
			t.Fatal(n)
		}
		all := g.requests()
		for i := len(all) - 1; ; i-- {
			if all[i].path != "/token" {
				return all[i].header.Get("Authorization")
			}
		}
	}
	if got := send(); got != "Bearer access-1" {
		t.Fatal(got)
	}
	g.now.Add(3600 - 301)
	if got := send(); got != "Bearer access-1" || g.fetches.Load() != 1 {
		t.Fatal("renewed too early", got, g.fetches.Load())
	}
	g.now.Add(2)
	if got := send(); got != "Bearer access-1" { // the old one serves while the new one is fetched
		t.Fatal(got)
	}
	eventually(t, func() bool { return g.fetches.Load() == 2 && send() == "Bearer access-2" })
	// A renewal that fails is not repeated at once, and the old token serves on.
	g.fail = func(w http.ResponseWriter) { w.WriteHeader(500) }
	g.now.Add(3600 - 290)
	if got := send(); got != "Bearer access-2" {
		t.Fatal(got)
	}
	eventually(t, func() bool { return g.fetches.Load() == 3 })
	c.waitForFlight()
	send()
	send()
	if g.fetches.Load() != 3 {
		t.Errorf("%d fetches", g.fetches.Load())
	}
	g.now.Add(300)
	if n := count(deliver(t, t.Context(), c, "abc")); n["unsent NoAccessToken"] != 1 {
		t.Error(n)
	}
}

// waitForFlight waits for a fetch under way.
func (c *Client) waitForFlight() {
	c.tokens.mu.Lock()
	f := c.tokens.flight
	c.tokens.mu.Unlock()
	if f != nil {
		<-f.done
	}
}

// eventually polls a fact, with a deadline.
func eventually(t *testing.T, fact func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("did not happen")
		}
	}
}

func TestRefusedAccessTokenIsReplacedOnce(t *testing.T) {
	g := newTokenServer(t)
	c := g.client(t)
	deliver(t, t.Context(), c, "abc")
	g.refuse.Store(1)
	if n := count(deliver(t, t.Context(), c, ids(40)...)); n["accepted"] != 40 {
		t.Error(n)
	}
	if n := g.fetches.Load(); n != 2 {
		t.Errorf("%d tokens for one that was refused", n)
	}
	c.tokens.drop("access-1") // late: it was replaced already
	deliver(t, t.Context(), c, "abc")
	if n := g.fetches.Load(); n != 2 {
		t.Errorf("%d tokens: a good one was dropped", n)
	}
	g.refuse.Store(1000)
	out := deliver(t, t.Context(), c, "abc")
	if n := count(out); n["credential UNAUTHENTICATED"] != 1 || out[0].Status != 401 {
		t.Error(n)
	}
	if n := g.fetches.Load(); n != 3 {
		t.Errorf("%d tokens: more than one refresh", n)
	}
}

func TestThirdPartyAuthErrorKeepsTheAccessToken(t *testing.T) {
	g := newTokenServer(t)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		if fcmToken(body) == "ios" {
			w.WriteHeader(401)
			_, _ = io.WriteString(w, fcmErrorBody(401, "UNAUTHENTICATED", "x", fcmCode("THIRD_PARTY_AUTH_ERROR")))
			return
		}
		accept(w)
	})
	account, err := ParseServiceAccount(accountJSON(g.URL + "/token"))
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s, V1, func(c *Config) {
		c.TokenSource, c.Credential = nil, account
		c.RootCAs = c.RootCAs.Clone()
		c.RootCAs.AddCert(g.Certificate())
	})
	out := deliver(t, t.Context(), c, "ios", "android", "ios", "android")
	if n := count(out); n["rejected THIRD_PARTY_AUTH_ERROR"] != 2 || n["accepted"] != 2 {
		t.Error("one platform's credential holds up the other:", n)
	}
	if g.fetches.Load() != 1 || len(s.requests()) != 4 {
		t.Errorf("%d tokens, %d requests", g.fetches.Load(), len(s.requests()))
	}
}

func TestCloseEndsATokenFetch(t *testing.T) {
	began := make(chan struct{})
	end := make(chan struct{})
	s := newServer(t, func(http.ResponseWriter, *http.Request, []byte) {
		close(began)
		<-end
	})
	defer close(end)
	account, err := ParseServiceAccount(accountJSON(s.URL + "/token"))
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s, V1, func(c *Config) { c.TokenSource, c.Credential = nil, account })
	done := make(chan []sender.Outcome)
	go func() { done <- deliver(t, t.Context(), c, "abc") }()
	<-began
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	select {
	case <-closed: //nolint:errcheck // that it ends is what counts
	case <-time.After(10 * time.Second):
		t.Fatal("Close waits for the token endpoint")
	}
	if n := count(<-done); n["unsent NoAccessToken"] != 1 {
		t.Error(n)
	}
}

// tokenFunc is a token source of the caller.
type tokenFunc func() (*oauth2.Token, error)

func (f tokenFunc) Token() (*oauth2.Token, error) { return f() }

func TestTokenSourceOfTheCaller(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	for _, row := range []struct {
		name   string
		source tokenFunc
		want   string
	}{
		{"for ever", func() (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "x"}, nil }, "accepted"},
		{"ended", func() (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: "x", Expiry: time.Now().Add(-time.Second)}, nil
		}, "unsent NoAccessToken"},
		{"fails", func() (*oauth2.Token, error) { return nil, errors.New("metadata server is away") }, "unsent NoAccessToken"},
		{"refused", func() (*oauth2.Token, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: 400, Header: http.Header{}}, ErrorCode: "invalid_grant"}
		}, "credential ServiceAccountRefused"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newClient(t, s, V1, func(c *Config) { c.TokenSource = row.source })
			if n := count(deliver(t, t.Context(), c, "abc")); n[row.want] != 1 {
				t.Error(n)
			}
		})
	}
}

func TestCancelledWhileFetchingAToken(t *testing.T) {
	asked, end := make(chan struct{}), make(chan struct{})
	source := tokenFunc(func() (*oauth2.Token, error) {
		close(asked)
		<-end
		return &oauth2.Token{AccessToken: "x"}, nil
	})
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	c := newClient(t, s, V1, func(c *Config) { c.TokenSource = source })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if n := count(deliver(t, ctx, c, ids(20)...)); n["unsent Cancelled"] != 20 {
		t.Error(n)
	}
	close(end)
	c.waitForFlight()
}
