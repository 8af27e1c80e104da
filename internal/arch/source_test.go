package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// root is the module's folder.
const root = "../.."

// source is one parsed Go file of the module.
type source struct {
	// name is its path in the module.
	name  string
	lines int
	file  *ast.File
}

func (s *source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// sources parses every Go file of the module, whatever its build tags; folders are in fset's file names.
func sources(t *testing.T, fset *token.FileSet) []*source {
	t.Helper()
	var all []*source
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if _, err := os.Stat(filepath.Join(root, name, "go.mod")); err == nil && name != "." {
				return fs.SkipDir // a module of its own
			}
			if base := entry.Name(); name != "." && (base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		s, err := parse(fset, name, text)
		if err != nil {
			return err
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files were found", len(all))
	}
	return all
}

func parse(fset *token.FileSet, name string, text []byte) (*source, error) {
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &source{name: name, lines: bytes.Count(text, []byte("\n")), file: file}, nil
}

func TestSources(t *testing.T) {
	fset := token.NewFileSet()
	for _, s := range sources(t, fset) {
		for _, fault := range checkSource(fset, s) {
			t.Error(fault)
		}
	}
}

// checkSource holds one file to the rules that need no more than the file.
func checkSource(fset *token.FileSet, s *source) (faults []string) {
	switch {
	case s.lines > maxLines:
		faults = append(faults, fmt.Sprintf("%s: %d lines; %d is a defect: split it by what it is about", s.name, s.lines, maxLines))
	case fits(path.Dir(s.name), "cmd/**") && path.Base(s.name) == "main.go" && s.lines > maxMainLines:
		faults = append(faults, fmt.Sprintf("%s: %d lines; a main has at most %d: move the rest to internal/cli", s.name, s.lines, maxMainLines))
	}
	imports := importNames(s.file)
	ast.Inspect(s.file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if problem := checkCall(s, call, imports); problem != "" {
			faults = append(faults, fmt.Sprintf("%s: %s", fset.Position(call.Pos()), problem))
		}
		return true
	})
	return faults
}

// importNames maps the names that a file gives its imports to their paths.
func importNames(file *ast.File) map[string]string {
	names := make(map[string]string)
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
	}
	return names
}

// checkCall says what is wrong with a call; "" if nothing is.
func checkCall(s *source, call *ast.CallExpr, imports map[string]string) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	name := selector.Sel.Name
	receiver, _ := selector.X.(*ast.Ident)
	from := ""
	if receiver != nil {
		from = imports[receiver.Name]
	}
	if !s.isTest() {
		switch {
		case from == "os" && name == "Exit" && !fitsAny(path.Dir(s.name), []string{"cmd/**", "examples/**"}):
			return "calls os.Exit; return an error, only cmd ends the process"
		case from == "log" && (strings.HasPrefix(name, "Fatal") || strings.HasPrefix(name, "Panic")):
			return "calls log." + name + "; return an error, only cmd ends the process"
		case from == "" && name == "Fatal" && len(call.Args) == 0:
			return "calls Fatal of a logger, which ends the process; log an error and return it"
		}
		return ""
	}
	switch {
	case from == "time" && name == "Sleep":
		return "calls time.Sleep in a test; wait for the fact itself, with a deadline"
	case from == "testing" && name == "Short":
		return "calls testing.Short; the suite is one, and it is fast"
	case receiver != nil && strings.HasPrefix(name, "Skip") && (receiver.Name == "t" || receiver.Name == "b" || receiver.Name == "f" || receiver.Name == "tb"):
		return "skips a test; make it run everywhere, or delete it"
	}
	return ""
}

func TestSourceRulesBite(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		want       string // "" is no fault
	}{
		"os.Exit":                  {"internal/app/a.go", "import \"os\"\nfunc f() { os.Exit(1) }", "a.go:2:12: calls os.Exit"},
		"os.Exit by another name":  {"internal/app/a.go", "import system \"os\"\nfunc f() { system.Exit(1) }", "calls os.Exit"},
		"os.Exit in a command":     {"cmd/worker/main.go", "import \"os\"\nfunc f() { os.Exit(1) }", ""},
		"os.Exit in a TestMain":    {"internal/app/a_test.go", "import \"os\"\nfunc f() { os.Exit(1) }", ""},
		"another Exit":             {"internal/app/a.go", "func f(os interface{ Exit(int) }) { os.Exit(1) }", ""},
		"log.Fatalf":               {"cmd/worker/main.go", "import \"log\"\nfunc f() { log.Fatalf(\"\") }", "calls log.Fatalf"},
		"a logger's Fatal":         {"internal/app/a.go", "func f() { l.Fatal().Msg(\"\") }", "Fatal of a logger"},
		"a test's Fatal":           {"internal/app/a_test.go", "func f() { t.Fatal() }", ""},
		"time.Sleep":               {"internal/app/a_test.go", "import \"time\"\nfunc f() { time.Sleep(1) }", "calls time.Sleep"},
		"time.Sleep, product":      {"internal/app/a.go", "import \"time\"\nfunc f() { time.Sleep(1) }", ""}, // forbidigo asks for the reason
		"a skipped test":           {"internal/app/a_test.go", "func f() { t.Skip(\"slow\") }", "skips a test"},
		"a skipped benchmark":      {"internal/app/a_test.go", "func f() { b.SkipNow() }", "skips a test"},
		"testing.Short":            {"internal/app/a_test.go", "import \"testing\"\nfunc f() { testing.Short() }", "testing.Short"},
		"600 lines":                {"internal/app/a.go", strings.Repeat("\n", 599), ""},
		"601 lines":                {"internal/app/a.go", strings.Repeat("\n", 600), "601 lines; 600 is a defect"},
		"a main of 60 lines":       {"cmd/worker/main.go", strings.Repeat("\n", 59), ""},
		"a main of 61 lines":       {"cmd/worker/main.go", strings.Repeat("\n", 60), "at most 60"},
		"61 lines beside the main": {"cmd/worker/other.go", strings.Repeat("\n", 60), ""},
	} {
		fset := token.NewFileSet()
		s, err := parse(fset, c.file, []byte("package a; "+c.text+"\n"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		faults := strings.Join(checkSource(fset, s), "\n")
		if (faults == "") != (c.want == "") || !strings.Contains(faults, c.want) {
			t.Errorf("%s: %q, want %q", name, faults, c.want)
		}
	}
}
