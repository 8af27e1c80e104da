package jobs

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestIndexesText(t *testing.T) {
	for _, c := range []struct {
		list Indexes
		text string
	}{
		{Indexes{}, ""},
		{Indexes{0}, "0"},
		{Indexes{0, 1}, "0-1"},
		{Indexes{12, 17, 18, 19, 20}, "12,17-20"},
		{Indexes{1, 3, 5}, "1,3,5"},
	} {
		if got := c.list.String(); got != c.text {
			t.Errorf("%v is %q, want %q", c.list, got, c.text)
		}
		got, err := ParseIndexes(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.list, got); diff != "" {
			t.Errorf("%q: %s", c.text, diff)
		}
	}
	var in struct{ X Indexes }
	if err := json.Unmarshal([]byte(`{"X":"3-4"}`), &in); err != nil || in.X.String() != "3-4" {
		t.Errorf("%v %v", in, err)
	}
	if json.Unmarshal([]byte(`{"X":"4-3"}`), &in) == nil {
		t.Error("a falling range is taken")
	}
	if text, err := json.Marshal(in); err != nil || string(text) != `{"X":"3-4"}` {
		t.Errorf("%s %v", text, err)
	}
}

func TestParseIndexesRefuses(t *testing.T) {
	for _, text := range []string{
		",", "1,", ",1", "1,,2", " 1", "1 ", "+1", "-1", "1-", "-", "1-1", "2-1", "1,1", "2,1", "1-3,3", "1-3,2-4", "01", "00", "1-03", "1--2", "1-2-3",
		"0x1", "1_0", "a", "é", "2147483648", "99999999999999999999", "0-1048576", "0-2147483647", "0-1048574,1048576-1048577",
	} {
		if got, err := ParseIndexes(text); err == nil {
			t.Errorf("%q is read as %d indexes", text, len(got))
		}
	}
	if got, err := ParseIndexes("0-1048575"); err != nil || len(got) != maxIndexes {
		t.Errorf("at the limit: %d %v", len(got), err)
	}
	if _, err := ParseIndexes(strings.Repeat("x", 1000)); err == nil || len(err.Error()) > 100 {
		t.Errorf("a long text makes a long error: %v", err)
	}
}

// What a hostile text claims is never allocated.
func TestParseIndexesAllocatesWithinItsLimit(t *testing.T) {
	for _, text := range []string{"0-2147483647", "0-9,10-2147483647"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = parseIndexes(text, 10)
		runtime.ReadMemStats(&after)
		allocated := after.TotalAlloc - before.TotalAlloc
		if allocated > 1<<20 {
			t.Errorf("%q allocated %d bytes", text, allocated)
		}
	}
}

func indexesGenerator() *rapid.Generator[Indexes] {
	return rapid.Custom(func(t *rapid.T) Indexes {
		list := Indexes{}
		next := 0
		for _, gap := range rapid.SliceOfN(rapid.IntRange(0, 3), 0, 60).Draw(t, "gaps") {
			next += gap
			list = append(list, next)
			next++
		}
		return list
	})
}

func TestIndexesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := indexesGenerator().Draw(t, "indexes")
		got, err := ParseIndexes(list.String())
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(list) {
			t.Fatalf("%v became %v", list, got)
		}
	})
}

func FuzzParseIndexes(f *testing.F) {
	for _, seed := range []string{"", "0", "12,17-20", "0-1048575", "1,1", "9-2", "01"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseIndexes(text)
		if err != nil {
			return
		}
		again, err := ParseIndexes(list.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", text, list.String(), err)
		}
		if len(list) > maxIndexes || fmt.Sprint(again) != fmt.Sprint(list) {
			t.Fatalf("%q became %q", text, list.String())
		}
	})
}
