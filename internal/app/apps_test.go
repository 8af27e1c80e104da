package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// estate is a keeper whose configuration the test changes, with simulated providers.
type estate struct {
	*keeper
	t          *testing.T
	simulators *Simulators
	registry   *provider.Registry
	log        bytes.Buffer
	next       *config.Config
	fault      error
	versions   int
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{t: t}
	var err error
	if e.simulators, err = StartSimulators(SimulatorOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.simulators.Close() })
	c := config.Default()
	if c.Apps, err = e.simulators.Credentials(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	delete(c.Apps, "legacy")
	delete(c.Apps, "binary")
	if e.registry, e.keeper, err = openApps(c, time.Now, func(string) zerolog.Logger { return zerolog.New(&e.log) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.registry.Close() })
	file := filepath.Join(t.TempDir(), "volley.yaml")
	e.write(file)
	e.source = &source{changes: watch(file), read: func() (*config.Config, error) { return e.next, e.fault }}
	return e
}

func (e *estate) write(file string) {
	e.versions++
	if err := os.WriteFile(file, fmt.Appendf(nil, "version %d", e.versions), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

// change writes another configuration: a copy of the one that is wanted, as edit leaves it.
func (e *estate) change(edit func(*config.Config)) {
	e.t.Helper()
	next := *e.want
	next.Apps = map[string]*config.App{}
	for name, a := range e.want.Apps {
		next.Apps[name] = cloned(a)
	}
	edit(&next)
	e.next, e.fault = &next, nil
	e.write(e.source.file)
}

func cloned(a *config.App) *config.App {
	b := *a
	if a.APNS != nil {
		apple := *a.APNS
		b.APNS = &apple
	}
	if a.GCM != nil {
		google := *a.GCM
		b.GCM = &google
	}
	return &b
}

// looks is what so many looks tell of, "state platform.app" each.
func (e *estate) looks(n int, now bool) string {
	e.t.Helper()
	var told []string
	e.log.Reset()
	for range n {
		e.look(e.t.Context(), now, func(r *results.Event) {
			told = append(told, fmt.Sprintf("%s %s.%s", r.State, r.Platform, r.App))
			if r.State == stateUnusable && !strings.Contains(r.Detail, fmt.Sprintf("app %q", r.App)) {
				e.t.Errorf("%q does not name the app", r.Detail)
			}
		})
	}
	return strings.Join(told, ", ")
}

func (e *estate) script(reason string) {
	e.t.Helper()
	var s simulator.Script
	if reason != "" {
		s.Rules = []simulator.Rule{{Platform: simulator.APNS, Percent: 100, Answer: simulator.Answer{Reason: reason}}}
	}
	if err := e.simulators.Scripts.Set(s); err != nil {
		e.t.Fatal(err)
	}
}

func (e *estate) inForce(platform jobs.Platform, name string) any {
	app, ok := e.registry.App(platform, name)
	if !ok {
		return nil
	}
	return app
}

// Each row is a change of the configuration, what the keeper tells of in three looks, and who is there afterwards.
func TestAppsComeChangeAndGo(t *testing.T) {
	var before any
	for _, row := range []struct {
		name    string
		answers string // of Apple, to everything
		edit    func(*config.Config)
		told    string
		known   string // of Apple
		kept    bool   // the app "default" is the same as before
		logs    []string
	}{
		{name: "nothing", edit: func(*config.Config) {}, known: "default", kept: true},
		{
			name: "added", edit: func(c *config.Config) { c.Apps["shop"] = cloned(c.Apps["default"]) },
			told: "added apns.shop, added gcm.shop", known: "default shop", kept: true, logs: []string{`"added":["apns.shop","gcm.shop"]`},
		},
		{
			name: "one platform added", edit: func(c *config.Config) {
				c.Apps["a"] = &config.App{MaxAttempts: 1, Weight: 1, APNS: cloned(c.Apps["default"]).APNS}
			},
			told: "added apns.a", known: "a default", kept: true,
		},
		{
			name: "added while Apple is out", answers: "ServiceUnavailable", edit: func(c *config.Config) {
				c.Apps["shop"] = &config.App{MaxAttempts: 1, Weight: 1, APNS: cloned(c.Apps["default"]).APNS}
			},
			told: "added apns.shop", known: "default shop", kept: true,
		},
		{
			name: "added and refused", answers: "InvalidProviderToken", edit: func(c *config.Config) {
				c.Apps["shop"] = &config.App{MaxAttempts: 1, Weight: 1, APNS: cloned(c.Apps["default"]).APNS}
			},
			told: "unusable apns.shop", known: "default", kept: true, logs: []string{"its jobs wait", "Apple does not accept key", `"refused":["apns.shop"]`},
		},
		{name: "changed", edit: func(c *config.Config) { c.Apps["default"].APNS.DefaultBatchSize = 7 }, told: "reloaded apns.default", known: "default"},
		{name: "attempts", edit: func(c *config.Config) { c.Apps["default"].MaxAttempts = 3 }, told: "reloaded apns.default, reloaded gcm.default", known: "default"},
		{
			name: "another rate, while Apple is out", answers: "ServiceUnavailable", edit: func(c *config.Config) {
				c.Apps["default"].Rate, c.Workers = config.Rate{Count: 100, Per: time.Second}, 4
			},
			known: "default", kept: true, logs: []string{`"rates":["apns.default","gcm.default"]`, "restart the worker for them: workers"},
		},
		{
			name: "changed and refused", answers: "InvalidProviderToken", edit: func(c *config.Config) { c.Apps["default"].APNS.DefaultBatchSize = 8 },
			told: "unusable apns.default", known: "default", kept: true, logs: []string{"the old one stays in force", "compare key_id with the list of keys"},
		},
		{
			name: "changed while Apple is out", answers: "ServiceUnavailable", edit: func(c *config.Config) { c.Apps["default"].APNS.DefaultBatchSize = 9 },
			known: "default", kept: true, logs: []string{"could not be proved; the old one stays in force, and it is tried again", `"unproved":["apns.default"]`},
		},
		{
			name: "a file that is not there", edit: func(c *config.Config) { c.Apps["default"].APNS.KeyFile = "/nowhere/key.p8" },
			told: "unusable apns.default", known: "default", kept: true, logs: []string{"/nowhere/key.p8"},
		},
		{
			name: "removed", edit: func(c *config.Config) { c.Apps["other"] = c.Apps["default"]; delete(c.Apps, "default") },
			told: "removed apns.default, removed gcm.default, added apns.other, added gcm.other", known: "other",
		},
		{name: "one platform removed", edit: func(c *config.Config) { c.Apps["default"].GCM = nil }, told: "removed gcm.default", known: "default", kept: true},
		{
			name: "no apps", edit: func(c *config.Config) { clear(c.Apps) }, known: "default", kept: true,
			logs: []string{"it has no apps any more", "volley.yaml"},
		},
		{
			name: "what only a start can change", edit: func(c *config.Config) {
				c.MaxSegments, c.NATS.Listen = 9, "127.0.0.1:1"
				c.Log.Levels = map[string]string{"volley": "debug"}
			},
			known: "default", kept: true, logs: []string{"restart the worker for them: nats.listen, max_segments"},
		},
		{
			name: "two quotas of one project", edit: func(c *config.Config) {
				c.Apps["twin"] = &config.App{MaxAttempts: 1, GCM: cloned(c.Apps["default"]).GCM}
				c.Apps["twin"].GCM.QuotaPerMinute = 6000
			},
			told: "unusable gcm.twin", known: "default", kept: true, logs: []string{"quota_per_minute is 6000"},
		},
		{
			name: "another quota of a project", edit: func(c *config.Config) {
				c.Apps["default"].GCM.QuotaPerMinute = 6000
				c.Apps["twin"] = &config.App{MaxAttempts: 1, GCM: cloned(c.Apps["default"]).GCM}
			},
			told: "reloaded gcm.default, added gcm.twin", known: "default", kept: true,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEstate(t)
			e.script(row.answers)
			before = e.inForce(jobs.APNS, "default")
			e.change(row.edit)
			if told := e.looks(1, false); told != "" {
				t.Errorf("it may still be written: %s", told)
			}
			if told := e.looks(3, false); told != row.told {
				t.Errorf("told %q, want %q", told, row.told)
			}
			if known := strings.Join(e.registry.Known(jobs.APNS), " "); known != row.known {
				t.Errorf("known: %s", known)
			}
			if kept := e.inForce(jobs.APNS, "default") == before; kept != row.kept {
				t.Errorf("the app is the same: %t", kept)
			}
			for _, text := range row.logs {
				if !strings.Contains(e.log.String(), text) {
					t.Errorf("the log does not say %q: %s", text, &e.log)
				}
			}
			if n := strings.Count(e.log.String(), "could not be proved"); n > 1 {
				t.Errorf("told %d times of what could not be proved", n)
			}
		})
	}
}

// The levels of the log follow the configuration at once; one that can't be used leaves them alone.
func TestLevelsFollowTheConfiguration(t *testing.T) {
	e := newEstate(t)
	var set []config.Log
	e.source.setLevels = func(l config.Log) error { set = append(set, l); return nil }
	e.change(func(c *config.Config) { c.Apps["default"].APNS.DefaultBatchSize = 7 })
	e.looks(3, false)
	if len(set) > 0 {
		t.Errorf("nothing of the log has changed: %+v", set)
	}
	e.change(func(c *config.Config) { c.Log.Levels = map[string]string{"volley.apns": "trace"} })
	e.looks(3, false)
	if text := e.log.String(); !strings.Contains(text, `"levels":{"volley.apns":"trace"},"message":"the levels of the log have changed"`) || strings.Contains(text, "restart the worker") {
		t.Error(text)
	}
	e.change(func(c *config.Config) { c.Log.Level = "warn" })
	e.fault = errors.New("broken")
	e.looks(3, false)
	if len(set) != 1 || set[0].Levels["volley.apns"] != "trace" {
		t.Errorf("%+v", set)
	}
}

// A provider that was out is asked again at each look; one that refused only when somebody asks, or when something changes.
func TestCanaryIsSentAgain(t *testing.T) {
	e := newEstate(t)
	change := func(n int) { e.change(func(c *config.Config) { c.Apps["default"].APNS.DefaultBatchSize = n }) }
	e.script("ServiceUnavailable")
	change(1)
	if told := e.looks(3, false); told != "" {
		t.Error(told)
	}
	e.script("")
	if told := e.looks(2, false); told != "reloaded apns.default" {
		t.Error(told)
	}
	e.script("BadCertificate")
	change(2)
	if told := e.looks(3, false); told != "unusable apns.default" {
		t.Error(told)
	}
	e.script("")
	if told := e.looks(3, false); told != "" {
		t.Errorf("nobody asked: %s", told)
	}
	if told := e.looks(2, true); told != "reloaded apns.default" {
		t.Error(told)
	}
	if told := e.looks(1, true); told != "" || !strings.Contains(e.log.String(), "nothing has changed") {
		t.Errorf("told %q, log %s", told, &e.log)
	}
}

// One look is enough for who asks.
func TestAskedForLookTakesAtOnce(t *testing.T) {
	e := newEstate(t)
	e.change(func(c *config.Config) { c.Apps["shop"] = cloned(c.Apps["default"]) })
	if told := e.looks(1, true); told != "added apns.shop, added gcm.shop" {
		t.Error(told)
	}
	file := e.want.Apps["shop"].APNS.KeyFile
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if told := e.looks(1, true); told != "reloaded apns.default, reloaded apns.shop" {
		t.Error(told)
	}
}

// A configuration that can't be used is told of by app, and changes nothing until it is mended.
func TestFaultyConfigurationChangesNothing(t *testing.T) {
	e := newEstate(t)
	e.change(func(c *config.Config) { delete(c.Apps, "default") })
	e.fault = config.Faults{
		{App: "shop", Key: "apps.shop.gcm.api_key", Problem: "is missing"},
		{App: "default", Key: "apps.default.max_attempts", Problem: "is 0"},
		{App: "shop", Key: "apps.shop.gcm.endpoint", Problem: "must be https"},
		{Key: "http", Problem: "is wrong"},
	}
	if told := e.looks(4, false); told != "unusable apns.default, unusable gcm.shop" {
		t.Error(told)
	}
	if !slices.Equal(e.registry.Known(jobs.APNS), []string{"default"}) || !strings.Contains(e.log.String(), "apps.shop.gcm.endpoint must be https") {
		t.Errorf("known %v, log %s", e.registry.Known(jobs.APNS), &e.log)
	}
	e.fault = errors.New("volley.yaml:3:1: unknown key")
	e.write(e.source.file)
	if told := e.looks(3, false); told != "" || !strings.Contains(e.log.String(), "volley.yaml:3:1: unknown key") {
		t.Errorf("told %q, log %s", told, &e.log)
	}
	e.change(func(c *config.Config) { c.Apps["shop"] = cloned(c.Apps["default"]) })
	if told := e.looks(3, false); told != "added apns.shop, added gcm.shop" {
		t.Error(told)
	}
}

// Every file of a credential is looked at, not only those of keys: server keys and certificates of authorities too.
func TestEveryFileOfACredentialIsReadAgain(t *testing.T) {
	e := newEstate(t)
	all, err := e.simulators.Credentials(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key := all["legacy"].GCM.APIKeyFile
	held, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(string(held))
	e.change(func(c *config.Config) {
		c.Apps["legacy"] = cloned(all["legacy"])
		c.Apps["legacy"].APNS = nil
	})
	if told := e.looks(2, false); told != "added gcm.legacy" {
		t.Fatal(told)
	}
	if err := os.WriteFile(key, []byte("AIzaAnotherKey"), 0o600); err != nil {
		t.Fatal(err)
	}
	if told := e.looks(3, false); told != "unusable gcm.legacy" {
		t.Error(told)
	}
	if strings.Contains(e.log.String(), "AIza") || strings.Contains(e.log.String(), secret) {
		t.Errorf("a key is shown: %s", &e.log)
	}
	if err := os.WriteFile(key, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if told := e.looks(3, false); told != "reloaded gcm.legacy" {
		t.Error(told)
	}
	authority := e.want.Apps["default"].GCM.CAFile
	text, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(authority, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if told := e.looks(3, false); told != "reloaded apns.default, reloaded gcm.default" {
		t.Error(told)
	}
}
