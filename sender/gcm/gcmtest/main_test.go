package gcmtest

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/volleypush/volley/sender/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const project = "demo-project"

// now is the simulators' clock in tests that do not move it.
var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// clock is a hand-set clock; it is moved only between requests.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// fixture is a running server and a plain net/http client: nothing of Volley's own client is used here.
type fixture struct {
	*Server
	t      *testing.T
	clock  *clock
	client *http.Client
}

func start(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: &clock{at: now}}
	options := Options{Now: f.clock.now}
	if change != nil {
		change(&options)
	}
	var err error
	if f.Server, err = New(options); err != nil {
		t.Fatal(err)
	}
	f.client = f.newClient(true)
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) newClient(h2 bool) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.Authority().Pool()}, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!h2)
	transport.Protocols.SetHTTP2(h2)
	f.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

type answered struct {
	status int
	proto  int
	header http.Header
	body   string
}

func (f *fixture) do(client *http.Client, method, path string, header http.Header, body string) answered {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.URL()+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header = header.Clone()
	response, err := client.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answered{status: response.StatusCode, proto: response.ProtoMajor, header: response.Header, body: string(text)}
}

// legacy posts a legacy request with a good key.
func (f *fixture) legacy(body string) answered {
	f.t.Helper()
	header := http.Header{"Authorization": {"key=AAAA:server-key"}, "Content-Type": {"application/json"}}
	return f.do(f.client, http.MethodPost, "/fcm/send", header, body)
}

// v1 posts a v1 request with a good access token.
func (f *fixture) v1(body string) answered {
	f.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + f.IssueToken(project)}, "Content-Type": {"application/json"}}
	return f.do(f.client, http.MethodPost, "/v1/projects/"+project+"/messages:send", header, body)
}

func (f *fixture) script(rules ...simulator.Rule) {
	f.t.Helper()
	if err := f.Scripts().Set(simulator.Script{Rules: rules}); err != nil {
		f.t.Fatal(err)
	}
}

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var out T
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return out
}

// last is the newest line of the ledger.
func (f *fixture) last() simulator.Notification {
	f.t.Helper()
	lines := f.Ledger().All()
	if len(lines) == 0 {
		f.t.Fatal("the ledger is empty")
	}
	return lines[len(lines)-1]
}
