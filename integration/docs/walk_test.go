package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tools is the folder with the nats command line, which TestMain builds once for all documents.
var tools string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if tools, err = os.MkdirTemp("", "volley-docs"); err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(tools) }()
	build := exec.Command("go", "build", "-o", filepath.Join(tools, "nats"), "github.com/nats-io/natscli/nats")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building the nats command line: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// walk runs every line of every shell block of a document, in order, through the step whose name it begins with. Blocks that are not for
// this reader say so in a note. A line without a step and a step without a line are faults.
func (r *reader) walk(file string, steps map[string]func(line string)) {
	r.t.Helper()
	for _, b := range blocks(r.t, file) {
		if b.language != "sh" || b.note != "" {
			continue
		}
		for line := range strings.Lines(b.text) {
			line = strings.TrimSpace(line)
			step := ""
			for prefix := range steps {
				if strings.HasPrefix(line, prefix) && len(prefix) > len(step) {
					step = prefix
				}
			}
			if step == "" {
				r.t.Errorf("%s: nobody runs %q: give it a step in this test", file, line)
				continue
			}
			steps[step](line)
			delete(steps, step)
		}
	}
	for step := range steps {
		r.t.Errorf("%s does not show %q any more", file, step)
	}
}

// says is the step of a line that ends and prints a text.
func (r *reader) says(want ...string) func(line string) {
	return func(line string) {
		r.t.Helper()
		out := r.run(line)
		for _, text := range want {
			if !strings.Contains(out, text) {
				r.t.Errorf("%s\ndoes not say %q but\n%s", line, text, out)
			}
		}
	}
}

// comesToSay is the step of a line that looks at something which is so a moment later.
func (r *reader) comesToSay(want string) func(line string) {
	return func(line string) {
		r.t.Helper()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		out := ""
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
			if out = r.run(line); strings.Contains(out, want) {
				return
			}
		}
		r.t.Errorf("%s\ndoes not come to say %q but\n%s", line, want, out)
	}
}
