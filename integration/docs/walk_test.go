package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
		if b.language == "text" {
			r.shown(file, b.text)
		}
		if b.language != "sh" || b.note != "" {
			continue
		}
		r.seen.Reset()
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

// What differs every time, and what a document shows in its place.
var differs = []struct {
	pattern *regexp.Regexp
	same    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "TIME"},
	{regexp.MustCompile(`worker "[^"]+"`), "WORKER"},
	{regexp.MustCompile(`see it at http://127\.0\.0\.1:\d+/.*`), "PAGE"}, // another port if that one is taken
	{regexp.MustCompile(`/projects/[^/,]+`), "/PROJECT"},
	{regexp.MustCompile(`from \S*/`), "from "}, // the folder of credentials
	{regexp.MustCompile(` +`), " "},
}

func (r *reader) same(text string) string {
	text = strings.NewReplacer(r.ctrl, "127.0.0.1:8089", r.nats, "127.0.0.1:4222").Replace(text)
	for _, d := range differs {
		text = d.pattern.ReplaceAllString(text, d.same)
	}
	return text
}

// shown sees that every line of an output that a document shows was printed, by the lines of the block before it or by what runs in the other
// terminal. "…" stands for lines that are not shown, and at the end of a line for the rest of it.
func (r *reader) shown(file, text string) {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		printed := r.seen.String()
		for _, b := range r.back {
			printed += "\n" + b.text()
		}
		missing := r.missing(text, "\n"+printed+"\n")
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			r.t.Errorf("%s shows %q, but what was printed is\n%s", file, missing, r.same(printed))
			return
		}
	}
}

// missing is the first line of the text that was not printed; "" if none.
func (r *reader) missing(text, printed string) string {
	printed = r.same(printed)
	for line := range strings.Lines(text) {
		line = r.same(strings.TrimSuffix(line, "\n"))
		want, more := strings.CutSuffix(line, "…")
		if !more {
			want += "\n"
		}
		if !strings.Contains(printed, "\n"+want) {
			return line
		}
	}
	return ""
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
