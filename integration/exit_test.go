package integration

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Every fault at the start is one clear sentence with the remedy, and a documented exit code.
func TestFaultsAtTheStart(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	noKey := write("nokey.yaml", "apps:\n  shop:\n    gcm: {protocol: legacy, endpoint: https://127.0.0.1:1/fcm/send}\n")
	unreadable := write("unreadable.yaml", "apps:\n  shop:\n    apns: {topic: com.example, certificate: "+write("bad.pem", "nothing")+"}\n")
	typo := write("typo.yaml", "apps:\n  shop:\n    apns: {topik: com.example}\n")
	tests := []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"no credentials", []string{"run", "--store-dir", t.TempDir()}, 78, []string{"apps", "--simulate", "worker demo"}},
		{"missing api_key", []string{"run", "--config", noKey}, 78, []string{"shop", "api_key"}},
		{"unreadable certificate", []string{"run", "--config", unreadable}, 78, []string{"shop", "bad.pem"}},
		{"unknown key", []string{"run", "--config", typo}, 78, []string{"topik", "typo.yaml"}},
		{"no such file", []string{"run", "--config", filepath.Join(dir, "none.yaml")}, 78, []string{"none.yaml"}},
		{"no server", []string{"run", "--simulate", "--nats-url", "nats://127.0.0.1:1", "--control", ""}, 69, []string{"nats://127.0.0.1:1"}},
		{
			"port in use",
			[]string{"run", "--simulate", "--nats-listen", busy.Addr().String(), "--store-dir", t.TempDir(), "--control", ""},
			69,
			[]string{busy.Addr().String(), "--nats-url"},
		},
		{"unknown flag", []string{"run", "--natsurl", "x"}, 2, []string{"--natsurl"}},
		{"check without credentials", []string{"check"}, 78, []string{"apps"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, output := runToEnd(t, "worker", nil, test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(output, want) {
					t.Errorf("output does not mention %q:\n%s", want, output)
				}
			}
			if strings.Contains(output, "goroutine ") {
				t.Errorf("a stack trace:\n%s", output)
			}
		})
	}
}

func TestSecondWorkerOnTheSameStoreIsTold(t *testing.T) {
	store := t.TempDir()
	first := startSimulated(t, "--store-dir", store)
	code, output := runToEnd(t, "worker", nil, "run", "--simulate", "--nats-listen", freePort(t), "--store-dir", store, "--control", "")
	if code != 69 || !strings.Contains(output, store) {
		t.Errorf("locked store: exit code %d:\n%s", code, output)
	}
	code, output = runToEnd(t, "worker", nil, "run", "--simulate", "--nats-listen", first.nats, "--store-dir", t.TempDir(), "--control", "")
	if code != 69 || !strings.Contains(output, "--nats-url "+first.url()) {
		t.Errorf("port of another worker: exit code %d:\n%s", code, output)
	}
}

func TestWorkerEndsInOrder(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		w := startSimulated(t)
		w.signal(s)
		if code := w.wait(); code != 0 {
			t.Errorf("%s: exit code %d", s, code)
		}
	}
}
