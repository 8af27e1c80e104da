// Package deploy holds the files that put Volley into production to what the programs are and do.
package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/config"
)

// unit reads a systemd unit: the values of each key of its [Service] section, in order.
func unit(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values, section := map[string][]string{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		if key, value, ok := strings.Cut(line, "="); ok && section == "[Service]" && !strings.HasPrefix(line, "#") {
			values[key] = append(values[key], value)
		}
	}
	return values
}

// credentials is where systemd puts what LoadCredential names.
const credentials = "/run/credentials/volley.service"

func seconds(t *testing.T, values map[string][]string, key string) time.Duration {
	t.Helper()
	if len(values[key]) != 1 {
		t.Fatalf("%s is there %d times", key, len(values[key]))
	}
	n, err := strconv.Atoi(values[key][0])
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return time.Duration(n) * time.Second
}

func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	service := unit(t, "systemd/volley.service")
	if got := service["Type"]; !slices.Equal(got, []string{"notify"}) {
		t.Errorf("Type=%v: systemd would not wait until the worker is ready", got)
	}
	if stop, drain := seconds(t, service, "TimeoutStopSec"), config.Default().DrainTimeout; stop <= drain+10*time.Second {
		t.Errorf("TimeoutStopSec is %s, a drain takes up to %s: the worker would be killed in the middle of it", stop, drain)
	}
	if watchdog, wait := seconds(t, service, "WatchdogSec"), config.Default().AckWait; watchdog < wait {
		t.Errorf("WatchdogSec is %s: less than the ack wait of %s, after which deliveries go to others anyway", watchdog, wait)
	}
	for _, code := range []int{cli.ExitUsage, cli.ExitConfig} {
		if !slices.Contains(strings.Fields(strings.Join(service["RestartPreventExitStatus"], " ")), strconv.Itoa(code)) {
			t.Errorf("exit code %d would be tried again and again", code)
		}
	}
	for _, key := range []string{"DynamicUser", "NoNewPrivileges", "PrivateTmp", "MemoryDenyWriteExecute"} {
		if !slices.Equal(service[key], []string{"yes"}) {
			t.Errorf("%s=%v", key, service[key])
		}
	}
}

// TestSystemdCredentials compares the keys that the unit hands over with those that its configuration reads.
func TestSystemdCredentials(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("systemd/volley.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// The same configuration with the files where a test may put them has no faults.
	here := t.TempDir()
	for _, name := range []string{"apns-key.p8", "service-account.json"} {
		if err := os.WriteFile(filepath.Join(here, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	moved := filepath.Join(here, "volley.yaml")
	if err := os.WriteFile(moved, []byte(strings.ReplaceAll(string(text), credentials, here)), 0o600); err != nil {
		t.Fatal(err)
	}
	state := func(name string) (string, bool) { return here, name == "STATE_DIRECTORY" }
	if c, err := config.Load(moved, state); err != nil || c.Validate() != nil {
		t.Errorf("%v, %v", err, c.Validate())
	}
	c, err := config.Load("systemd/volley.yaml", state)
	if err != nil {
		t.Fatal(err)
	}
	app := c.Apps["default"]
	var read []string
	for _, path := range []string{app.APNS.KeyFile, app.GCM.ServiceAccount} {
		name, ok := strings.CutPrefix(path, credentials+"/")
		if !ok {
			t.Errorf("%s is not where systemd puts credentials", path)
		}
		read = append(read, name)
	}
	var given []string
	for _, credential := range unit(t, "systemd/volley.service")["LoadCredential"] {
		name, _, _ := strings.Cut(credential, ":")
		given = append(given, name)
	}
	if !slices.Equal(read, given) {
		t.Errorf("the configuration reads %v, the unit gives %v", read, given)
	}
}
