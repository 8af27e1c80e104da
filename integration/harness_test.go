// Package integration tests Volley from outside: real processes, a real broker, real sockets, real TLS. Nothing here knows how
// Volley works inside; what is asserted is what a user, a subscriber or a provider can see.
package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// bin is where TestMain puts the programs under test.
var bin string //nolint:gochecknoglobals // set once by TestMain

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "volley-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin = dir
	for name, pkg := range map[string]string{"worker": "../cmd/worker", "enqueue": "../cmd/enqueue", "nats-server": "github.com/nats-io/nats-server/v2"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %s: %v\n%s", name, err, out)
			return 1
		}
	}
	return m.Run()
}

// process is a running program whose output is kept.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	name string
	done chan struct{}
	err  error

	mu     sync.Mutex
	output bytes.Buffer
	grown  chan struct{} // closed and replaced whenever output grows
}

// start runs a program of bin. It is killed when the test ends, if it still runs.
func start(t *testing.T, name string, env []string, args ...string) *process {
	t.Helper()
	return startCommand(t, name, env, exec.Command(filepath.Join(bin, name), args...))
}

// startCommand is start for a program that is called in a way of its own.
func startCommand(t *testing.T, name string, env []string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, done: make(chan struct{}), grown: make(chan struct{})}
	p.cmd.Env = append(clean(os.Environ()), env...)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewReader(reader)
		for {
			line, err := lines.ReadBytes('\n')
			p.mu.Lock()
			p.output.Write(line)
			close(p.grown)
			p.grown = make(chan struct{})
			p.mu.Unlock()
			if err != nil {
				_ = reader.Close()
				return
			}
		}
	}()
	go func() {
		<-read
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("--- output of %s ---\n%s", p.name, p.text())
		}
	})
	return p
}

// clean removes what could steer the programs from outside.
func clean(env []string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, "VOLLEY_") && !strings.HasPrefix(e, "NATS_") && !strings.HasPrefix(e, "GOOGLE_") && !strings.Contains(strings.ToUpper(e), "_PROXY=") {
			kept = append(kept, e)
		}
	}
	return kept
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// waitFor blocks until the output contains text.
func (p *process) waitFor(text string) {
	p.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		p.mu.Lock()
		found, grown := strings.Contains(p.output.String(), text), p.grown
		p.mu.Unlock()
		if found {
			return
		}
		select {
		case <-grown:
		case <-p.done:
			p.t.Fatalf("%s ended (%v) before it printed %q", p.name, p.err, text)
		case <-deadline:
			p.t.Fatalf("%s did not print %q", p.name, text)
		}
	}
}

// wait blocks until the program ends and returns its exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(90 * time.Second):
		p.t.Fatalf("%s did not end", p.name)
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return exit.ExitCode()
	}
	if p.err != nil {
		p.t.Fatalf("%s: %v", p.name, p.err)
	}
	return 0
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// runToEnd runs a program and returns its exit code and its output.
func runToEnd(t *testing.T, name string, env []string, args ...string) (int, string) {
	t.Helper()
	p := start(t, name, env, args...)
	code := p.wait()
	return code, p.text()
}

// ports counts through port numbers below those that a system gives to whoever asks for any (32768 on Linux, 49152 elsewhere), from a place of this
// process's own: between freePort and the start of the program it is for, nobody of all these tests gets it.
var ports atomic.Int32 //nolint:gochecknoglobals // processes share the ports of a machine

// freePort finds a port number for a program that is about to start.
func freePort(t *testing.T) string {
	t.Helper()
	const first, count = 20_000, 12_000
	ports.CompareAndSwap(0, int32(os.Getpid()%100*100)) // below 10,000
	for range count {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+ports.Add(1)%count))
		if err != nil {
			continue // somebody has it
		}
		_ = l.Close()
		return l.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}

// simulated is a worker that sends to simulators of its own.
type simulated struct {
	*process
	nats, control string
}

// startSimulated starts `worker run --simulate` with a broker of its own.
func startSimulated(t *testing.T, args ...string) *simulated {
	t.Helper()
	s := &simulated{nats: freePort(t), control: freePort(t)}
	s.process = start(t, "worker", nil, append([]string{
		"run", "--simulate", "--nats-listen", s.nats, "--control", s.control, "--store-dir", t.TempDir(), "--log-format", "json",
	}, args...)...)
	s.waitFor("ready")
	return s
}

func (s *simulated) url() string { return "nats://" + s.nats }

// ledger reads what arrived at the simulated providers.
func ledger(t *testing.T, control string) []simulator.Notification {
	t.Helper()
	response, err := http.Get("http://" + control + "/ledger")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var all []simulator.Notification
	decoder := json.NewDecoder(response.Body)
	for decoder.More() {
		var n simulator.Notification
		if err := decoder.Decode(&n); err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// subscribe collects the events on push.results as a core NATS subscriber does.
func subscribe(t *testing.T, nc *nats.Conn) func(until func(*results.Event) bool) []*results.Event {
	t.Helper()
	sub, err := nc.SubscribeSync("push.results")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func(until func(*results.Event) bool) []*results.Event {
		t.Helper()
		var all []*results.Event
		for {
			m, err := sub.NextMsg(30 * time.Second)
			if err != nil {
				t.Fatalf("no more events after %d: %v", len(all), err)
			}
			e, err := results.Decode(m.Data)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Balanced(); err != nil {
				t.Errorf("the books of %s do not balance: %v", e.ID, err)
			}
			all = append(all, e)
			if until(e) {
				return all
			}
		}
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// poll waits until a condition holds that nothing announces.
func poll(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("what was waited for did not happen")
		}
	}
}

// storedEvent reads an event from PUSH_RESULTS.
func storedEvent(t *testing.T, nc *nats.Conn, subject string) *results.Event {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "PUSH_RESULTS")
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetLastMsgForSubject(t.Context(), subject)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	e, err := results.Decode(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
