package apigolden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files in api/ instead of comparing with them")

// golden compares with a file below api.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("..", "..", "api", filepath.FromSlash(file))
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: go test ./internal/apigolden -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("api/%s is not what there is. If users shall have this change (docs/versioning.md, CHANGELOG.md): go test ./internal/apigolden -update\n%s", file, diff)
	}
}
