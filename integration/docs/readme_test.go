package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
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

// block is one fenced block of a document. note is the comment on the line before it, "" if there is none.
type block struct{ note, language, text string }

func blocks(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, m := range regexp.MustCompile("(?ms)(?:^<!-- ([^\n]*) -->\n)?^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		all = append(all, block{m[1], m[2], m[3]})
	}
	return all
}

// reader is somebody who follows a document: two terminals, and files that the document asks for.
type reader struct {
	t    *testing.T
	dir  string // a copy of the checkout's top, as far as commands need it
	bin  string
	nats string // host:port
	ctrl string
	back []*background
	seen strings.Builder // what lines that ended have printed
}

type background struct {
	cmd  *exec.Cmd
	line string
	mu   sync.Mutex
	out  bytes.Buffer
	done chan struct{}
}

func (b *background) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *background) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{t: t, bin: t.TempDir(), nats: port(t), ctrl: port(t)}
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	r.dir = top
	t.Cleanup(func() {
		for _, b := range r.back {
			// The whole group: `go run` starts the program as a child.
			_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGTERM)
			<-b.done
			if t.Failed() {
				t.Logf("--- %s\n%s", b.line, b.text())
			}
		}
	})
	return r
}

// command makes a shell command out of a line. The document's addresses become free ones, so that a server that already
// runs on this machine is neither disturbed nor asked.
func (r *reader) command(ctx context.Context, line string, env ...string) *exec.Cmd {
	line = strings.NewReplacer("127.0.0.1:8089", r.ctrl, "127.0.0.1:4222", r.nats).Replace(line)
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+r.bin)
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// run runs a line to its end.
func (r *reader) run(line string, env ...string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	out, err := r.command(ctx, line, append([]string{"NATS_URL=nats://" + r.nats}, env...)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s\n%v\n%s", line, err, out)
	}
	r.seen.Write(out)
	return string(out)
}

// start runs a line in the other terminal and waits until it has printed what it is waited for.
func (r *reader) start(line, until string, env ...string) *background {
	r.t.Helper()
	b := &background{cmd: r.command(context.Background(), line, env...), line: line, done: make(chan struct{})}
	b.cmd.Stdout, b.cmd.Stderr = b, b
	if err := b.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		_ = b.cmd.Wait()
		close(b.done)
	}()
	r.back = append(r.back, b)
	b.waitFor(r.t, until)
	return b
}

func (b *background) waitFor(t *testing.T, text string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(3 * time.Minute)
	for !strings.Contains(b.text(), text) {
		select {
		case <-tick.C:
		case <-b.done:
			t.Fatalf("%s ended before it printed %q:\n%s", b.line, text, b.text())
		case <-deadline:
			t.Fatalf("%s did not print %q:\n%s", b.line, text, b.text())
		}
	}
}

// Every line of every shell block of the README is run, and does what the text around it says.
func TestReadmeCommands(t *testing.T) {
	r := newReader(t)
	files := r.configuration("README.md")
	own := []string{"VOLLEY_NATS_LISTEN=" + r.nats, "VOLLEY_NATS_STORE_DIR=" + t.TempDir(), "VOLLEY_CONTROL=" + r.ctrl}
	var sub, follow *background
	steps := map[string]func(line string){
		"go run ./cmd/worker demo": func(line string) {
			if out := r.run(line); !strings.Contains(out, "The books balance") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"go run ./cmd/worker demo --chaos": func(line string) {
			if out := r.run(line); !strings.Contains(out, "The books balance") || !strings.Contains(out, ": 0 lost, ") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"go test ./...": func(string) {}, // this is what .ci/run runs first; running it here again would prove nothing
		"go run ./cmd/worker --simulate": func(line string) {
			r.start(line, "is ready", own...)
			sub = r.start("nats sub push.results", "Subscribing", "NATS_URL=nats://"+r.nats)
		},
		"go run ./cmd/enqueue apns": func(line string) {
			if out := r.run(line); !strings.Contains(out, "sent 1 of 1") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"curl -s http://127.0.0.1:8089/ledger": func(line string) {
			var n struct{ Status int }
			if out := r.run(line); json.Unmarshal([]byte(out), &n) != nil || n.Status != 200 {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"curl -s --data-binary @examples/faults/": func(line string) {
			if out := r.run(line); !strings.Contains(out, `"faults":1`) {
				t.Errorf("%s\n%s", line, out)
			}
		},
		`nats pub push.apns '{"id":"hello-1"`: func(line string) {
			r.run(line)
			sub.waitFor(t, "hello-1")
		},
		`nats pub push.apns '{"id":"hello-2"`: func(line string) {
			r.run(line)
			sub.waitFor(t, "hello-2")
			if out := r.run("curl -s http://127.0.0.1:8089/ledger"); !strings.Contains(out, `{"body":"Your order 4711 is on its way.","title":"Dear Ann"}`) {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"nats consumer add PUSH_RESULTS": func(line string) { r.run(line) },
		"nats consumer next PUSH_RESULTS": func(line string) {
			if out := r.run(line); !strings.Contains(out, `"kind":"segment"`) {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"nats sub push.results": func(string) {}, // runs since the worker started: it shows what it saw, below
		"go run ./cmd/enqueue results --follow": func(line string) {
			follow = r.start(line, "hello-1", "NATS_URL=nats://"+r.nats)
		},
		"go run ./cmd/enqueue status hello-1": func(line string) {
			if out := r.run(line); !strings.Contains(out, "apns default hello-1: done") {
				t.Errorf("%s\n%s", line, out)
			}
			r.checkStatus(r.run(line + " -o json"))
		},
		"go run ./cmd/enqueue jobs --limit 5": func(line string) {
			if out := r.run(line); !strings.Contains(out, "hello-1") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"go run ./cmd/enqueue jobs --scheduled": func(line string) {
			if out := r.run(line); !strings.Contains(out, "no jobs") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"go run ./cmd/enqueue pause": func(line string) {
			if out := r.run(line); !strings.Contains(out, "paused: campaign spring") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"go run ./cmd/enqueue orders": func(line string) {
			if out := r.run(line); !strings.Contains(out, "campaign spring") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"go run ./cmd/enqueue resume": func(line string) {
			if out := r.run(line); !strings.Contains(out, "resumed: campaign spring") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"go run ./cmd/enqueue cancel": func(line string) {
			if out := r.run(line); !strings.Contains(out, "cancelled: platform apns, app default, job hello-1") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		`nats pub push.apns '{"id":"oops"`: func(line string) {
			r.run(line)
			sub.waitFor(t, `"id":"apns.default.oops.0.0"`)
			follow.waitFor(t, "oops dead letter")
		},
		"go run ./cmd/worker dead list": func(line string) {
			if out := r.run(line); !strings.Contains(out, "oops") || !strings.Contains(out, "(and 1 more)") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"go run ./cmd/worker dead show 1": func(line string) {
			if out := r.run(line); !strings.Contains(out, "apns.default.oops.0.0") || !strings.Contains(out, "badge: must be a whole number") {
				t.Errorf("%s\n%s", line, out)
			}
		},
		"go run ./cmd/worker check --config volley.yaml": func(line string) {
			out := r.run(strings.ReplaceAll(line, "volley.yaml", files))
			for _, want := range []string{"com.example.app", "ABC123DEFG", "24h", "720h"} {
				if !strings.Contains(out, want) {
					t.Errorf("%s\n%s", line, out)
				}
			}
		},
		"go run ./cmd/worker --config volley.yaml --nats-url nats://127.0.0.1:4222": func(line string) {
			r.start(strings.ReplaceAll(line, "volley.yaml", files), "is ready")
		},
	}
	r.walk("README.md", steps)
	r.checkEvents(sub.text())
}

// configuration writes the first one that a document shows, with credentials that can be read, and returns its path.
func (r *reader) configuration(document string) string {
	r.t.Helper()
	dir := r.t.TempDir()
	made := r.start("go run ./cmd/worker simulate --apns 127.0.0.1:0 --apns-binary 127.0.0.1:0 --apns-feedback 127.0.0.1:0 --google 127.0.0.1:0 --control 127.0.0.1:0 --keys-out "+dir, "ready")
	_ = syscall.Kill(-made.cmd.Process.Pid, syscall.SIGTERM)
	<-made.done
	for from, to := range map[string]string{"provider-key.p8": "AuthKey_ABC123DEFG.p8", "service-account.json": "firebase.json"} {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, b := range blocks(r.t, document) {
		if b.language == "yaml" {
			file := filepath.Join(dir, "volley.yaml")
			if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
				r.t.Fatal(err)
			}
			return file
		}
	}
	r.t.Fatalf("%s shows no configuration", document)
	return ""
}

// checkEvents compares the events that the README shows with those that a subscriber got, but for what differs every time.
func (r *reader) checkEvents(got string) {
	r.t.Helper()
	real := map[string]map[string]any{}
	for line := range strings.Lines(got) {
		var e map[string]any
		if json.Unmarshal([]byte(line), &e) == nil && e["id"] != nil {
			real[e["id"].(string)] = e
		}
	}
	shown := 0
	for _, b := range blocks(r.t, "README.md") {
		if b.language != "json" {
			continue
		}
		var e map[string]any
		decoder := json.NewDecoder(strings.NewReader(b.text))
		if err := decoder.Decode(&e); err != nil {
			r.t.Fatalf("%v in\n%s", err, b.text)
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			r.t.Error("more than one object in a block")
		}
		if e["kind"] == "job" {
			continue // a status, see checkStatus
		}
		shown++
		want, have := stable(r.t, e), stable(r.t, real[e["id"].(string)])
		if want != have {
			r.t.Errorf("the README shows\n%s\nbut the event is\n%s", want, have)
		}
	}
	if shown != 2 {
		r.t.Errorf("the README shows %d events", shown)
	}
}

// checkStatus compares the fields of the status that the README shows with those of a real one.
func (r *reader) checkStatus(got string) {
	r.t.Helper()
	var have map[string]any
	if err := json.Unmarshal([]byte(got), &have); err != nil {
		r.t.Fatalf("%v in\n%s", err, got)
	}
	for _, b := range blocks(r.t, "README.md") {
		var shown map[string]any
		if b.language != "json" || json.Unmarshal([]byte(b.text), &shown) != nil || shown["kind"] != "job" {
			continue
		}
		for field := range have {
			if _, ok := shown[field]; !ok {
				r.t.Errorf("the README's status lacks %s", field)
			}
		}
		for field := range shown {
			if _, ok := have[field]; !ok && field != "campaign" && field != "published" {
				r.t.Errorf("a real status has no %s", field)
			}
		}
		return
	}
	r.t.Error("the README shows no status")
}

// stable is an event without what differs every time.
func stable(t *testing.T, e map[string]any) string {
	t.Helper()
	for _, key := range []string{"at", "worker"} {
		delete(e, key)
	}
	text, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
