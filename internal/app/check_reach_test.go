package app

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender/simulator"
)

func TestCheckReachesTheBroker(t *testing.T) {
	server, err := natsembed.Start(natsembed.Options{StoreDir: t.TempDir(), Listen: "127.0.0.1:0", MaxStore: 8 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	address := strings.TrimPrefix(server.ClientURL(), "nats://")
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   []string
		mark   error
	}{
		"a server":              {func(c *config.Config) { c.NATS.URL = config.NewURL(server.ClientURL()) }, []string{"ok: NATS server: ", "ok: stream PUSH_JOBS: is not there yet", "ok: durable intake-apns-high: is not there yet"}, nil},
		"a worker that runs":    {func(c *config.Config) { c.NATS.Listen = address }, []string{"ok: NATS server: "}, nil},
		"one that does not run": {func(c *config.Config) { c.NATS.Listen = "127.0.0.1:1" }, []string{"ok: NATS server: inside the worker, which does not run now"}, nil},
		"one for itself":        {func(c *config.Config) { c.NATS.Listen = "" }, []string{"ok: NATS server: inside the worker and for this process only"}, nil},
		"nobody there":          {func(c *config.Config) { c.NATS.URL = config.NewURL("nats://u:planted@127.0.0.1:1") }, []string{"error: NATS server: "}, ErrBroker},
		"no such credentials":   {func(c *config.Config) { c.NATS.URL, c.NATS.Creds = config.NewURL(server.ClientURL()), "none.creds" }, []string{"error: NATS server: "}, ErrCredentials},
		"no such authority":     {func(c *config.Config) { c.NATS.URL, c.NATS.CAFile = config.NewURL(server.ClientURL()), "none.pem" }, []string{"error: NATS server: "}, ErrCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			d := patient(t, c.change)
			d.now = time.Now
			examined(t, d, func(d *doctor) { d.broker(t.Context()) }, c.want...)
			if c.mark != nil && !d.Is(c.mark) || c.mark == nil && (d.Is(ErrBroker) || d.Is(ErrCredentials)) {
				t.Errorf("whose trouble: %+v", d.Findings)
			}
			if strings.Contains(findings(d.Report), "planted") {
				t.Error("a password is shown")
			}
		})
	}
}

func TestCheckReachesTheProvider(t *testing.T) {
	simulators, err := StartSimulators(SimulatorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = simulators.Close() }()
	dir := t.TempDir()
	apps, err := simulators.Credentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	ca := apps["default"].GCM.CAFile
	if ca == "" {
		ca = apps["default"].APNS.CAFile
	}
	stranger, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.pem")
	if err := os.WriteFile(other, stranger.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	endpoint := apps["default"].GCM.Endpoint
	_, port, err := net.SplitHostPort(strings.TrimPrefix(endpoint, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		endpoint, ca string
		later        time.Duration
		noName       bool
		want         []string
		reached      bool
	}{
		"all is well":            {endpoint: endpoint, ca: ca, want: []string{"ok: x: 127.0.0.1:" + port + " opens TLS 1.3 in "}, reached: true},
		"by a name":              {endpoint: "https://localhost:" + port, ca: ca, want: []string{"ok: x: DNS knows localhost, 1 addresses", "ok: x: localhost:" + port + " opens TLS"}, reached: true},
		"a name nobody knows":    {endpoint: "https://localhost:" + port, ca: ca, noName: true, want: []string{"error: x: DNS does not know localhost: no such host: look at the resolver"}},
		"nobody there":           {endpoint: "https://127.0.0.1:1", ca: ca, want: []string{"error: x: no connection to 127.0.0.1:1: "}},
		"the authority is other": {endpoint: endpoint, ca: other, want: []string{"error: x: the certificate of 127.0.0.1:" + port + " is not trusted: "}},
		"no authority":           {endpoint: endpoint, ca: filepath.Join(dir, "none.pem"), want: []string{"error: x: ca_file can't be read"}},
		"the binary protocol":    {endpoint: "127.0.0.1:" + port, ca: ca, want: []string{"ok: x: 127.0.0.1:" + port + " opens TLS"}, reached: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := patient(t, nil)
			d.now = func() time.Time { return time.Now().Add(c.later) }
			if c.noName {
				d.lookup = func(context.Context, string) ([]string, error) { return nil, errors.New("no such host") }
			}
			reached := false
			examined(t, d, func(d *doctor) { reached = d.reach(t.Context(), "x", c.endpoint, c.ca) }, c.want...)
			if reached != c.reached {
				t.Errorf("reached: %v", reached)
			}
		})
	}
	d := patient(t, nil)
	d.now = func() time.Time { return time.Now().Add(50 * 365 * 24 * time.Hour) }
	d.reach(t.Context(), "x", endpoint, ca)
	if got := findings(d.Report); !strings.Contains(got, "warning: x: 127.0.0.1:"+port+" opens TLS") || !strings.Contains(got, "see to it that whoever runs this endpoint renews it") {
		t.Error(got)
	}
	if text, remedy := unreached("h:1", context.DeadlineExceeded); text != "no connection to h:1 within 10s" || remedy == "" {
		t.Error(text, remedy)
	}
}

// A key that Google does not know: the exchange for an access token is its own line, with what Google says.
func TestCheckExchangesTheToken(t *testing.T) {
	simulators, err := StartSimulators(SimulatorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = simulators.Close() })
	apps, err := simulators.Credentials(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	good := apps[jobs.DefaultApp]
	good.APNS = nil
	account, err := os.ReadFile(good.GCM.ServiceAccount)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		email, want string
		verdict     Verdict
	}{
		"taken":   {"", "Google gives an access token for the credential", OK},
		"refused": {"stranger@elsewhere.iam.gserviceaccount.com", `app "default", Google: ServiceAccountRefused (`, Bad},
	} {
		t.Run(name, func(t *testing.T) {
			var fields map[string]any
			if err := json.Unmarshal(account, &fields); err != nil {
				t.Fatal(err)
			}
			fields["client_email"] = cmp.Or(c.email, fields["client_email"].(string)) //nolint:forcetypeassert // it is a service account
			body, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			google := *good.GCM
			google.ServiceAccount = filepath.Join(t.TempDir(), "account.json")
			if err := os.WriteFile(google.ServiceAccount, body, 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := config.Default()
			cfg.NATS.StoreDir, cfg.NATS.Listen = t.TempDir(), ""
			cfg.Apps = map[string]*config.App{jobs.DefaultApp: {GCM: &google}}
			report, err := Check(t.Context(), cfg, true)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.Verdict == c.verdict && strings.HasPrefix(f.Text, c.want) }) || (report.Count(Bad) > 0) != (c.verdict == Bad) {
				t.Errorf("%s", findings(report))
			}
		})
	}
}

func TestCheckComparesClocks(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler()) // net/http tells its time
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ahead time.Duration
		want  []string
	}{
		"together": {0, []string{"ok: x: this machine's clock is "}},
		"ahead":    {time.Hour, []string{"ok: x: this machine's clock is 1h0m", "warning: x: this machine's clock is 1h0m"}},
		"behind":   {-time.Hour, []string{"ok: x: this machine's clock is -", "warning: x: this machine's clock is -"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := patient(t, nil)
			d.now = func() time.Time { return time.Now().Add(c.ahead) }
			examined(t, d, func(d *doctor) { d.reach(t.Context(), "x", server.URL, ca) }, c.want...)
		})
	}
}
