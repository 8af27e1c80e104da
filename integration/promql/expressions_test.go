package promql

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const root = "../.."

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// catalogue is what docs/metrics.md says there is; a test of internal/obs holds that page to the registry.
type catalogue struct {
	// labels are a metric's, those included that Prometheus adds.
	labels map[string][]string
	// values are those that a label can have, where the page lists them.
	values map[string][]string
}

func documented(t *testing.T) catalogue {
	t.Helper()
	page := read(t, "docs/metrics.md")
	words := func(cell string) []string {
		var out []string
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			out = append(out, m[1])
		}
		return out
	}
	c := catalogue{labels: map[string][]string{}, values: map[string][]string{}}
	scraped := []string{"job", "instance"}
	for _, m := range regexp.MustCompile("(?m)^\\| `(volley_\\w+)` \\| (\\w+) \\| ([^|]*) \\|").FindAllStringSubmatch(page, -1) {
		own := append(words(m[3]), scraped...)
		if m[2] == "histogram" {
			c.labels[m[1]+"_bucket"], c.labels[m[1]+"_sum"], c.labels[m[1]+"_count"] = append(own, "le"), own, own
			continue
		}
		c.labels[m[1]] = own
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(outcome|action|lane|recipients|of|then|platform)` \\| (.*) \\|$").FindAllStringSubmatch(page, -1) {
		c.values[m[1]] = words(m[2])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `reason` of `volley_dead_letters_total` \\| (.*) \\|$").FindAllStringSubmatch(page, -1) {
		c.values["volley_dead_letters_total.reason"] = words(m[1])
	}
	// What the Go runtime and the process tell is documented by Prometheus' library.
	for _, name := range []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "go_goroutines"} {
		c.labels[name] = scraped
	}
	if len(c.labels) < 25 || len(c.values) < 7 {
		t.Fatalf("only %d metrics and %d labels are read from docs/metrics.md", len(c.labels), len(c.values))
	}
	return c
}

// faults says what an expression asks for that does not exist.
func (c catalogue) faults(expression string) (faults []string) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		return []string{err.Error()}
	}
	var there []string // the labels of all metrics in it
	selectors := 0
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		selectors++
		own, known := c.labels[s.Name]
		if !known {
			faults = append(faults, "there is no metric "+s.Name)
			return nil
		}
		there = append(there, own...)
		for _, m := range s.LabelMatchers {
			if m.Name != model.MetricNameLabel {
				faults = append(faults, c.matcher(s.Name, own, m)...)
			}
		}
		return nil
	})
	if selectors == 0 {
		faults = append(faults, "it asks for no metric")
	}
	grouped := func(names []string) {
		for _, name := range names {
			if !slices.Contains(there, name) {
				faults = append(faults, "no metric in it has the label "+name)
			}
		}
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.AggregateExpr:
			grouped(n.Grouping)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				grouped(n.VectorMatching.MatchingLabels)
			}
		}
		return nil
	})
	return faults
}

// matcher says what is wrong with one matcher: the metric lacks the label, or none of its values is meant.
func (c catalogue) matcher(metric string, own []string, m *labels.Matcher) []string {
	if !slices.Contains(own, m.Name) {
		return []string{metric + " has no label " + m.Name}
	}
	values := c.values[m.Name]
	if special, ok := c.values[metric+"."+m.Name]; ok {
		values = special
	}
	if len(values) == 0 || m.Value == ".*" {
		return nil
	}
	var faults []string
	for word := range strings.SplitSeq(m.Value, "|") { // of an alternative, each must be a word that there is
		if !slices.Contains(values, word) {
			faults = append(faults, metric+" never has "+m.Name+" "+word)
		}
	}
	return faults
}

func TestAlertRules(t *testing.T) {
	c := documented(t)
	const file = "deploy/prometheus/volley.yaml"
	groups, errs := rulefmt.Parse([]byte(read(t, file)), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if t.Failed() {
		return
	}
	page := read(t, "docs/operations.md")
	described := regexp.MustCompile(`(?m)^### (Volley\w+)$`).FindAllStringSubmatch(page, -1)
	alerts := map[string]bool{}
	for _, g := range groups.Groups {
		for _, rule := range g.Rules {
			alerts[rule.Alert] = true
			for _, fault := range c.faults(rule.Expr) {
				t.Errorf("%s: %s", rule.Alert, fault)
			}
			if !slices.Contains([]string{"warning", "critical"}, rule.Labels["severity"]) || rule.Annotations["summary"] == "" {
				t.Errorf("%s has no severity or no summary", rule.Alert)
			}
			if want := "docs/operations.md#" + strings.ToLower(rule.Alert); rule.Annotations["runbook_url"] != want {
				t.Errorf("%s: its runbook is %q, want %q", rule.Alert, rule.Annotations["runbook_url"], want)
			}
		}
	}
	if len(alerts) < 15 {
		t.Errorf("only %d alerts were read", len(alerts))
	}
	for _, m := range described {
		if !alerts[m[1]] {
			t.Errorf("docs/operations.md describes %s, which is no alert", m[1])
		}
		delete(alerts, m[1])
	}
	for name := range alerts {
		t.Errorf("docs/operations.md has no section %s", name)
	}
}

// grafana replaces what Grafana fills in before Prometheus sees it.
func grafana(expression string) string {
	return strings.NewReplacer("$__rate_interval", "5m", "$platform", ".*", "$app", ".*", "$instance", ".*", "$job", ".*").Replace(expression)
}

func TestDashboard(t *testing.T) {
	c := documented(t)
	var board struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct {
				Name, Type string
				Definition string
			}
		}
	}
	text := read(t, "deploy/grafana/volley.json")
	if err := json.Unmarshal([]byte(text), &board); err != nil {
		t.Fatal(err)
	}
	expressions := 0
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			expressions++
			for _, fault := range c.faults(grafana(target.Expr)) {
				t.Errorf("%s: %s\n%s", p.Title, fault, target.Expr)
			}
		}
	}
	if expressions < 30 {
		t.Errorf("only %d expressions were read", expressions)
	}
	for _, v := range board.Templating.List {
		if v.Type != "query" {
			continue
		}
		m := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(v.Definition)
		if m == nil || !slices.Contains(c.labels[m[1]], m[2]) {
			t.Errorf("the variable %s asks for %s, which does not exist", v.Name, v.Definition)
		}
	}
	// A metric that no panel shows is either superfluous or forgotten.
	for name := range c.labels {
		if !strings.Contains(text, name) && name != "volley_sending_seconds_sum" && name != "volley_sending_seconds_count" &&
			name != "volley_publish_to_provider_seconds_sum" && name != "volley_publish_to_provider_seconds_count" {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// The checks themselves find what they are there for.
func TestFaultsAreFound(t *testing.T) {
	c := documented(t)
	for expression, want := range map[string]string{
		`sum(rate(volley_push_total[5m]`:               "unclosed",
		`volley_pushes_total`:                          "no metric volley_pushes_total",
		`volley_push_total{result="sent"}`:             "has no label result",
		`volley_push_total{outcome="send"}`:            "never has",
		`volley_push_total{outcome!="send"}`:           "never has",
		`volley_push_total{outcome=~"send|fail"}`:      "never has",
		`volley_dead_letters_total{reason="poisoned"}`: "never has",
		`sum by (application) (volley_push_total)`:     "no metric in it has the label application",
		`volley_slots / on (kind) volley_slots_taken`:  "no metric in it has the label kind",
		`time()`: "asks for no metric",
	} {
		if got := strings.Join(c.faults(expression), "; "); want != "" && !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
	if got := c.faults(`sum by (le, app) (rate(volley_sending_seconds_bucket{recipients="one"}[5m]))`); len(got) > 0 {
		t.Error(got)
	}
}
