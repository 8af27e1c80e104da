// Package browser tests the worker's web page as a person sees it: Debian's Chromium, two worker processes that share one broker, and
// simulated providers with a busy fleet's trouble. It is a module of its own, so that what drives a browser stays out of the product.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const root = "../.."

// patience bounds every wait; a page is there in a tenth of a second.
const patience = 30 * time.Second

// shots is where screenshots are written; "" for nowhere.
var shots = flag.String("shots", "", "write a screenshot of each page into this folder") //nolint:gochecknoglobals // a flag of the test

// history is how long the fleet is busy before the pictures are taken.
var history = flag.Duration("history", 0, "keep the fleet busy for so long before the screenshots") //nolint:gochecknoglobals // a flag of the test

// programs is where TestMain puts what is tested.
var programs string //nolint:gochecknoglobals // set once by TestMain

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "volley-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	programs = dir
	build := exec.Command("go", "build", "-o", dir+"/", "./cmd/worker", "./cmd/enqueue")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a running program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{}
}

// start starts a program of ours. It ends with the test.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(filepath.Join(programs, name), args...), done: make(chan struct{}), grown: make(chan struct{})}
	p.cmd.Env = clean(os.Environ())
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadBytes('\n')
			p.mu.Lock()
			p.text.Write(line)
			close(p.grown)
			p.grown = make(chan struct{})
			p.mu.Unlock()
			if err != nil {
				break
			}
		}
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("--- %s %s\n%.8000s", name, strings.Join(args, " "), p.output())
		}
	})
	return p
}

func (p *process) end(signal os.Signal) {
	_ = p.cmd.Process.Signal(signal)
	<-p.done
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// says waits for a line and returns what the pattern's group matches.
func (p *process) says(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(patience)
	for {
		p.mu.Lock()
		found, grown := re.FindStringSubmatch(p.text.String()), p.grown
		p.mu.Unlock()
		if found != nil {
			return found[len(found)-1]
		}
		select {
		case <-grown:
		case <-p.done:
			t.Fatalf("ended before it said %q:\n%s", pattern, p.output())
		case <-late:
			t.Fatalf("did not say %q:\n%s", pattern, p.output())
		}
	}
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

// fleet is two workers with one broker, and simulated providers.
type fleet struct {
	t       *testing.T
	dir     string
	nats    string
	control string
	config  string
	// pages are the addresses of the two workers' web pages.
	pages   [2]string
	workers [2]*process
}

// free is an address that nobody has.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// newFleet starts everything. The flags are for the first worker, which serves the page that tests look at.
func newFleet(t *testing.T, script string, flags ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir()}
	keys := filepath.Join(f.dir, "keys")
	file := filepath.Join(f.dir, "script.yaml")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	providers := start(t, "worker", "simulate", "--apns", free(t), "--apns-binary", free(t), "--apns-feedback", free(t), "--google", free(t), "--control", free(t), "--keys-out", keys, "--script", file)
	f.control = providers.says(t, `control at (http://\S+)`)
	f.config = filepath.Join(keys, "volley.yaml")
	f.settings("unknown_app_grace: 0s\n", "") // a job for an unknown app is a dead letter at once
	broker := free(t)
	f.nats = "nats://" + broker
	f.workers[0] = f.worker("berlin-1", append([]string{"--nats-listen", broker, "--store-dir", filepath.Join(f.dir, "nats")}, flags...)...)
	f.pages[0] = f.workers[0].says(t, `see it at (http://[^/\s]+)`)
	f.workers[1] = f.worker("berlin-2", "--nats-url", f.nats)
	f.pages[1] = f.workers[1].says(t, `see it at (http://[^/\s]+)`)
	return f
}

// worker starts one more worker.
func (f *fleet) worker(name string, flags ...string) *process {
	args := []string{"--config", f.config, "--worker", name}
	if !strings.Contains(strings.Join(flags, " "), "--http") {
		flags = append(flags, "--http", "127.0.0.1:0")
	}
	return start(f.t, "worker", append(args, flags...)...)
}

// settings puts text before and after what is in the configuration, whose last section is that of the apps.
func (f *fleet) settings(before, after string) {
	f.t.Helper()
	text, err := os.ReadFile(f.config)
	if err == nil {
		err = os.WriteFile(f.config, []byte(before+string(text)+after), 0o600)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// addApp gives the workers one more app for Apple while they run.
func (f *fleet) addApp(name string) {
	f.t.Helper()
	text, err := os.ReadFile(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	endpoint := regexp.MustCompile(`key_id: SIMULATED1\s+team_id: SIMULATED2\s+endpoint: (\S+)`).FindSubmatch(text)
	if endpoint == nil {
		f.t.Fatalf("the configuration names no endpoint:\n%s", text)
	}
	keys := filepath.Dir(f.config)
	f.settings("", fmt.Sprintf("  %s: {apns: {topic: com.example.volley, key_id: SIMULATED1, team_id: SIMULATED2, key_file: %s, endpoint: %q, ca_file: %s}}\n",
		name, filepath.Join(keys, "provider-key.p8"), endpoint[1], filepath.Join(keys, "ca.pem")))
	for _, w := range f.workers {
		if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			f.t.Fatal(err)
		}
	}
}

// enqueue runs enqueue to its end.
func (f *fleet) enqueue(args ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "enqueue"), append(args, "--nats-url", f.nats)...)
	cmd.Env = clean(os.Environ())
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("enqueue %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// jobs publishes jobs of a platform, one line each.
func (f *fleet) jobs(platform string, lines []map[string]any) {
	f.t.Helper()
	var text bytes.Buffer
	for _, line := range lines {
		if err := json.NewEncoder(&text).Encode(line); err != nil {
			f.t.Fatal(err)
		}
	}
	file := filepath.Join(f.t.TempDir(), "jobs.ndjson")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.enqueue("job", platform, file)
}

// devices are n device tokens that no other call with another salt has.
func devices(salt, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%08x%056x", salt, i)
	}
	return ids
}

// registrations are n registration IDs.
func registrations(salt string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%06d-registration", salt, i)
	}
	return ids
}

// raw publishes bytes that enqueue would refuse.
func (f *fleet) raw(platform, body string) {
	f.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(f.nats, "nats://"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := fmt.Fprintf(c, "CONNECT {\"verbose\":false}\r\nPUB push.%s %d\r\n%s\r\nPING\r\n", platform, len(body), body); err != nil {
		f.t.Fatal(err)
	}
	lines := bufio.NewReader(c)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			f.t.Fatal(err)
		}
		if strings.HasPrefix(line, "PONG") {
			return
		}
	}
}

var errLate = errors.New("not in time")
