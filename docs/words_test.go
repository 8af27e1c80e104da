package docs

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/volleypush/volley/internal/cli/enqueue"
	"github.com/volleypush/volley/internal/cli/worker"
	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/jobs"
)

// words knows what exists: fields of jobs and events by the schemas, settings by the tree, flags and commands by the command lines.
type words struct {
	t       *testing.T
	fields  map[string][]string // by platform
	results map[string]any
	metrics string
	pages   string
}

func newWords(t *testing.T) *words {
	w := &words{t: t, fields: map[string][]string{}, metrics: read(t, "metrics.md"), pages: read(t, "operations.md")}
	for _, platform := range []string{"apns", "gcm"} {
		schema := w.schema("job-" + platform)
		for field := range schema["properties"].(map[string]any) {
			w.fields[platform] = append(w.fields[platform], field)
		}
	}
	w.results = w.schema("result")
	return w
}

func (w *words) schema(name string) map[string]any {
	w.t.Helper()
	var schema map[string]any
	if err := json.Unmarshal([]byte(read(w.t, "../api/"+name+".schema.json")), &schema); err != nil {
		w.t.Fatal(err)
	}
	return schema
}

// check says why a word of a table of that kind (apns, gcm, job, settings, results) is nothing that exists; "" if it is.
func (w *words) check(kind, word string) string {
	first, _, _ := strings.Cut(word, " ")
	switch {
	case strings.HasPrefix(word, "volley_"):
		return unless(strings.Contains(w.metrics, "`"+word+"`"), "docs/metrics.md has no such metric")
	case strings.HasPrefix(word, "PUSH_"):
		return unless(word == jobs.StreamJobs || word == jobs.StreamResults || word == jobs.StreamDead, "no stream for users")
	case strings.HasPrefix(word, "push."):
		_, _, ok := jobs.ParseIntakeSubject(word)
		return unless(ok, "no subject for jobs")
	case strings.HasPrefix(word, "/"):
		return unless(strings.Contains(w.pages, "| `"+word+"` |"), "docs/operations.md has no such page")
	case first == "enqueue" || first == "worker":
		return w.command(word)
	case identifier.MatchString(word):
		return w.identifier(word)
	case strings.Contains(word, ": "):
		return w.example(kind, word)
	case kind == "apns" || kind == "gcm":
		return unless(slices.Contains(w.fields[kind], word) || setting(word), "neither a field of the job nor a setting")
	case kind == "job":
		return unless(slices.Contains(w.fields["apns"], word) || slices.Contains(w.fields["gcm"], word), "no field of a job")
	case kind == "results":
		return unless(w.inResults(word), "no part of an event")
	}
	return unless(setting(word) || w.inResults(word), "no setting")
}

func unless(ok bool, problem string) string {
	if ok {
		return ""
	}
	return problem
}

// setting follows the keys down the tree of settings. NAME stands for any app.
func setting(word string) bool {
	at := reflect.TypeFor[config.Config]()
	for key := range strings.SplitSeq(word, ".") {
		for at.Kind() == reflect.Pointer {
			at = at.Elem()
		}
		switch {
		case at.Kind() == reflect.Map:
			at = at.Elem()
		case at.Kind() == reflect.Struct && !at.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
			next := reflect.Type(nil)
			for field := range at.Fields() {
				if tag, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); tag == key {
					next = field.Type
				}
			}
			if next == nil {
				return false
			}
			at = next
		default:
			return false
		}
	}
	return true
}

// inResults follows a path like failures[].action through the schema of events.
func (w *words) inResults(path string) bool {
	at := w.results
	for part := range strings.SplitSeq(path, ".") {
		name, list := strings.CutSuffix(part, "[]")
		next, ok := property(w.results, at, name)
		if !ok {
			return false
		}
		if list {
			if next, ok = next["items"].(map[string]any); !ok {
				return false
			}
		}
		at = next
	}
	return true
}

// property finds a property of a schema, through references and what a schema is made of.
func property(root, schema map[string]any, name string) (map[string]any, bool) {
	if ref, ok := schema["$ref"].(string); ok {
		return property(root, root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), name)
	}
	properties, _ := schema["properties"].(map[string]any)
	if found, ok := properties[name].(map[string]any); ok {
		return found, true
	}
	parts, _ := schema["allOf"].([]any)
	for _, part := range parts {
		if found, ok := property(root, part.(map[string]any), name); ok {
			return found, true
		}
	}
	return nil, false
}

// command sees that a command with these flags exists, by its own help. Words before the first flag are commands and what they are about.
func (w *words) command(line string) string {
	words := strings.Fields(line)
	first := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "-") })
	if first < 0 {
		first = len(words)
	}
	args := append(slices.Clone(words[1:first]), "--help")
	for i, arg := range args {
		if arg == "N" { // any number
			args[i] = "1"
		}
	}
	if first == 1 && words[0] == "worker" {
		args = []string{"run", "--help"} // the default
	}
	var out bytes.Buffer
	var err error
	if words[0] == "enqueue" {
		err = enqueue.Run(w.t.Context(), args, nil, &out, &out, func(string) (string, bool) { return "", false })
	} else {
		err = worker.Run(w.t.Context(), args, worker.Terminal{Out: &out, Err: &out})
	}
	if err != nil {
		return err.Error()
	}
	for _, flag := range words[first:] {
		name, _, _ := strings.Cut(flag, "=")
		known := regexp.MustCompile(`(^|\s)` + regexp.QuoteMeta(name) + `\b`)
		if long, ok := strings.CutPrefix(name, "--"); ok {
			known = regexp.MustCompile(`--(\[no-\])?` + regexp.QuoteMeta(strings.TrimPrefix(long, "no-")) + `\b`)
		}
		if strings.HasPrefix(flag, "-") && !known.Match(out.Bytes()) {
			return fmt.Sprintf("its help knows no %s", name)
		}
	}
	return ""
}

// Commands that stand in the text of any document exist, with their flags.
func TestCommandsInTextExist(t *testing.T) {
	w := newWords(t)
	seen := 0
	for _, file := range documents(t) {
		if file == "../CHANGELOG.md" {
			continue // tells of what was, too
		}
		for _, span := range spans(withoutBlocks(read(t, file))) {
			if first, rest, _ := strings.Cut(span, " "); (first == "enqueue" || first == "worker") && rest != "" {
				seen++
				if problem := w.command(span); problem != "" {
					t.Errorf("%s: %s: %s", file, span, problem)
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d commands were found", seen)
	}
}

var identifier = regexp.MustCompile(`^(results|apns|gcm)\.([A-Z]\w*)$`)

// identifier sees that a package declares it.
func (w *words) identifier(word string) string {
	m := identifier.FindStringSubmatch(word)
	folder := map[string]string{"results": "../results", "apns": "../sender/apns", "gcm": "../sender/gcm"}[m[1]]
	files, err := filepath.Glob(folder + "/*.go")
	if err != nil {
		w.t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^(type|func) ` + m[2] + `\b`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		if declared.Match(text) {
			return ""
		}
	}
	return "the package declares no such thing"
}

// example reads a piece of a job.
func (w *words) example(kind, piece string) string {
	if kind != "apns" && kind != "gcm" {
		return "an example in a table that is not about jobs"
	}
	var job map[string]any
	if err := yaml.Unmarshal([]byte(piece), &job); err != nil {
		return err.Error()
	}
	job["ids"] = []string{"aa01"}
	body, err := json.Marshal(job)
	if err != nil {
		return err.Error()
	}
	if _, err := jobs.Decode(jobs.Platform(kind), body); err != nil {
		return err.Error()
	}
	return ""
}

func TestWordsAreChecked(t *testing.T) {
	w := newWords(t)
	for _, c := range []struct {
		kind, word string
		exists     bool
	}{
		{"apns", "badge", true},
		{"apns", "bagde", false},
		{"apns", "time_to_live", false},
		{"gcm", "time_to_live", true},
		{"settings", "apps.NAME.apns.topic", true},
		{"settings", "apps.NAME.apns.topics", false},
		{"settings", "log.levels", true},
		{"settings", "nats.url.x", false},
		{"results", "failures[].action", true},
		{"results", "failures.action", false},
		{"results", "expired_tokens[].timestamp", true},
		{"results", "sent", true},
		{"results", "enqueue apns --wait", true},
		{"results", "enqueue apns --weight", false},
		{"results", "enqueue fcm", false},
		{"settings", "worker --config", true},
		{"apns", "push.apns.high", true},
		{"apns", "push.apns.urgent", false},
		{"results", "volley_push_total", true},
		{"results", "volley_pull_total", false},
		{"results", "results.Fold", true},
		{"results", "apns.Sender", false},
		{"gcm", "notification: {title: T}", true},
		{"gcm", "notification: text", false},
		{"results", "/readyz", true},
		{"results", "/api", false},
	} {
		if got := w.check(c.kind, c.word); (got == "") != c.exists {
			t.Errorf("%s %s: %q", c.kind, c.word, got)
		}
	}
}
