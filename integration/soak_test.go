//go:build soak

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// The measures of the soak: two million recipients, one in a hundred of whom fails.
const (
	soakGroups = 20
	soakJobs   = 10 // in a group
	soakEach   = 10_000
)

// A worker that has sent two million notifications holds no more memory, descriptors or goroutines than after the first tenth of
// them. Run it with make soak.
func TestSoak(t *testing.T) {
	// The broker is a process of its own, so that its memory is not taken for the worker's.
	broker := freePort(t)
	host, port, _ := strings.Cut(broker, ":")
	start(t, "nats-server", nil, "-js", "-a", host, "-p", port, "-sd", t.TempDir()).waitFor("Server is ready")
	w, _, control := startWithSimulators(t, func(text string) string { return text }, "--nats-url", "nats://"+broker)
	setScript(t, control, `{"rules":[{"percent":1,"answer":{"status":410,"reason":"Unregistered"}}]}`)
	nc := connect(t, "nats://"+broker)
	events := subscribe(t, nc)
	pid := w.cmd.Process.Pid
	var warm, peak, descriptors int
	sent, accepted := 0, 0
	for group := range soakGroups {
		for n := range soakJobs {
			from := (group*soakJobs + n) * soakEach
			publish(t, nc, "push.apns.bulk", fmt.Sprintf(`{"id":"soak-%d-%d","message":"hi","ids":%s}`, group, n, tokens(from, soakEach)))
		}
		open := soakJobs
		events(func(e *results.Event) bool {
			if e.Kind == results.KindJobDone {
				sent += e.Totals.Sent
				open--
			}
			return open == 0
		})
		accepted += takeLedger(t, control)
		peak = status(t, pid, "VmHWM")
		files := len(entries(t, filepath.Join("/proc", strconv.Itoa(pid), "fd")))
		if group == soakGroups/10 {
			warm, descriptors = peak, files
		}
		t.Logf("%d sent, VmHWM %d kB, %d descriptors", sent, peak, files)
		if group == soakGroups-1 && files > descriptors+5 {
			t.Errorf("%d descriptors, %d after the warm-up", files, descriptors)
		}
	}
	if sent != accepted || sent < soakGroups*soakJobs*soakEach*98/100 {
		t.Errorf("%d sent in the events, %d accepted", sent, accepted)
	}
	if peak > warm*120/100 {
		t.Errorf("VmHWM %d kB, %d kB after the warm-up", peak, warm)
	}
	w.signal(syscall.SIGQUIT) // the runtime prints every goroutine
	w.wait()
	if n := strings.Count(w.text(), "\ngoroutine "); n == 0 || n > 200 {
		t.Errorf("%d goroutines in the end", n)
	}
}

// takeLedger counts what was accepted since the last time.
func takeLedger(t *testing.T, control string) int {
	t.Helper()
	response, err := http.Get("http://" + control + "/ledger/summary")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var s simulator.Summary
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	if s.Duplicates != 0 {
		t.Errorf("%d duplicates", s.Duplicates)
	}
	request, err := http.NewRequest(http.MethodDelete, "http://"+control+"/ledger", nil)
	if err != nil {
		t.Fatal(err)
	}
	cleared, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = cleared.Body.Close()
	return s.Accepted
}

// status reads a line of /proc/PID/status, in kB.
func status(t *testing.T, pid int, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s", name)
	return 0
}
