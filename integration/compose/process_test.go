package compose

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// process is a program that the test started.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *journal
	// ended is closed when the program has; err is set before.
	ended chan struct{}
	err   error
}

// journal keeps what a program writes; its copies of both outputs come from different goroutines.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// buildWorker builds cmd/worker as the image's binary is built.
func buildWorker(ctx context.Context, t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "worker")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/worker")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the worker: %v\n%s", err, text)
	}
	return binary
}

// start runs the program until end, or until the test is over; then it is killed and, if the test failed, its log is shown.
func start(ctx context.Context, t *testing.T, name, binary string, env, args []string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.CommandContext(ctx, binary, args...), log: &journal{}, ended: make(chan struct{})}
	// Nothing of the caller's own settings, and a home of its own.
	p.cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // an error says that it has ended
		<-p.ended
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, p.log)
		}
	})
	return p
}

// until waits for the condition, and fails the test if the program ends before.
func (p *process) until(ctx context.Context, t *testing.T, condition func() bool) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !condition() {
		select {
		case <-p.ended:
			t.Fatalf("%s ended too early: %v", p.name, p.err)
		case <-ctx.Done():
			t.Fatalf("%s did not become ready: %v", p.name, ctx.Err())
		case <-again.C:
		}
	}
}

// end asks the program to end, as Compose does, and wants exit code 0.
func (p *process) end(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(terminate); err != nil {
		t.Errorf("%s: %v", p.name, err)
	}
	select {
	case <-p.ended:
		if p.err != nil {
			t.Errorf("%s did not end in order: %v", p.name, p.err)
		}
	case <-ctx.Done():
		t.Errorf("%s did not end after SIGTERM", p.name)
	}
}
