package enqueue

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func filled(t *testing.T, limit int, records ...string) *spool {
	t.Helper()
	s := newSpool()
	s.limit = limit
	t.Cleanup(s.close)
	for _, record := range records {
		if err := s.add([]byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func contents(t *testing.T, s *spool) []string {
	t.Helper()
	got := []string{}
	if err := s.each(func(record []byte) error {
		got = append(got, string(record))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSpoolMovesToAFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	records := []string{"a", "", "line\nend", strings.Repeat("x", 300)}
	size := 4 + 1 + 0 + 8 + 300 + 1 // one byte of length each, two for the last
	inMemory := filled(t, size, records...)
	if inMemory.file != nil {
		t.Error("a spool of exactly its limit left memory")
	}
	inFile := filled(t, size-1, records...)
	if inFile.file == nil {
		t.Fatal("a spool above its limit stayed in memory")
	}
	for _, s := range []*spool{inMemory, inFile} {
		for range 2 { // it can be read again and again
			if diff := cmp.Diff(records, contents(t, s)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
	}
	if err := inFile.add([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, inFile); len(got) != 5 || got[4] != "more" {
		t.Errorf("added after reading: %q", got)
	}
}

func TestSpoolLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s := filled(t, 0, "aa")
	info, err := s.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file with tokens has mode %v", info.Mode())
	}
	s.close()
	s.close()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestSpoolWithoutASpaceForTheFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	s := newSpool()
	s.limit = 0
	err := s.add([]byte("aa"))
	if err == nil || !strings.Contains(err.Error(), "TMPDIR says where") {
		t.Errorf("error %v", err)
	}
}

func TestSpoolRepeats(t *testing.T) {
	t.Parallel()
	records := []string{"a", "b", "a", "c", "b", "a", "A"}
	for atOnce := 1; atOnce <= len(records)+1; atOnce++ {
		for _, limit := range []int{0, spoolMemory} {
			s := filled(t, limit, records...)
			repeats, err := s.dropRepeatsBy(atOnce)
			if err != nil {
				t.Fatal(err)
			}
			if repeats != 3 {
				t.Errorf("at once %d: %d repeats", atOnce, repeats)
			}
			if diff := cmp.Diff([]string{"a", "b", "c", "A"}, contents(t, s)); diff != "" {
				t.Errorf("at once %d (-want +got)\n%s", atOnce, diff)
			}
		}
	}
	empty := filled(t, 0)
	if repeats, err := empty.dropRepeats(); repeats != 0 || err != nil {
		t.Errorf("empty: %d, %v", repeats, err)
	}
}

// TestSpoolRepeatsAcrossWords finds repeats beyond the first word of the bit list.
func TestSpoolRepeatsAcrossWords(t *testing.T) {
	t.Parallel()
	var records, want []string
	for i := range 500 {
		records = append(records, fmt.Sprint(i/2))
		if i%2 == 0 {
			want = append(want, fmt.Sprint(i/2))
		}
	}
	s := filled(t, 0, records...)
	repeats, err := s.dropRepeatsBy(64)
	if err != nil || repeats != 250 {
		t.Fatalf("%d repeats, %v", repeats, err)
	}
	if diff := cmp.Diff(want, contents(t, s)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
