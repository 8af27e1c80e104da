package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// checked are the documents whose blocks must all say what they are.
func checked(t *testing.T) []string {
	t.Helper()
	guides, err := filepath.Glob("migrate/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(guides, "producers.md", "providers.md", "README.md")
}

// Programs in a document are pieces of files that tests run; jobs, events and configurations are read by what reads the real ones. Who
// shows something else says so.
func TestBlocksAreReal(t *testing.T) {
	for _, file := range checked(t) {
		for _, b := range blocks(read(t, file)) {
			at := file + ": the block that begins with " + strings.SplitN(b.text, "\n", 2)[0]
			kind, rest, _ := strings.Cut(b.note, " ")
			switch {
			case b.note == "not executed":
				if b.language != "python" && b.language != "java" {
					t.Errorf("%s: %s is executed", at, b.language)
				}
			case b.note == "theirs": // what another system takes or says
			case b.language == "go", b.language == "js":
				if kind != "from" || !within(b.text, read(t, "../"+rest)) {
					t.Errorf("%s: is no piece of the file that %q names", at, b.note)
				}
			case b.language == "json" && kind == "job:":
				if _, err := jobs.Decode(jobs.Platform(rest), []byte(b.text)); err != nil {
					t.Errorf("%s: %v", at, err)
				}
			case b.language == "json" && kind == "event":
				event, err := results.Decode([]byte(b.text))
				if err != nil {
					t.Errorf("%s: %v", at, err)
					continue
				}
				event.SetID() // an id that is not its subject's
				if err := event.Balanced(); err != nil || !strings.Contains(b.text, `"id":"`+event.ID+`"`) {
					t.Errorf("%s: %v, id %s", at, err, event.ID)
				}
			case b.language == "yaml" && b.note == "":
				checkConfiguration(t, at, b.text)
			case b.language == "sh" && kind == "run":
				checkRun(t, at, strings.TrimPrefix(rest, "by "), b.text)
			case b.language == "sh" && b.note == "": // integration/docs runs it
			default:
				t.Errorf("%s: nobody knows what it is: language %q, note %q", at, b.language, b.note)
			}
		}
	}
}

// within says whether the piece is a run of the file's lines, however far it is indented there.
func within(piece, file string) bool {
	want := strings.Split(strings.TrimSuffix(piece, "\n"), "\n")
	have := strings.Split(file, "\n")
	for i := 0; i+len(want) <= len(have); i++ {
		indent := have[i][:max(0, len(have[i])-len(strings.TrimLeft(have[i], " \t")))]
		if slices.EqualFunc(want, have[i:i+len(want)], func(w, h string) bool { return w == strings.TrimPrefix(h, indent) }) {
			return true
		}
	}
	return false
}

// checkConfiguration reads a configuration as a worker does, with files that are there where it names some.
func checkConfiguration(t *testing.T, at, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "volley.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file, func(string) (string, bool) { return "", false }); err != nil {
		t.Errorf("%s: %v", at, err)
	}
}

var nodeCommand = regexp.MustCompile(`node (\S+\.mjs .+)$`)

// checkRun sees that the script which is said to run the lines does.
func checkRun(t *testing.T, at, script, text string) {
	t.Helper()
	runs := read(t, "../"+script)
	for line := range strings.Lines(text) {
		m := nodeCommand.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || !strings.Contains(runs, m[1]+"\n") {
			t.Errorf("%s: %s does not run %s", at, script, line)
		}
	}
}

func TestWithin(t *testing.T) {
	file := "package p\n\nfunc f() {\n\tif x {\n\t\ty()\n\t}\n}\n"
	for piece, want := range map[string]bool{
		"func f() {\n\tif x {\n": true, "if x {\n\ty()\n}\n": true, "if x {\n\tz()\n}\n": false, "y()\n": true, "y()\n}\n": false, "": true,
	} {
		if got := within(piece, file); got != want {
			t.Errorf("%q: %t", piece, got)
		}
	}
}

var linkPattern = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// Links between documents lead somewhere, to the heading too.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, file := range documents(t) {
		for _, m := range linkPattern.FindAllStringSubmatch(withoutBlocks(read(t, file)), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], "://") {
				continue
			}
			if target == "" {
				target = filepath.Base(file)
			}
			target = filepath.Join(filepath.Dir(file), target)
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", file, m[1])
			}
		}
	}
}

// The index leads to every document, or to its folder.
func TestIndexIsComplete(t *testing.T) {
	index := read(t, "README.md")
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, deeper...) {
		if page != "README.md" && !strings.Contains(index, "("+page+")") && !strings.Contains(index, "("+filepath.Dir(page)+")") {
			t.Errorf("docs/README.md does not say for whom %s is", page)
		}
	}
}

func withoutBlocks(text string) string { return blockPattern.ReplaceAllString(text, "") }

// anchors are the headings as GitHub names them: small, without punctuation, with hyphens for spaces.
func anchors(text string) []string {
	var all []string
	for line := range strings.Lines(withoutBlocks(text)) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !strings.HasPrefix(line, "#") || !ok {
			continue
		}
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 127:
				return r
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(title))))
	}
	return all
}
