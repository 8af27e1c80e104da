package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/results"
)

// Two apps with the same key, in one file or in two, fetch one access token, also after it is replaced. One with another key has its own.
func TestAppsWithTheSameKeyShareItsTokens(t *testing.T) {
	simulators, dir, c := simulated(t, SimulatorOptions{})
	file, second := filepath.Join(dir, "service-account.json"), filepath.Join(dir, "twin.json")
	write := func(content []byte, files ...string) {
		t.Helper()
		for _, name := range files {
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(key, second)
	for _, name := range []string{"twin", "copy", "other"} {
		settings := *c.Apps["default"].GCM
		c.Apps[name] = &config.App{MaxAttempts: 1, Weight: 1, GCM: &settings}
	}
	c.Apps["copy"].GCM.ServiceAccount = second
	fresh, err := simulators.google.ServiceAccount(SimulatedProject)
	if err != nil {
		t.Fatal(err)
	}
	c.Apps["other"].GCM.ServiceAccount = filepath.Join(dir, "other.json")
	write(fresh, c.Apps["other"].GCM.ServiceAccount)
	registry, keeper, err := openApps(c, time.Now, func(string) zerolog.Logger { return zerolog.Nop() })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = registry.Close() }()
	authenticate := func() {
		t.Helper()
		for _, s := range keeper.sides() {
			if s.google != nil {
				if err := s.google.Authenticate(t.Context()); err != nil {
					t.Errorf("%s: %v", s.name, err)
				}
			}
		}
	}
	authenticate()
	if n := simulators.google.Issued(); n != 2 {
		t.Errorf("%d access tokens for two keys", n)
	}
	// A new key for three of the apps; the fourth has it already.
	write(fresh, file, second)
	reloaded := 0
	for range 3 {
		keeper.look(t.Context(), false, func(e *results.Event) {
			if e.State == stateReloaded {
				reloaded++
			}
		})
	}
	authenticate()
	if n := simulators.google.Issued(); n != 2 || reloaded != 3 {
		t.Errorf("%d access tokens after %d apps got the fourth's key", n, reloaded)
	}
}
