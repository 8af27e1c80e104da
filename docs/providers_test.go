package docs

import (
	"strings"
	"testing"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
)

// described is what the tables of a provider say of a reason, in the words of its row.
func described(r *sender.Reason) map[string]string {
	becomes := r.Class.String()
	if r.Wide {
		becomes += ", whole app"
	}
	if r.Unasked {
		becomes += ", not asked"
	}
	wait := "–"
	if r.Floor > 0 {
		wait = strings.TrimSuffix(r.Floor.String(), "m0s")
		if wait != r.Floor.String() {
			wait += "m"
		}
	}
	name := "`" + r.Error + "`"
	if r.Code != "" {
		name += " `" + string(r.Code) + "`"
	}
	return map[string]string{"becomes": becomes, "least wait": wait, "action": "`" + string(r.Action) + "`", "pushjack's name": name}
}

// The tables of reasons say of each row what the code says, and leave none out.
func TestReasonsAreTheCodes(t *testing.T) {
	for _, provider := range []struct {
		tables  []string
		reasons []*sender.Reason
	}{
		{[]string{"apns-http2", "apns-broadcast", "apns-binary", "apns-own"}, apns.Reasons()},
		{[]string{"fcm-v1", "gcm-legacy", "google-status", "google-own"}, gcm.Reasons()},
	} {
		shown := make(map[string]map[string]string)
		for _, table := range tables(read(t, "providers.md")) {
			for _, name := range provider.tables {
				if table.name != name {
					continue
				}
				for _, row := range table.by() {
					reason := strings.Trim(row["reason"], "`")
					if shown[reason] != nil {
						t.Errorf("%s: %s stands there twice", name, reason)
					}
					if row["what it says"] == "" || row["status"] == "" {
						t.Errorf("%s: %s has no status or no words", name, reason)
					}
					shown[reason] = row
				}
			}
		}
		for _, r := range provider.reasons {
			row := shown[r.Name]
			delete(shown, r.Name)
			if row == nil {
				t.Errorf("%v: %s is missing in providers.md; its row says %v", provider.tables, r.Name, described(r))
				continue
			}
			for column, want := range described(r) {
				if row[column] != want {
					t.Errorf("%s: %q is %q in providers.md, %q in the code", r.Name, column, row[column], want)
				}
			}
		}
		for reason := range shown {
			t.Errorf("%v: the code knows no %s", provider.tables, reason)
		}
	}
}
