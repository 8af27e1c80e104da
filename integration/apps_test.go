package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/volleypush/volley/results"
)

// fleet are workers that share a broker and a configuration file each of their own.
type fleet struct {
	t       *testing.T
	control string
	url     string
	all     []*process
	files   []string
	text    string // the configuration that the simulators wrote
}

// startFleet starts workers on one broker, which the first of them runs, with simulators beside them.
func startFleet(t *testing.T, workers int, change func(string) string, args ...string) *fleet {
	t.Helper()
	keys, nats := t.TempDir(), freePort(t)
	f := &fleet{t: t, control: freePort(t), url: "nats://" + nats}
	start(t, "worker", nil, "simulate", "--apns-binary", "127.0.0.1:0", "--apns-feedback", "127.0.0.1:0", "--apns", freePort(t), "--google", freePort(t), "--control", f.control, "--keys-out", keys).waitFor("ready")
	text, err := os.ReadFile(filepath.Join(keys, "volley.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	f.text = string(text)
	for i := range workers {
		f.files = append(f.files, filepath.Join(keys, "worker-"+string(rune('a'+i))+".yaml"))
		f.write(i, change(f.text))
		broker := []string{"--nats-url", f.url}
		if i == 0 {
			broker = []string{"--nats-listen", nats, "--store-dir", t.TempDir()}
		}
		w := start(t, "worker", nil, append(append([]string{"run", "--config", f.files[i], "--log-format", "json", "--worker", "w-" + string(rune('a'+i))}, broker...), args...)...)
		w.waitFor("is ready")
		f.all = append(f.all, w)
	}
	return f
}

func (f *fleet) write(i int, text string) {
	f.t.Helper()
	if err := os.WriteFile(f.files[i], []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// reload gives worker i another configuration and has it look at once.
func (f *fleet) reload(i int, text, says string) {
	f.t.Helper()
	f.write(i, text)
	f.all[i].signal(syscall.SIGHUP)
	f.all[i].waitFor(says)
}

// without is the configuration without an app: the lines that belong to it.
func without(text, app string) string {
	var kept []string
	inside := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") {
			inside = line == "  "+app+":\n"
		}
		if !inside {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// Both workers get an app while they run, and both lose it again: its jobs are sent in between, and what is under way for others is not
// touched. A real file, a real signal.
func TestAppsComeAndGoWithASignal(t *testing.T) {
	without := func(text string) string { return without(text, "legacy") }
	f := startFleet(t, 2, without)
	nc := connect(t, f.url)
	events := subscribe(t, nc)
	for i := range f.all {
		f.reload(i, f.text, `"added":["apns.legacy","gcm.legacy"]`)
	}
	publish(t, nc, "push.apns", `{"id":"first","app":"legacy","message":"hi","ids":`+tokens(0, 5000)+`}`)
	workers := map[string]bool{}
	events(func(e *results.Event) bool {
		if e.Job == "first" && e.Kind == results.KindSegment {
			workers[e.Worker] = true
		}
		if e.Kind == results.KindJobDone && e.Totals.Sent != 5000 {
			t.Errorf("totals %+v", e.Totals)
		}
		return e.Kind == results.KindJobDone
	})
	if len(workers) != 2 {
		t.Errorf("the app's segments were sent by %v", workers)
	}
	// A file that can't be used changes nothing, whoever asks.
	f.reload(0, f.text+"  broken:\n    apns: {topic: x}\n", "the old one stays in force")
	publish(t, nc, "push.gcm", `{"id":"second","app":"legacy","message":"hi","ids":["r"]}`)
	events(func(e *results.Event) bool { return e.Job == "second" && e.Sent == 1 })
	for i := range f.all {
		f.reload(i, without(f.text), `"removed":["apns.legacy","gcm.legacy"]`)
		f.all[i].signal(syscall.SIGHUP)
		f.all[i].waitFor("nothing has changed")
	}
	publish(t, nc, "push.apns", `{"id":"third","message":"hi","ids":["`+token(1)+`"]}`)
	events(func(e *results.Event) bool { return e.Job == "third" && e.Sent == 1 })
	for _, w := range f.all {
		w.signal(syscall.SIGTERM)
		if code := w.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}
