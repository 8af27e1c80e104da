package app

import (
	"testing"

	"github.com/volleypush/volley/internal/config"
)

// simulated starts simulators and makes the configuration of a worker for them, whose credentials lie in the folder.
func simulated(t *testing.T, o SimulatorOptions) (simulators *Simulators, dir string, c *config.Config) {
	t.Helper()
	simulators, err := StartSimulators(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = simulators.Close() })
	dir, c = t.TempDir(), config.Default()
	if c.Apps, err = simulators.Credentials(dir); err != nil {
		t.Fatal(err)
	}
	return simulators, dir, c
}
