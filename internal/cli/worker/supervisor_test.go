package worker

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// listen is systemd's end of the socket.
func listen(t *testing.T) (path string, next func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") //nolint:usetesting // a socket's path has 108 bytes at most, and a test's folder may have more
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return path, func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 4096)
		n, err := socket.Read(said)
		if err != nil {
			t.Fatal(err)
		}
		return string(said[:n])
	}
}

func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := values[name]; return value, ok }
}

func TestSupervisorHears(t *testing.T) {
	t.Parallel()
	path, next := listen(t)
	v, err := supervise(environment(map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000", "WATCHDOG_PID": strconv.Itoa(os.Getpid())}))
	if err != nil {
		t.Fatal(err)
	}
	stuck := make(chan error, 1)
	stopping, end := v.begin(func() error {
		select {
		case err := <-stuck:
			return err
		default:
			return nil
		}
	})
	if got := next(); got != "READY=1\nSTATUS=working" {
		t.Errorf("first: %q", got)
	}
	for range 3 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("then: %q", got)
		}
	}
	stuck <- errors.New("no heartbeat")
	for said := next(); said != "STATUS=stuck: no heartbeat"; said = next() {
		if said != "WATCHDOG=1" {
			t.Fatalf("instead of what is stuck: %q", said)
		}
	}
	stopping()
	for said := next(); !strings.HasPrefix(said, "STOPPING=1\n"); said = next() {
		if said != "WATCHDOG=1" {
			t.Fatalf("before stopping: %q", said)
		}
	}
	end()
}

// TestSilenceIsNoSignOfLife has a check that never answers: nothing more is said, and the end does not wait for it.
func TestSilenceIsNoSignOfLife(t *testing.T) {
	t.Parallel()
	path, next := listen(t)
	v, err := supervise(environment(map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000"}))
	if err != nil {
		t.Fatal(err)
	}
	never, asked := make(chan struct{}), make(chan struct{}, 1)
	stopping, end := v.begin(func() error {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-never
		return nil
	})
	<-asked
	stopping()
	for i, want := range []string{"READY=1\n", "STOPPING=1\n"} {
		if got := next(); !strings.HasPrefix(got, want) {
			t.Errorf("message %d: %q", i, got)
		}
	}
	end()
	close(never)
}

func TestNobodySupervises(t *testing.T) {
	t.Parallel()
	v, err := supervise(environment(nil))
	if v != nil || err != nil {
		t.Fatalf("%v, %v", v, err)
	}
	stopping, end := v.begin(func() error { t.Error("asked for a sign of life"); return nil })
	stopping()
	end()
	for _, path := range []string{"relative", "/not/there"} {
		if _, err := supervise(environment(map[string]string{"NOTIFY_SOCKET": path})); err == nil || !strings.Contains(err.Error(), "unset") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWatchdogPause(t *testing.T) {
	t.Parallel()
	own := strconv.Itoa(os.Getpid())
	for _, test := range []struct {
		micros, pid string
		want        time.Duration
	}{
		{"30000000", own, 10 * time.Second},
		{"30000000", "", 10 * time.Second},
		{"30000000", "1", 0},
		{"", "", 0},
		{"0", "", 0},
		{"-1", "", 0},
		{"soon", "", 0},
	} {
		if got := watchdogPause(environment(map[string]string{"WATCHDOG_USEC": test.micros, "WATCHDOG_PID": test.pid})); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
	var v supervisor
	v.watch(context.WithoutCancel(t.Context()), func() error { t.Error("asked, though no sign is expected"); return nil })
}
