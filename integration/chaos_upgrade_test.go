//go:build chaosrun

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
)

// forebears are the commits, by their first line, that today's worker is run beside: the last one without personal jobs, orders, lanes
// with a share of their own and work for apps that others have; and the first one with its books under test. .ci/run reads the file, too.
func forebears(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/forebears.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// forebear builds the worker of an earlier commit as bin/NAME. A clone without that commit fails: it would prove nothing.
func forebear(t *testing.T, name, title string) {
	t.Helper()
	out := func(command string, args ...string) string {
		t.Helper()
		text, err := exec.CommandContext(t.Context(), command, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", command, strings.Join(args, " "), err, text)
		}
		return strings.TrimSpace(string(text))
	}
	commit := out("git", "-C", "..", "log", "-1", "--format=%H", "--fixed-strings", "--grep="+title)
	if commit == "" {
		t.Fatalf("not run: no history: this clone has no commit %q; git fetch --unshallow, or clone it whole", title)
	}
	source := t.TempDir()
	archive := filepath.Join(source, "source.tar")
	out("git", "-C", "..", "archive", "--output", archive, commit)
	out("tar", "-x", "-f", archive, "-C", source)
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(bin, name), "./cmd/worker")
	build.Dir = source
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the worker of %s: %v\n%s", commit, err, text)
	}
}

// TestSideBySide is an upgrade: workers of an earlier commit have made the streams and are in the middle of a campaign; one of them is
// replaced by today's; then the last of them leaves. Everybody is told of once, nobody is sent to twice, and what the newer one has made of the
// streams stays. Then the older ones come back: a rollback.
func TestSideBySide(t *testing.T) {
	simulated := startProviders(t)
	for i, title := range forebears(t) {
		t.Run(title, func(t *testing.T) {
			name := fmt.Sprintf("worker-forebear-%d", i)
			forebear(t, name, title)
			s := openTheatre(t, simulated, startServer(t).url())
			config := filepath.Join(t.TempDir(), "volley.yaml")
			if err := os.WriteFile(config, plainSettings(t, s.config), 0o600); err != nil {
				t.Fatal(err)
			}
			older := func(as string) *process {
				t.Helper()
				w := start(t, name, nil, s.args(as, []string{"--http", "", "--config", config})...)
				w.waitFor("is ready")
				return w
			}
			a := audience{fmt.Sprintf("side-by-side-%d", i)}
			play := func(part string, more ...*order) {
				t.Helper()
				act := audience{a.name + "-" + part}
				more = slices.Concat(act.mixed(60, 1, 50, 20, 120, 10, 1, 300), more, []*order{
					act.order(jobs.APNS, "default", "large", 5000, nil),
					act.order(jobs.GCM, "default", "later", 3, map[string]any{"deliver_at": time.Now().Add(2 * time.Second).Format(time.RFC3339Nano)}),
				})
				s.orders = append(s.orders, more...)
				if err := s.publish(more...); err != nil {
					t.Fatal(err)
				}
			}
			leaving, staying := older("older-1"), older("older-2")
			play("before")
			s.reach(20)
			newer := s.worker("newer")
			s.end(leaving)
			play("beside")
			s.reach(100)
			made := s.topology()
			again := older("older-3") // one that starts after the newer one has migrated the streams
			play("again")
			s.settle()
			s.end(staying)
			s.end(again)
			personal, _ := a.personal("default", jobs.APNS, 2100)
			play("alone", personal)
			s.settle()
			if diff := cmp.Diff(made, s.topology()); diff != "" {
				t.Errorf("an older worker changed the streams:\n%s", diff)
			}
			s.end(newer)
			back := older("older-4")
			play("back")
			s.settle()
			s.end(back)
			s.atMost(0)
			by := map[string]int{}
			for _, e := range s.events {
				by[e.Worker]++
			}
			for _, w := range []string{"older-1", "older-2", "newer", "older-3", "older-4"} {
				if by[w] == 0 {
					t.Errorf("%s has sent nothing: nothing was side by side", w)
				}
			}
		})
	}
}

// plainSettings is the simulators' configuration without what earlier releases don't know.
func plainSettings(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"protocol", "environment", "topic", "key_file", "key_id", "team_id", "certificate", "endpoint", "ca_file", "service_account", "api_key_file", "apns", "gcm", "apps", "default", "legacy"}
	var kept strings.Builder
	binary := false
	for line := range strings.Lines(string(text)) {
		key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") {
			binary = key == "binary"
		}
		if !binary && slices.Contains(known, key) {
			kept.WriteString(line)
		}
	}
	return []byte(kept.String())
}
