package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// accepts sends one notification through the app "default" and says whether Google took it.
func accepts(t *testing.T, registry *provider.Registry) bool {
	t.Helper()
	job, err := jobs.Decode(jobs.GCM, []byte(`{"ids":"r","message":"hi"}`))
	if err != nil {
		t.Fatal(err)
	}
	app, _ := registry.App(jobs.GCM, jobs.DefaultApp)
	batch, err := app.Prepare(&jobs.Segment{Job: job, JobID: "j", Segments: 1, Total: 1, Published: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]sender.Outcome, 1)
	batch.Send(t.Context(), []int{0}, func() bool { return true }, out)
	return out[0].Class == sender.Accepted
}

// A new key is put in force while the worker runs. A file that can't be used is told of once and changes nothing; nothing of either is shown.
func TestServiceAccountFileIsReadAgain(t *testing.T) {
	simulators, dir, c := simulated(t, SimulatorOptions{})
	var out bytes.Buffer
	registry, keeper, err := openApps(c, time.Now, func(string) zerolog.Logger { return zerolog.New(&out) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = registry.Close() }()
	file := filepath.Join(dir, "service-account.json")
	write := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// looks is what is told of in so many looks, with the log.
	looks := func(n int) string {
		t.Helper()
		out.Reset()
		told := ""
		for range n {
			keeper.look(t.Context(), false, func(e *results.Event) { told += fmt.Sprintf("%s %s.%s %s\n", e.State, e.Platform, e.App, e.Detail) })
		}
		if text := out.String() + told; strings.Contains(text, "PRIVATE") {
			t.Errorf("a key is shown: %s", text)
		}
		if (told != "") != (out.Len() > 0) {
			t.Errorf("log and events differ: %s %s", &out, told)
		}
		return told
	}
	if !accepts(t, registry) {
		t.Fatal("not accepted")
	}
	if told := looks(3); told != "" {
		t.Errorf("nothing has changed: %s", told)
	}

	fresh, err := simulators.google.ServiceAccount(SimulatedProject)
	if err != nil {
		t.Fatal(err)
	}
	write(fresh)
	if told := looks(1); told != "" {
		t.Errorf("it may still be written: %s", told)
	}
	if told := looks(3); strings.Count(told, "\n") != 1 || !strings.HasPrefix(told, "reloaded gcm.default app \"default\"") || !strings.Contains(told, file) {
		t.Error(told)
	}
	if !accepts(t, registry) {
		t.Error("not accepted with the new key")
	}
	for deadline := time.After(10 * time.Second); simulators.google.Issued() < 2; {
		select {
		case <-deadline:
			t.Fatal("the new key is not used")
		case <-time.After(5 * time.Millisecond):
		}
	}

	other, err := simulators.google.ServiceAccount("another-project")
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		spoil func()
		says  string
	}{
		"no key":          {func() { write(bytes.ReplaceAll(fresh, []byte("-----BEGIN"), nil)) }, "has a private_key that is not an RSA key in PEM"},
		"another project": {func() { write(other) }, `for the project "another-project", the old one for "volley-simulated"`},
		"gone": {func() {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}, "can't be read"},
	} {
		row.spoil()
		if told := looks(4); strings.Count(told, "\n") != 1 || !strings.HasPrefix(told, "unusable gcm.default") || !strings.Contains(told, row.says) {
			t.Errorf("%s: %s", name, told)
		}
	}
	if !accepts(t, registry) {
		t.Error("not accepted after a file that can't be used")
	}
}
