package apigolden

import (
	"bytes"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/volleypush/volley"

// public are the packages that others may import.
func public() []string {
	return []string{"jobs", "results", "sender", "sender/apns", "sender/apns/apnstest", "sender/gcm", "sender/gcm/gcmtest", "sender/simulator", "sender/simulator/h2sim"}
}

// file is where a package's names are listed.
func file(folder string) string { return "go/" + strings.ReplaceAll(folder, "/", "-") + ".txt" }

// TestGoNames compares the exported names of each public package, with their types, as the compiler knows them.
func TestGoNames(t *testing.T) {
	exports := compiled(t)
	from := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, folder := range public() {
		pkg, err := from.Import(module + "/" + folder)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, file(folder), names(pkg))
	}
	files, err := filepath.Glob("../../api/go/*.txt")
	if err != nil || len(files) != len(public()) {
		t.Errorf("api/go has %d files for %d packages: %v", len(files), len(public()), err)
	}
}

// TestEveryPublicPackageIsListed: what is not internal and no program is public.
func TestEveryPublicPackageIsListed(t *testing.T) {
	for path := range strings.FieldsSeq(list(t, "{{.ImportPath}}")) {
		folder := strings.TrimPrefix(path, module+"/")
		top, _, _ := strings.Cut(folder, "/")
		if slices.Contains([]string{"cmd", "integration", "internal", "examples", "deploy", "docs", "api", ".ci"}, top) || strings.Contains(folder, "/internal/") || slices.Contains(public(), folder) {
			continue
		}
		t.Errorf("package %s can be imported by anybody, and no file in api/go lists its names", folder)
	}
}

func list(t *testing.T, format string, more ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", format}, append(more, "./...")...)...)
	command.Dir = "../.."
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	return string(out)
}

// compiled is where the compiler's description of each package is.
func compiled(t *testing.T) map[string]string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}")
	for _, folder := range public() {
		command.Args = append(command.Args, "./"+folder)
	}
	command.Dir = "../.."
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			files[path] = file
		}
	}
	return files
}

// names lists everything exported, one a line: a method or a field begins with the type it is of.
func names(pkg *types.Package) string {
	var lines []string
	short := func(other *types.Package) string {
		if other == pkg {
			return ""
		}
		return other.Path()
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	scope := pkg.Scope()
	for _, name := range scope.Names() {
		object := scope.Lookup(name)
		if !object.Exported() {
			continue
		}
		switch object := object.(type) {
		case *types.Const:
			add("const %s %s = %s", name, types.TypeString(object.Type(), short), object.Val().ExactString())
		case *types.TypeName:
			typed(object, short, add)
		default:
			add("%s", types.ObjectString(object, short))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// typed lists a type, with its exported fields and methods.
func typed(object *types.TypeName, short types.Qualifier, add func(string, ...any)) {
	name := object.Name()
	if object.IsAlias() {
		add("type %s = %s", name, types.TypeString(types.Unalias(object.Type()), short))
		return
	}
	switch under := object.Type().Underlying().(type) {
	case *types.Struct:
		add("type %s struct", name)
		for field := range under.Fields() {
			if field.Exported() {
				add("type %s struct, %s %s", name, field.Name(), types.TypeString(field.Type(), short))
			}
		}
	case *types.Interface:
		add("type %s interface", name)
		for method := range under.Methods() {
			add("type %s interface, %s%s", name, method.Name(), strings.TrimPrefix(types.TypeString(method.Type(), short), "func"))
		}
		return
	default:
		add("type %s %s", name, types.TypeString(under, short))
	}
	for _, method := range methods(object.Type()) {
		add("%s", types.ObjectString(method, short))
	}
}

// methods are the exported methods of a type and of pointers to it, by name, each once.
func methods(of types.Type) (all []types.Object) {
	for selection := range types.NewMethodSet(types.NewPointer(of)).Methods() {
		if selection.Obj().Exported() {
			all = append(all, selection.Obj())
		}
	}
	return all
}
