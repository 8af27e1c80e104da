package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
)

// The apps of one project share one quota, of which this worker has its part; another project has its own.
func TestQuotasOfApps(t *testing.T) {
	shares := quotas{workers: 4}
	first, err := shares.of("google demo", "a", 600_000)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	if n := first.PerMinute(); n != 150_000 {
		t.Errorf("a quarter of 600,000 messages a minute is %d", n)
	}
	if second, err := shares.of("google demo", "b", 600_000); err != nil || second != first {
		t.Error("two apps of one project have two quotas", err)
	}
	if other, err := shares.of("google shop", "c", 600_000); err != nil || other == first {
		t.Error("two projects share a quota", err)
	}
	_, err = shares.of("google demo", "d", 900_000)
	if err == nil || !strings.Contains(err.Error(), `quota_per_minute is 900000, but app "a" of the same project has 600000`) {
		t.Error(err)
	}
	if none, err := shares.of("simulator demo", "e", 0); err != nil || none != nil {
		t.Error("0 is no limit", err)
	}
	if _, err = shares.of("simulator demo", "f", 60); err == nil {
		t.Error("a limit for one app and none for the other of the same project")
	}
}

// Apps of one project are paused together and share a quota; apps of another project, or of another protocol, have nothing to do with them.
func TestAppsKnowTheirProject(t *testing.T) {
	simulators, err := StartSimulators(SimulatorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = simulators.Close() }()
	c := config.Default()
	if c.Apps, err = simulators.Credentials(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	named := func(project string) *config.App {
		a, g := *c.Apps["default"], *c.Apps["default"].GCM
		a.APNS, a.GCM, g.ProjectID = nil, &g, project
		return &a
	}
	c.Apps["twin"], c.Apps["stranger"] = named(SimulatedProject), named("another")
	registry, _, err := openApps(c, time.Now, func(string) zerolog.Logger { return zerolog.Nop() })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = registry.Close() }()
	project := func(name string) string {
		app, _ := registry.App(jobs.GCM, name)
		return app.Project()
	}
	if project("default") == "" || project("default") != project("twin") || project("stranger") == project("default") || project("legacy") != "" {
		t.Errorf("projects %q %q %q %q", project("default"), project("twin"), project("stranger"), project("legacy"))
	}
	if app, _ := registry.App(jobs.APNS, "default"); app.Project() != "" {
		t.Errorf("Apple's project is %q", app.Project())
	}

	c.Apps["twin"].GCM.QuotaPerMinute = 1000
	_, _, err = openApps(c, time.Now, func(string) zerolog.Logger { return zerolog.Nop() })
	if err == nil || !errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), `apps.twin.gcm: quota_per_minute is 1000, but app "default" of the same project has 0`) {
		t.Error(err)
	}
}

// The configuration of a workload identity may name Google and, for a simulator, the app's own endpoint; nobody else.
func TestWorkloadIdentityOfAnApp(t *testing.T) {
	simulators, dir, c := simulated(t, SimulatorOptions{})
	subject, file := filepath.Join(dir, "subject"), filepath.Join(dir, "workload.json")
	made, err := simulators.google.WorkloadIdentity(SimulatedProject, subject, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{subject: []byte(made.SubjectToken), file: made.File} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := c.Apps["default"].GCM
	g.ServiceAccount, g.ProjectID = file, SimulatedProject
	open := func() (*provider.Registry, error) {
		registry, _, err := openApps(c, time.Now, func(string) zerolog.Logger { return zerolog.Nop() })
		return registry, err
	}
	registry, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = registry.Close() }()
	if !accepts(t, registry) {
		t.Error("not accepted")
	}
	g.Endpoint = ""
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "apps.default.gcm: GCMAuthError: The credential file "+file+" has a token_url that is not an https address under googleapis.com") {
		t.Error(err)
	}
	g.Endpoint, g.ProjectID = simulators.Google(), ""
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "apps.default.gcm: GCMAuthError: Missing Firebase project. Set project_id") {
		t.Error(err)
	}
}
