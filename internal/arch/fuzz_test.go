package arch

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var fuzzer = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)

// TestFuzzersHaveACorpus: what a fuzzer once found interesting is kept beside it and run by every go test. See CONTRIBUTING.md.
func TestFuzzersHaveACorpus(t *testing.T) {
	module, count := os.DirFS(root), 0
	err := fs.WalkDir(module, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".cache") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(module, name)
		if err != nil {
			return err
		}
		for _, found := range fuzzer.FindAllStringSubmatch(string(text), -1) {
			count++
			corpus := path.Join(path.Dir(name), "testdata", "fuzz", found[1])
			if files, err := fs.ReadDir(module, corpus); err != nil || len(files) == 0 {
				t.Errorf("%s of %s has no corpus in %s", found[1], name, corpus)
			}
		}
		return nil
	})
	if err != nil || count < 50 {
		t.Errorf("%d fuzzers are found: %v", count, err)
	}
}
