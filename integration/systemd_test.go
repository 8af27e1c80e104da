package integration

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSystemdHearsOfTheWorker has the worker's process talk to the socket that systemd would give it.
func TestSystemdHearsOfTheWorker(t *testing.T) {
	dir, err := os.MkdirTemp("", "volley-notify-") //nolint:usetesting // a socket's path has 108 bytes at most, and a test's folder may have more
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	next := func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 4096)
		n, err := socket.Read(said)
		if err != nil {
			t.Fatal(err)
		}
		return string(said[:n])
	}
	w := start(t, "worker", []string{"NOTIFY_SOCKET=" + filepath.Join(dir, "notify"), "WATCHDOG_USEC=300000"},
		"run", "--simulate", "--nats-listen", freePort(t), "--store-dir", t.TempDir(), "--control", "")
	if said := next(); !strings.HasPrefix(said, "READY=1\n") {
		t.Errorf("first: %q", said)
	}
	for range 2 {
		if said := next(); said != "WATCHDOG=1" {
			t.Errorf("then: %q", said)
		}
	}
	w.signal(syscall.SIGTERM)
	for said := next(); !strings.HasPrefix(said, "STOPPING=1\n"); said = next() {
		if said != "WATCHDOG=1" {
			t.Fatalf("before stopping: %q", said)
		}
	}
	if code := w.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
