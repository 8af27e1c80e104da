package dash

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzShowBody: whatever a letter holds, a page without full shows no recipient of it.
func FuzzShowBody(f *testing.F) {
	f.Add("abababababababababababababababababababababababababababababababab", `"message":"Hello"`)
	f.Add("short", `"message":{"a":[1,{"ids":"x"}]}`)
	f.Add(`quo"ted \ <b>`, ``)
	f.Fuzz(func(t *testing.T, id, rest string) {
		if strings.TrimSpace(id) == "" || len(id) < 5 || strings.Contains(rest, id) || strings.Contains("recipients message vars name marked more and", id) {
			return
		}
		quoted, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{
			`{"ids":` + string(quoted) + `}`, `{"ids":["` + "x" + `",` + string(quoted) + `]}`, `{"recipients":[{"id":` + string(quoted) + `,"vars":{"name":` + string(quoted) + `}}]}`,
			`{"ids":[` + string(quoted) + `],` + rest + `}`, `{"ids":[` + string(quoted),
		} {
			text, hidden := showBody([]byte(body), false)
			if strings.Contains(text, id) || strings.Contains(text, strings.Trim(string(quoted), `"`)) {
				t.Errorf("%s shows %q", text, id)
			}
			if !hidden {
				t.Errorf("%s: nothing is said to be hidden", text)
			}
		}
		showBody([]byte(rest), true)
	})
}
