package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// folder is the package's folder in the module, "." for the root.
func (p *pkg) folder() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

// packages reads every package of the module. A package that does not compile is listed with what can be read of it: that
// it does not compile is for others to say.
func packages(t *testing.T) []*pkg {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports,Deps", "./...")
	command.Dir = root
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []*pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, &p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, fault := range checkImports(p) {
			t.Error(fault)
		}
	}
}

// checkImports holds one package to the tables.
func checkImports(p *pkg) (faults []string) {
	fault := func(format string, args ...any) {
		faults = append(faults, p.folder()+": "+fmt.Sprintf(format, args...))
	}
	folder := p.folder()
	at := slices.IndexFunc(arrows, func(r row) bool { return fits(folder, r.folder) })
	if at < 0 && len(p.GoFiles) > 0 {
		fault("this package has no row in the table of arrows; add one in internal/arch/rules_test.go that says what it may import")
		return faults
	}
	for _, imported := range p.Imports {
		if own, ok := strings.CutPrefix(imported, module+"/"); ok {
			if at >= 0 && !fitsAny(own, arrows[at].may) {
				fault("imports %s, but of this module %s may be imported here. The reason: %s. Take what you need as a parameter or interface, or move the code",
					own, only(arrows[at].may), arrows[at].why)
			}
			continue
		}
		if r := ruleFor(imported); r != nil && !fits(folder, "integration/**") && !fitsAny(folder, r.may) {
			fault("imports %s, but in product code %s may. The reason: %s", imported, only(r.may), r.why)
		}
	}
	if folder == "internal/pipeline" {
		for _, imported := range p.Imports {
			if slices.Contains(noIO, imported) || !isStd(imported) && !strings.HasPrefix(imported, module+"/") && !strings.HasPrefix(imported, "golang.org/x/sync/") {
				fault("imports %s, but the core only decides: let an adapter do that behind a port", imported)
			}
		}
	}
	for _, r := range closure {
		if folder != r.folder {
			continue
		}
		for _, dep := range p.Deps {
			if own, ok := strings.CutPrefix(dep, module+"/"); !isStd(dep) && !(ok && fitsAny(own, r.may)) {
				fault("links %s, but %s", dep, r.why)
			}
		}
	}
	if !fitsAny(folder, libraries) {
		return faults
	}
	for _, dep := range p.Deps {
		if below(dep, never) {
			fault("links %s (directly or through others), but a public library must not need the worker or its broker", dep)
		}
	}
	for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
		if below(imported, never) {
			fault("its tests import %s, but a public library is tested without the worker; move the test to integration", imported)
		}
	}
	return faults
}

// ruleFor is the rule of the longest prefix.
func ruleFor(imported string) *row {
	var best *row
	for i := range thirdParty {
		if r := &thirdParty[i]; below(imported, []string{r.folder}) && (best == nil || len(r.folder) > len(best.folder)) {
			best = r
		}
	}
	return best
}

// below says whether a path is one of the prefixes or under it.
func below(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") })
}

// fits says whether a folder is meant by a pattern: itself, or with "/**" itself and everything below.
func fits(folder, pattern string) bool {
	if pattern == "**" {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "/**"); ok {
		return below(folder, []string{prefix})
	}
	return folder == pattern
}

func fitsAny(folder string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return fits(folder, pattern) })
}

// isStd says whether a package is of the standard library: the first part of its path has no dot.
func isStd(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func only(patterns []string) string {
	if len(patterns) == 0 {
		return "nothing"
	}
	return "only " + strings.Join(patterns, ", ")
}

func TestImportRulesBite(t *testing.T) {
	own := func(folder string) string { return module + "/" + folder }
	for name, c := range map[string]struct {
		p    pkg
		want string // "" is no fault
	}{
		"jobs, standard library":         {pkg{ImportPath: own("jobs"), Imports: []string{"fmt"}, Deps: []string{"fmt", "internal/abi"}}, ""},
		"jobs and a module":              {pkg{ImportPath: own("jobs"), Deps: []string{"golang.org/x/text"}}, "links golang.org/x/text"},
		"jobs and results":               {pkg{ImportPath: own("jobs"), Imports: []string{own("results")}}, "imports results"},
		"results and jobs":               {pkg{ImportPath: own("results"), Imports: []string{own("jobs")}, Deps: []string{own("jobs")}}, ""},
		"results and a module":           {pkg{ImportPath: own("results"), Deps: []string{"github.com/google/uuid"}}, "links github.com/google/uuid"},
		"a sender and the worker":        {pkg{ImportPath: own("sender/apns"), Imports: []string{own("internal/config")}}, "imports internal/config"},
		"a sender and NATS, indirectly":  {pkg{ImportPath: own("sender/gcm"), Deps: []string{"github.com/nats-io/nats.go"}}, "links github.com/nats-io/nats.go"},
		"a sender and zerolog":           {pkg{ImportPath: own("sender"), Imports: []string{"github.com/rs/zerolog"}}, "imports github.com/rs/zerolog"},
		"a sender's test and the worker": {pkg{ImportPath: own("sender/gcm"), XTestImports: []string{own("internal/obs")}}, "tests import"},
		"a sender and its simulator":     {pkg{ImportPath: own("sender/apns"), Imports: []string{own("sender/apns/apnstest")}}, "imports sender/apns/apnstest"},
		"one sender and the other":       {pkg{ImportPath: own("sender/apns"), Imports: []string{own("sender/gcm")}}, "imports sender/gcm"},
		"a simulator and its sender":     {pkg{ImportPath: own("sender/apns/apnstest"), Imports: []string{own("sender/apns")}}, "imports sender/apns"},
		"a simulator and what is shared": {pkg{ImportPath: own("sender/gcm/gcmtest"), Imports: []string{own("sender/simulator")}}, ""},
		"a connection and a provider":    {pkg{ImportPath: own("sender/internal/h2"), Imports: []string{own("sender/apns")}}, "imports sender/apns"},
		"the core and an adapter":        {pkg{ImportPath: own("internal/pipeline"), Imports: []string{own("internal/queue")}}, "imports internal/queue"},
		"the core and a file":            {pkg{ImportPath: own("internal/pipeline"), Imports: []string{"os"}}, "only decides"},
		"the core and a module":          {pkg{ImportPath: own("internal/pipeline"), Imports: []string{"github.com/google/uuid"}}, "only decides"},
		"an adapter and the ports":       {pkg{ImportPath: own("internal/queue"), Imports: []string{own("internal/pipeline"), "github.com/nats-io/nats.go/jetstream"}}, ""},
		"an adapter and the settings":    {pkg{ImportPath: own("internal/provider"), Imports: []string{own("internal/config")}}, "imports internal/config"},
		"an adapter and app":             {pkg{ImportPath: own("internal/queue"), Imports: []string{own("internal/app")}}, "imports internal/app"},
		"jetstream outside queue":        {pkg{ImportPath: own("internal/app"), Imports: []string{"github.com/nats-io/nats.go/jetstream"}}, "only internal/queue, examples/** may"},
		"the server outside natsembed":   {pkg{ImportPath: own("internal/app"), Imports: []string{"github.com/nats-io/nats-server/v2/server"}}, "only internal/natsembed may"},
		"NATS in the settings":           {pkg{ImportPath: own("internal/config"), Imports: []string{"github.com/nats-io/nats.go"}}, "imports github.com/nats-io/nats.go"},
		"NATS keys in app":               {pkg{ImportPath: own("internal/app"), Imports: []string{"github.com/nats-io/nkeys"}}, "imports github.com/nats-io/nkeys"},
		"zerolog in the core":            {pkg{ImportPath: own("internal/pipeline"), Imports: []string{"github.com/rs/zerolog"}}, "never log"},
		"prometheus outside obs":         {pkg{ImportPath: own("internal/queue"), Imports: []string{"github.com/prometheus/client_golang/prometheus"}}, "only internal/obs may"},
		"a test library":                 {pkg{ImportPath: own("internal/app"), Imports: []string{"github.com/google/go-cmp/cmp"}}, "nothing may"},
		"testing in the product":         {pkg{ImportPath: own("sender/apns/apnstest"), Imports: []string{"testing"}}, "a test library"},
		"a test library in a test":       {pkg{ImportPath: own("internal/app"), TestImports: []string{"testing", "go.uber.org/goleak"}}, ""},
		"cli reaches down":               {pkg{ImportPath: own("internal/cli/worker"), Imports: []string{own("internal/app"), own("internal/config"), own("internal/cli")}}, ""},
		"app reaches up":                 {pkg{ImportPath: own("internal/app"), Imports: []string{own("internal/cli")}}, "imports internal/cli"},
		"somebody imports a command":     {pkg{ImportPath: own("internal/cli/worker"), Imports: []string{own("cmd/worker")}}, "imports cmd/worker"},
		"a command":                      {pkg{ImportPath: own("cmd/worker"), Imports: []string{own("internal/cli/worker")}}, ""},
		"an unknown folder":              {pkg{ImportPath: own("internal/other"), GoFiles: []string{"a.go"}}, "add one"},
		"an unknown folder of tests":     {pkg{ImportPath: own("deploy")}, ""},
		"integration":                    {pkg{ImportPath: own("integration/faults"), Imports: []string{own("internal/queue"), "testing", "github.com/nats-io/nats.go"}}, ""},
	} {
		faults := strings.Join(checkImports(&c.p), "\n")
		if (faults == "") != (c.want == "") || !strings.Contains(faults, c.want) {
			t.Errorf("%s: %q, want %q", name, faults, c.want)
		}
	}
}
