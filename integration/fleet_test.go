package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
)

// patience is how long a fact is waited for that is sure to come, on a busy machine.
const patience = 90 * time.Second

// until asks for a fact again and again until it is one.
func until(t *testing.T, what string, fact func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !fact() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("within %s it did not come true that %s", patience, what)
		}
	}
}

// fixedPort finds a port for a program that is killed and started again: none of those that the system gives to connections, which
// would take it meanwhile.
func fixedPort(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(20_000)))
		if err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// mortalWorker builds the worker that can be made to die at named points.
var mortalWorker = sync.OnceValue(func() error { //nolint:gochecknoglobals // built once for all tests
	out, err := exec.Command("go", "build", "-tags", "chaos", "-o", filepath.Join(bin, "worker-mortal"), "../cmd/worker").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the worker with the tag chaos: %w\n%s", err, out)
	}
	return nil
})

// providers are both simulated providers in a process of their own, so that they outlive every worker.
type providers struct{ control, config string }

// hurdles is what the simulators answer: now and then a recipient is gone, or answered "not now" once, and nobody at once.
const hurdles = `{"rules":[
	{"platform":"apns","percent":0.5,"salt":"gone","answer":{"status":410,"reason":"Unregistered","timestamp_ms":1795430000123,"latency":"2ms"}},
	{"platform":"apns","percent":0.5,"salt":"busy","times":1,"answer":{"status":503,"reason":"ServiceUnavailable","latency":"2ms"}},
	{"platform":"gcm","prefix":"default-","percent":0.5,"salt":"gone","answer":{"status":404,"reason":"UNREGISTERED","latency":"2ms"}},
	{"platform":"gcm","prefix":"legacy-","percent":0.5,"salt":"gone","answer":{"reason":"NotRegistered","latency":"2ms"}},
	{"percent":100,"answer":{"latency":"2ms"}}]}`

func startProviders(t *testing.T) *providers {
	t.Helper()
	return startProvidersWith(t, hurdles)
}

func startProvidersWith(t *testing.T, text string) *providers {
	t.Helper()
	keys, script := t.TempDir(), filepath.Join(t.TempDir(), "script.json")
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &providers{control: fixedPort(t), config: filepath.Join(keys, "volley.yaml")}
	start(t, "worker", nil, "simulate", "--apns-binary", "127.0.0.1:0", "--apns-feedback", "127.0.0.1:0", "--apns", "127.0.0.1:0", "--google", "127.0.0.1:0", "--control", p.control, "--keys-out", keys,
		"--script", script).waitFor("(ready;")
	return p
}

// server is a NATS server as a process of its own. It can be killed and started again on the same store and port.
type server struct {
	*process
	args []string
	addr string
}

func startServer(t *testing.T) *server {
	t.Helper()
	addr := fixedPort(t)
	host, port, _ := strings.Cut(addr, ":")
	s := &server{addr: addr, args: []string{"-a", host, "-p", port, "-js", "-sd", t.TempDir()}}
	s.launch(t)
	return s
}

// launch starts it, also once more.
func (s *server) launch(t *testing.T) {
	t.Helper()
	s.process = start(t, "nats-server", nil, s.args...)
	s.waitFor("Server is ready")
}

func (s *server) url() string { return "nats://" + s.addr }

// death says where a worker dies.
type death struct {
	at string
	// after is the n-th time, by "kill" or "stop".
	after int
	by    string
}

// obituary is what a worker wrote down when it died.
type obituary struct {
	Held []struct {
		Stream   string
		Sequence uint64
		Sending  *struct {
			Platform jobs.Platform
			App, Job string
			Indexes  jobs.Indexes
		}
	}
}

// sending are the recipients of what it had begun to send and had not committed; nil after a commit, when that has to be nothing.
func (o *obituary) sending(d death) map[recipient]bool {
	if afterCommit(d.at) {
		return nil
	}
	all := map[recipient]bool{}
	for _, h := range o.Held {
		if s := h.Sending; s != nil {
			for _, i := range s.Indexes {
				all[recipient{string(s.Platform) + "." + s.App + "." + s.Job, i}] = true
			}
		}
	}
	return all
}

// mortal is a worker that is going to die.
type mortal struct {
	*process
	file string
}

// startMortal starts a worker that dies as told.
func startMortal(t *testing.T, d death, env []string, args ...string) *mortal {
	t.Helper()
	if err := mortalWorker(); err != nil {
		t.Fatal(err)
	}
	m := &mortal{file: filepath.Join(t.TempDir(), "obituary.json")}
	env = append(env, "VOLLEY_DIE_AT="+d.at, fmt.Sprintf("VOLLEY_DIE_AFTER=%d", max(d.after, 1)), "VOLLEY_DIE_REPORT="+m.file)
	if d.by != "" {
		env = append(env, "VOLLEY_DIE_BY="+d.by)
	}
	m.process = start(t, "worker-mortal", env, args...)
	return m
}

// death waits until the worker has died and returns when, and what it left.
func (m *mortal) death() (time.Time, *obituary) {
	m.t.Helper()
	select {
	case <-m.done:
	case <-time.After(patience):
		m.t.Fatalf("the worker did not die:\n%s", m.text())
	}
	at := time.Now()
	var exit *exec.ExitError
	if !errors.As(m.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		m.t.Fatalf("the worker ended otherwise: %v", m.err)
	}
	return at, m.obituary()
}

func (m *mortal) obituary() *obituary {
	m.t.Helper()
	text, err := os.ReadFile(m.file)
	if err != nil {
		m.t.Fatal(err)
	}
	var o obituary
	if err := json.Unmarshal(text, &o); err != nil {
		m.t.Fatal(err)
	}
	return &o
}
