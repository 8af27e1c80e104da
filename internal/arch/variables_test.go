package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
	"testing"
)

// The rule about package-level variables: there is no mutable state. A variable may stand at package level only if it is
// in truth a constant that Go has no "const" for:
//
//   - an error: errors.New, fmt.Errorf, or under a name with Err a value of an error type;
//   - something compiled once from constants, by one of the functions in the table compiled;
//   - a table: a literal of a list, map or struct, or what a function of the package or a function literal builds from
//     constants when the program starts;
//   - an embedded file, or an assertion (var _ Interface = …);
//
// and only if nothing, tests included, ever assigns to it, to a part of it, or takes its address as a whole. Elements may
// be pointed at: rows of a table are shared and read-only by agreement. What changes, what could be swapped in a test
// (var now = time.Now), and what protects such things (sync, atomic, channels) is a field of something that somebody owns.
const variableRule = "package-level state is not allowed. Make it a constant, a function, or a field of what uses it; " +
	"what may stay is an error, something compiled once, or a table that nobody changes (see internal/arch/variables_test.go)"

// variable is one package-level variable.
type variable struct {
	name   *ast.Ident
	typ    ast.Expr
	value  ast.Expr
	source *source
	embed  bool
}

// folderOf groups the files of one folder, all of its packages together.
func byFolder(all []*source) map[string][]*source {
	folders := make(map[string][]*source)
	for _, s := range all {
		folders[path.Dir(s.name)] = append(folders[path.Dir(s.name)], s)
	}
	return folders
}

func TestVariables(t *testing.T) {
	fset := token.NewFileSet()
	for _, fault := range checkVariables(fset, sources(t, fset)) {
		t.Error(fault)
	}
}

// checkVariables holds all packages to the rule together, because one can change the variables of another.
func checkVariables(fset *token.FileSet, all []*source) (faults []string) {
	var declared []variable
	objects := make(map[*ast.Ident]types.Object)
	changed := make(map[string]string) // "folder.name" → where
	for folder, files := range byFolder(all) {
		for _, s := range files {
			if !s.isTest() && !fits(folder, "integration/**") {
				declared = append(declared, variables(s)...)
			}
		}
		for _, group := range byPackage(files) {
			findChanges(fset, folder, group, objects, changed)
		}
	}
	slices.SortFunc(declared, func(a, b variable) int {
		return strings.Compare(fset.Position(a.name.Pos()).String(), fset.Position(b.name.Pos()).String())
	})
	for _, v := range declared {
		problem := checkValue(&v, objects)
		if where := changed[path.Dir(v.source.name)+"."+v.name.Name]; where != "" {
			problem = "is changed at " + where
		}
		if problem != "" {
			faults = append(faults, fmt.Sprintf("%s: the variable %s %s: %s", fset.Position(v.name.Pos()), v.name.Name, problem, variableRule))
		}
	}
	return faults
}

// byPackage separates the external tests of a folder from its package.
func byPackage(files []*source) map[string][]*ast.File {
	groups := make(map[string][]*ast.File)
	for _, s := range files {
		groups[s.file.Name.Name] = append(groups[s.file.Name.Name], s.file)
	}
	return groups
}

func variables(s *source) (out []variable) {
	for _, declaration := range s.file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			values := spec.(*ast.ValueSpec)
			for i, name := range values.Names {
				if name.Name == "_" {
					continue
				}
				v := variable{name: name, typ: values.Type, source: s, embed: embedded(group.Doc) || embedded(values.Doc)}
				if i < len(values.Values) {
					v.value = values.Values[i]
				} else if len(values.Values) == 1 {
					v.value = values.Values[0]
				}
				out = append(out, v)
			}
		}
	}
	return out
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// checkValue says why a variable is no constant by its declaration; "" if it may be one.
func checkValue(v *variable, objects map[*ast.Ident]types.Object) string {
	switch {
	case v.embed:
		return ""
	case guards(v.typ):
		return "is made to change"
	case v.value == nil:
		return "has no value, so it can only be there to get one later"
	}
	return checkExpr(v.value, strings.HasPrefix(strings.ToLower(v.name.Name), "err"), objects)
}

func checkExpr(e ast.Expr, isError bool, objects map[*ast.Ident]types.Object) string {
	switch x := e.(type) {
	case *ast.BasicLit:
		return ""
	case *ast.ParenExpr:
		return checkExpr(x.X, isError, objects)
	case *ast.BinaryExpr:
		if problem := checkExpr(x.X, isError, objects); problem != "" {
			return problem
		}
		return checkExpr(x.Y, isError, objects)
	case *ast.CompositeLit:
		if guards(x.Type) {
			return "is made to change"
		}
		return ""
	case *ast.UnaryExpr:
		if x.Op != token.AND || isError {
			return checkExpr(x.X, isError, objects)
		}
		return "points at something that can change"
	case *ast.FuncLit:
		return "is a function that can be swapped"
	case *ast.Ident:
		if _, isFunc := objects[x].(*types.Func); !isFunc {
			return ""
		}
		return "is a function that can be swapped"
	case *ast.SelectorExpr:
		if isError {
			return ""
		}
		return "is a second name for something of another package"
	case *ast.CallExpr:
		return checkMade(x, objects)
	}
	return "has a value that this rule does not know"
}

// checkMade looks at a variable that a call makes.
func checkMade(call *ast.CallExpr, objects map[*ast.Ident]types.Object) string {
	fun := ast.Unparen(call.Fun)
	if generic, ok := fun.(*ast.IndexExpr); ok {
		fun = generic.X
	}
	switch x := fun.(type) {
	case *ast.ArrayType, *ast.MapType, *ast.FuncLit: // a conversion, or a table that is built
		return ""
	case *ast.Ident:
		switch objects[x].(type) {
		case *types.Func, *types.TypeName: // of this package, or a basic type
			return ""
		}
		return "is made by " + x.Name
	case *ast.SelectorExpr:
		if slices.Contains(compiled, types.ExprString(x)) {
			return ""
		}
		if _, literal := ast.Unparen(x.X).(*ast.CompositeLit); literal { // a method of this package's own row
			return ""
		}
		if nested, ok := x.X.(*ast.SelectorExpr); ok && slices.Contains(compiled, types.ExprString(nested)) {
			return ""
		}
		return "is made by " + types.ExprString(x) + ", which is not known to make something that never changes"
	}
	return "has a value that this rule does not know"
}

// guards says whether a type is there to be changed or to protect what changes.
func guards(typ ast.Expr) (found bool) {
	if typ == nil {
		return false
	}
	ast.Inspect(typ, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.ChanType:
			found = true
		case *ast.SelectorExpr:
			if from, ok := x.X.(*ast.Ident); ok && (from.Name == "sync" || from.Name == "atomic") {
				found = true
			}
		}
		return !found
	})
	return found
}
