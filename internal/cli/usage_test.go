package cli

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"", "high", "normal", "bulk", "unknown_app"}
	for word, want := range map[string]string{
		"hihg": "high", "HIGH": "", "high": "", "norm": "normal", "n": "normal", "blk": "bulk", "unknow_apps": "unknown_app",
		"express": "", "": "", "xyzzy": "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flags OutputFlags
		want  bool
	}{{OutputFlags{}, false}, {OutputFlags{Output: "table"}, false}, {OutputFlags{Output: "json"}, true}, {OutputFlags{Output: "table", JSONFlag: true}, true}} {
		if got := test.flags.JSON(); got != test.want {
			t.Errorf("%+v: %t", test.flags, got)
		}
	}
}
