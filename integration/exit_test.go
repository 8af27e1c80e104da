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
		{
			"HTTP port taken",
			[]string{"run", "--simulate", "--nats-listen", "127.0.0.1:0", "--store-dir", t.TempDir(), "--control", "", "--http", busy.Addr().String()},
			69,
			[]string{busy.Addr().String(), "--http"},
		},
		{
			"control port taken",
			[]string{"run", "--simulate", "--nats-listen", "127.0.0.1:0", "--store-dir", t.TempDir(), "--control", busy.Addr().String()},
			69,
			[]string{busy.Addr().String(), "control"},
		},
		{"a simulator's port taken", []string{"simulate", "--apns", busy.Addr().String(), "--google", "127.0.0.1:0", "--control", ""}, 69, []string{busy.Addr().String()}},
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

// slow makes every answer of the simulated Apple take a while, and waits until a notification is on its way.
func slow(t *testing.T, w *simulated, latency string) {
	t.Helper()
	setScript(t, w.control, `{"rules":[{"platform":"apns","percent":100,"answer":{"latency":"`+latency+`"}}]}`)
	publish(t, connect(t, w.url()), "push.apns", `{"id":"slow","message":"hi","ids":`+tokens(0, 20)+`}`)
	poll(t, func() bool { return len(ledger(t, w.control)) > 0 })
}

// What is in flight is finished first: it is told, and nothing of it is sent again by the next worker.
func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	store := t.TempDir()
	w := startSimulated(t, "--store-dir", store)
	slow(t, w, "700ms")
	w.signal(syscall.SIGTERM)
	if code := w.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	again := startSimulated(t, "--store-dir", store)
	stored := connect(t, again.url())
	if e := storedEvent(t, stored, "push.results.apns.default.slow.0.0"); e.Sent != 20 || !e.Done {
		t.Errorf("%+v", e)
	}
	if n := len(ledger(t, again.control)); n != 0 {
		t.Errorf("%d were sent again", n)
	}
}

// What takes longer than the drain timeout is cut off: exit code 70, and what is known of it is stored.
func TestDrainTimeout(t *testing.T) {
	store := t.TempDir()
	w := startSimulated(t, "--store-dir", store, "--drain-timeout", "300ms")
	slow(t, w, "20s")
	w.signal(syscall.SIGTERM)
	if code := w.wait(); code != 70 {
		t.Fatalf("exit code %d, want 70", code)
	}
	again := startSimulated(t, "--store-dir", store)
	if e := storedEvent(t, connect(t, again.url()), "push.results.apns.default.slow.0.0"); e.Sent != 0 || e.Retry == nil || len(e.Retry.Indexes) != 20 {
		t.Errorf("%+v", e)
	}
}

func TestSecondSignalEndsNow(t *testing.T) {
	w := startSimulated(t)
	slow(t, w, "20s")
	w.signal(syscall.SIGINT)
	w.waitFor("stopping")
	w.signal(syscall.SIGINT)
	if w.wait(); w.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
		t.Errorf("ended with %s", w.cmd.ProcessState)
	}
}
