package arch

import (
	"errors"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"strings"
	"testing"
)

// noImports gives every import an empty package: what a package changes of its own can be told without the others.
type noImports struct{}

// Import implements types.Importer.
func (noImports) Import(imported string) (*types.Package, error) {
	if imported == "C" {
		return nil, errors.New("no cgo")
	}
	p := types.NewPackage(imported, path.Base(imported))
	p.MarkComplete()
	return p, nil
}

// findChanges notes every place of one package that changes a package-level variable, its own or another's of the module.
func findChanges(fset *token.FileSet, folder string, files []*ast.File, objects map[*ast.Ident]types.Object, changed map[string]string) {
	info := types.Info{Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object)}
	checker := types.Config{Importer: noImports{}, Error: func(error) {}} // the errors are those of the empty packages
	checked, _ := checker.Check(module+"/"+folder, fset, files, &info)
	maps.Copy(objects, info.Uses)
	// variableOf is the package-level variable that an expression is, or is a part of if parts count; "" if none.
	variableOf := func(e ast.Expr, parts bool) string {
		for {
			switch x := e.(type) {
			case *ast.ParenExpr:
				e = x.X
				continue
			case *ast.Ident:
				v, ok := info.Uses[x].(*types.Var)
				if !ok || v.Parent() != checked.Scope() || strings.HasSuffix(checked.Name(), "_test") {
					return "" // local, or of an external test itself
				}
				return folder + "." + x.Name
			case *ast.SelectorExpr:
				if from, ok := x.X.(*ast.Ident); ok {
					if imported, ok := info.Uses[from].(*types.PkgName); ok {
						own, _ := strings.CutPrefix(imported.Imported().Path(), module+"/")
						return own + "." + x.Sel.Name
					}
				}
				if !parts {
					return ""
				}
				e = x.X
				continue
			case *ast.IndexExpr:
				if parts {
					e = x.X
					continue
				}
			case *ast.StarExpr:
				if parts {
					e = x.X
					continue
				}
			case *ast.SliceExpr:
				if parts {
					e = x.X
					continue
				}
			}
			return ""
		}
	}
	note := func(e ast.Expr, parts bool) {
		if e == nil {
			return
		}
		if name := variableOf(e, parts); name != "" && changed[name] == "" {
			changed[name] = fset.Position(e.Pos()).String()
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.AssignStmt:
				for _, left := range x.Lhs {
					note(left, true)
				}
			case *ast.IncDecStmt:
				note(x.X, true)
			case *ast.RangeStmt:
				note(x.Key, true)
				note(x.Value, true)
			case *ast.UnaryExpr:
				if x.Op == token.AND {
					note(x.X, false)
				}
			case *ast.CallExpr:
				if f, ok := x.Fun.(*ast.Ident); ok && len(x.Args) > 0 && (f.Name == "delete" || f.Name == "clear" || f.Name == "copy" || f.Name == "close") {
					note(x.Args[0], true)
				}
			}
			return true
		})
	}
}

func TestVariableRuleBites(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want string // "" is no fault
	}{
		"an error":                    {`import "errors"; var errX = errors.New("x")`, ""},
		"an error with a number":      {`import "fmt"; var ErrX = fmt.Errorf("%d", 1)`, ""},
		"an error of another package": {`import "io"; var errEnd = io.EOF`, ""},
		"an error of our own type":    {`type e struct{}; var errX = &e{}`, ""},
		"a regexp":                    {`import "regexp"; var p = regexp.MustCompile("x")`, ""},
		"a table":                     {`var names = [...]string{"a"}; func f() string { return names[0] }`, ""},
		"a table of rows":             {`type r struct{ n int }; var rows = []r{{1}}; func f() *r { return &rows[0] }`, ""},
		"a table that is built":       {`var m = func() map[string]int { return nil }()`, ""},
		"a table by a function":       {`var m = build(1); func build(int) map[string]int { return nil }`, ""},
		"a row by a method":           {`type r struct{}; func (r) made() *r { return nil }; var x = r{}.made()`, ""},
		"bytes":                       {`var b = []byte("x")`, ""},
		"a sum":                       {`var b = 1 + 2`, ""},
		"an assertion":                {`var _ interface{} = 1`, ""},
		"an embedded file":            {"import _ \"embed\"\n//go:embed x\nvar x []byte", ""},
		"computed once":               {`import "sync"; var f = sync.OnceValue(func() int { return 1 })`, ""},
		"a local variable":            {`var names = []string{}; func f() { names := []string{"a"}; names[0] = "b"; _ = names }`, ""},
		"a parameter of that name":    {`var names = []string{}; func f(names []string) { names[0] = "b" }`, ""},

		"no value":                 {`var counter int`, "has no value"},
		"a lock":                   {`import "sync"; var mu sync.Mutex`, "is made to change"},
		"a pool":                   {`import "sync"; var p = sync.Pool{}`, "is made to change"},
		"an atomic":                {`import "sync/atomic"; var n = atomic.Int64{}`, "is made to change"},
		"a list of locks":          {`import "sync"; var mu = [4]sync.Mutex{}`, "is made to change"},
		"a channel":                {`var c chan int`, "is made to change"},
		"a channel that is made":   {`var c = make(chan int)`, "is made by make"},
		"a seam for tests":         {`import "time"; var now = time.Now`, "second name"},
		"a swappable function":     {`var f = func() {}`, "can be swapped"},
		"a swappable name":         {`var f = g; func g() {}`, "can be swapped"},
		"a pointer":                {`type c struct{}; var client = &c{}`, "points at something"},
		"a made thing":             {`import "net/http"; var mux = http.NewServeMux()`, "is made by http.NewServeMux"},
		"an assigned table":        {`var names = []string{}; func f() { names = nil }`, "is changed at jobs/a.go:1:50"},
		"an assigned element":      {`var names = []string{"a"}; func f() { names[0] = "b" }`, "is changed"},
		"an assigned field":        {`var s = struct{ a []struct{ b int } }{}; func f() { s.a[0].b = 1 }`, "is changed"},
		"a counter":                {`var n = 1; func f() { n++ }`, "is changed"},
		"a deleted key":            {`var m = map[string]int{}; func f() { delete(m, "a") }`, "is changed"},
		"a cleared map":            {`var m = map[string]int{}; func f() { clear(m) }`, "is changed"},
		"an overwritten list":      {`var b = []byte("x"); func f() { copy(b[1:], "y") }`, "is changed"},
		"an address":               {`var n = 1; func f() *int { return &n }`, "is changed"},
		"a loop's variable":        {`var n = 1; func f() { for n = range 3 { } }`, "is changed"},
		"the second of a group":    {`var ( a = 1; b int )`, "variable b has no value"},
		"a test's own variable":    {`var limit = 5` + "\x00a_test.go\x00" + `package jobs_test; var limit = 5; func f() { limit = 6 }`, ""},
		"changed in a test":        {`var limit = 5` + "\x00a_test.go\x00" + `package jobs; func f() { limit = 6 }`, "is changed at jobs/a_test.go"},
		"changed from outside":     {`var Limit = 5` + "\x00../results/a.go\x00" + `package results; import "` + module + `/jobs"; func f() { jobs.Limit = 6 }`, "is changed at results/a.go"},
		"changed by external test": {`var Limit = 5` + "\x00a_test.go\x00" + `package jobs_test; import "` + module + `/jobs"; func f() { jobs.Limit = 6 }`, "is changed at jobs/a_test.go"},
	} {
		fset := token.NewFileSet()
		var all []*source
		parts := strings.Split("a.go\x00package jobs; "+c.text, "\x00")
		for i := 0; i < len(parts); i += 2 {
			s, err := parse(fset, path.Join("jobs", parts[i]), []byte(parts[i+1]+"\n"))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			all = append(all, s)
		}
		faults := strings.Join(checkVariables(fset, all), "\n")
		if (faults == "") != (c.want == "") || !strings.Contains(faults, c.want) {
			t.Errorf("%s: %q, want %q", name, faults, c.want)
		}
	}
}
