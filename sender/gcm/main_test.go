package gcm

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/volleypush/volley/sender"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// received is one request as a test server saw it.
type received struct {
	header http.Header
	path   string
	body   []byte
	proto  int
}

// server is a TLS server with a scripted handler that remembers what came.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []received
}

type handler func(w http.ResponseWriter, r *http.Request, body []byte)

// newServer serves HTTP/2 and HTTP/1.1; handle gets the body, already read.
func newServer(t *testing.T, handle handler) *server { return startServer(t, true, handle) }

// newHTTP1Server serves HTTP/1.1 only.
func newHTTP1Server(t *testing.T, handle handler) *server { return startServer(t, false, handle) }

func startServer(t *testing.T, http2 bool, handle handler) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, received{r.Header.Clone(), r.URL.Path, body, r.ProtoMajor})
		s.mu.Unlock()
		handle(w, r, body)
	}))
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // tests provoke a lot
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *server) requests() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.seen...)
}

func (s *server) roots() *x509.CertPool {
	return s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
}

// staticToken is a token source that always gives the same token.
func staticToken() oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "access-1", Expiry: time.Now().Add(time.Hour)})
}

// newClient makes a client for a test server, closed with the test.
func newClient(t *testing.T, s *server, p Protocol, change func(*Config)) *Client {
	t.Helper()
	config := Config{Protocol: p, Endpoint: s.URL, RootCAs: s.roots(), RequestTimeout: 10 * time.Second}
	if p == Legacy {
		config.APIKey = "server-key"
	} else {
		config.TokenSource, config.ProjectID = staticToken(), "demo"
	}
	if change != nil {
		change(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// onEngines runs a test on each engine: what a test says holds for both.
func onEngines(t *testing.T, test func(t *testing.T, e Engine)) {
	for _, e := range []Engine{EnginePipelined, EngineNetHTTP} {
		t.Run(string(e), func(t *testing.T) { test(t, e) })
	}
}

// newClientOn is newClient for V1 with one of the engines.
func newClientOn(t *testing.T, s *server, e Engine, change func(*Config)) *Client {
	t.Helper()
	return newClient(t, s, V1, func(c *Config) {
		if c.Engine = e; change != nil {
			change(c)
		}
	})
}

func prepare(t *testing.T, c *Client, m *Message) *Prepared {
	t.Helper()
	p, err := c.Prepare(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// deliver sends "hello" to the tokens.
func deliver(t *testing.T, ctx context.Context, c *Client, tokens ...string) []sender.Outcome {
	t.Helper()
	out := make([]sender.Outcome, len(tokens))
	c.Deliver(ctx, &Request{Tokens: tokens, Message: prepare(t, c, &Message{Data: "hello"})}, out)
	for i, o := range out {
		if o.Class == sender.Unset {
			t.Fatalf("recipient %d has no outcome", i)
		}
	}
	return out
}

func ids(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("registration-%05d", i)
	}
	return all
}

// legacyRequest is a legacy body as a test server reads it.
type legacyRequest struct {
	To              string          `json:"to"`
	RegistrationIDs []string        `json:"registration_ids"`
	Condition       string          `json:"condition"`
	Data            json.RawMessage `json:"data"`
}

func (r legacyRequest) ids() []string {
	if r.RegistrationIDs != nil {
		return r.RegistrationIDs
	}
	return []string{r.To}
}

// fcmToken is the token of a v1 body.
func fcmToken(body []byte) string {
	var request struct {
		Message struct {
			Token, FID, Topic, Condition string
		} `json:"message"`
	}
	_ = json.Unmarshal(body, &request)
	m := request.Message
	return m.Token + m.FID + m.Topic + m.Condition
}

// accept answers a v1 request.
func accept(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"name":"projects/demo/messages/1"}`) }

// rsaKey is one throw-away key for all tests: making one takes a while.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// accountJSON is a key file that points to a token endpoint.
func accountJSON(tokenURI string) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(rsaKey())
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "demo", "private_key_id": "kid-1", "client_email": "sender@demo.example",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURI,
	})
	if err != nil {
		panic(err)
	}
	return text
}

// reasonNames lists the reasons of outcomes, "" for accepted ones.
func reasonNames(out []sender.Outcome) []string {
	names := make([]string, len(out))
	for i, o := range out {
		if o.Reason != nil {
			names[i] = o.Reason.Name
		}
	}
	return names
}
