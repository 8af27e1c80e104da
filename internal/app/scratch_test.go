package app

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	slices.Sort(found)
	return found
}

// TestScratchOfTheDead removes what a killed process left, and nothing else.
func TestScratchOfTheDead(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	long := time.Now().Add(-time.Hour)
	folder := func(name string, locked bool, at time.Time) {
		t.Helper()
		dir := filepath.Join(temporary, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if locked {
			if err := os.WriteFile(filepath.Join(dir, scratchLock), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}
	living, removeLiving, err := Scratch("test")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(living, long, long); err != nil {
		t.Fatal(err)
	}
	folder("volley-test-dead", true, long)
	folder("volley-test-about-to-be-locked", true, time.Now())
	folder("volley-test-not-ours", false, long)
	folder("volley-other-dead", true, long)
	if err := os.Symlink(filepath.Join(temporary, "volley-other-dead"), filepath.Join(temporary, "volley-test-link")); err != nil {
		t.Fatal(err)
	}

	dir, remove, err := Scratch("test")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		filepath.Base(dir), filepath.Base(living), "volley-other-dead", "volley-test-about-to-be-locked", "volley-test-link", "volley-test-not-ours",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, names(t, temporary)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, remove := range []func() error{remove, removeLiving} {
		if err := remove(); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, temporary); len(got) != 4 {
		t.Errorf("left: %v", got)
	}
}

func TestScratchWithoutATemporaryFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	if _, _, err := Scratch("test"); err == nil {
		t.Error("a folder in a folder that is not there")
	}
}
