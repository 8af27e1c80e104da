package apnstest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/volleypush/volley/sender/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	goodToken = "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff"
	goodTopic = "com.example.app"
	goodID    = "123e4567-e89b-12d3-a456-4266554400a0"
	goodBody  = `{"aps":{"alert":"hi"}}`
)

// now is the simulators' clock in tests that do not move it.
var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// clock is a hand-set clock; it is moved only between requests.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// fixture is a running server, a key it knows, and plain net/http clients: nothing of Volley's own client is used here.
type fixture struct {
	*Server
	t     *testing.T
	key   Key
	p8    []byte
	clock *clock
}

func start(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	key, p8, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, key: key, p8: p8, clock: &clock{at: now}}
	options := Options{Now: f.clock.now, Keys: []Key{key}}
	if change != nil {
		change(&options)
	}
	f.Server, err = New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// client is one connection: a new client is a new connection.
func (f *fixture) client(certificates ...tls.Certificate) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.Authority().Pool(), Certificates: certificates}, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(true)
	f.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// mint signs a provider token with a library that the server does not use.
func (f *fixture) mint(issued time.Time, change func(*jwt.Token)) string {
	f.t.Helper()
	return bearer(f.t, f.key, f.p8, issued, change)
}

func bearer(t testing.TB, key Key, p8 []byte, issued time.Time, change func(*jwt.Token)) string {
	t.Helper()
	block, _ := pem.Decode(p8)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": key.TeamID, "iat": issued.Unix()})
	token.Header["kid"] = key.KeyID
	if change != nil {
		change(token)
	}
	signed, err := token.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// push is a request that the service accepts, until a test changes it.
type push struct {
	method, path, body string
	header             http.Header
}

func (f *fixture) good() *push {
	return &push{method: http.MethodPost, path: "/3/device/" + goodToken, body: goodBody, header: http.Header{
		"Authorization": {"bearer " + f.mint(f.clock.at, nil)}, "Apns-Topic": {goodTopic}, "Apns-Id": {goodID},
		"Apns-Push-Type": {"alert"}, "Apns-Priority": {"10"}, "Apns-Expiration": {"0"},
	}}
}

type answered struct {
	status int
	header http.Header
	body   string
}

func (f *fixture) send(client *http.Client, p *push) answered {
	f.t.Helper()
	got, err := f.try(client, p)
	if err != nil {
		f.t.Fatal(err)
	}
	return got
}

// try sends where there may be no answer.
func (f *fixture) try(client *http.Client, p *push) (answered, error) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, p.method, f.URL()+p.path, strings.NewReader(p.body))
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header = p.header.Clone()
	response, err := client.Do(request)
	if err != nil {
		return answered{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answered{}, err
	}
	if response.ProtoMajor != 2 {
		f.t.Errorf("answered over %s", response.Proto)
	}
	return answered{status: response.StatusCode, header: response.Header, body: string(body)}, nil
}

// expect sends the push and compares status and reason; "" is an acceptance. What the ledger says must agree.
func (f *fixture) expect(client *http.Client, p *push, status int, reason string) answered {
	f.t.Helper()
	got := f.send(client, p)
	want := ""
	if reason != "" {
		want = `{"reason":"` + reason + `"}`
	}
	if got.status != status || got.body != want && status != http.StatusGone {
		f.t.Errorf("answered %d %q, want %d %q", got.status, got.body, status, want)
	}
	lines := f.Ledger().All()
	last := lines[len(lines)-1]
	if last.Status != status || last.Reason != reason {
		f.t.Errorf("the ledger says %d %q, want %d %q", last.Status, last.Reason, status, reason)
	}
	return got
}

func (f *fixture) script(rules ...simulator.Rule) {
	f.t.Helper()
	if err := f.Scripts().Set(simulator.Script{Rules: rules}); err != nil {
		f.t.Fatal(err)
	}
}
