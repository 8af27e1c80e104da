package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
)

// examples reads testdata: one event of each kind, compacted.
func examples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	out := make(map[string][]byte)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".json")] = compact.Bytes()
	}
	return out
}

func example(t testing.TB, name string) *Event {
	t.Helper()
	e, err := Decode(examples(t)[name])
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExamplesOfEachKind(t *testing.T) {
	missing := map[Kind]bool{
		KindSegment: true, KindJobDone: true, KindDead: true, KindDuplicateJob: true, KindCredential: true, KindProvider: true,
	}
	for name, text := range examples(t) {
		e, err := Decode(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		delete(missing, e.Kind)
		if err := e.Balanced(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again, err := Encode(e)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(string(text), string(again)); diff != "" {
			t.Errorf("%s is not written as it was read (-file +written):\n%s", name, diff)
		}
	}
	if len(missing) > 0 {
		t.Errorf("kinds without an example: %v", missing)
	}
}

func TestEncodeEmptyListsVersionAndID(t *testing.T) {
	e := &Event{Kind: KindSegment, Platform: jobs.APNS, App: "default", Job: "j", At: time.Date(2026, 11, 23, 11, 0, 0, 0, time.FixedZone("", 3600))}
	want := `{"v":1,"kind":"segment","id":"apns.default.j.0.0","platform":"apns","app":"default","job":"j","segment":0,"round":0,"recipients":0,` +
		`"sent":0,"failures":[],"expired_tokens":[],"canonical_ids":[],"uncertain":[],"skipped":[],"at":"2026-11-23T10:00:00Z","worker":""}`
	encoded, err := Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(encoded)); diff != "" {
		t.Error(diff)
	}
	marshalled, err := json.Marshal(*e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(marshalled)); diff != "" {
		t.Error(diff)
	}
	if e.ID != "" || e.V != 0 || e.Failures != nil {
		t.Error("Encode changed the event")
	}
}

func TestEncodeDoesNotChangeTheRetry(t *testing.T) {
	local := time.Date(2026, 11, 23, 11, 0, 0, 0, time.FixedZone("", 3600))
	e := &Event{Kind: KindSegment, Platform: jobs.GCM, App: "a", Job: "j", Retry: &Retry{
		At: local, Indexes: jobs.Indexes{1}, Groups: []RetryGroup{{Indexes: jobs.Indexes{1}, NotBefore: local}},
	}}
	encoded, err := Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	want := `"retry":{"at":"2026-11-23T10:00:00Z","indexes":"1","groups":[{"indexes":"1","attempts":0,"not_before":"2026-11-23T10:00:00Z"}]}`
	if !strings.Contains(string(encoded), want) {
		t.Errorf("got %s", encoded)
	}
	if e.Retry.At.Location() == time.UTC || e.Retry.Groups[0].NotBefore.Location() == time.UTC {
		t.Error("Encode changed the event")
	}
}

func TestEncodeKeepsTokensShort(t *testing.T) {
	e := &Event{Kind: KindSegment, Platform: jobs.GCM, App: "a", Job: "j", CanonicalIDs: []CanonicalID{{OldID: "<a>&é\u00a0", NewID: "b"}}}
	encoded, err := Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(encoded), "\"<a>&é\u00a0\"") {
		t.Errorf("the registration ID is escaped: %s", encoded)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Event)
		want   string
	}{
		"another subject's id":   {func(e *Event) { e.Round++ }, "SetID"},
		"no platform":            {func(e *Event) { e.Platform = "" }, "neither apns nor gcm"},
		"an app with a dot":      {func(e *Event) { e.App = "a.b" }, `app "a.b"`},
		"no job":                 {func(e *Event) { e.Job = "" }, `job ""`},
		"a wildcard in the job":  {func(e *Event) { e.Job = "*" }, `job "*"`},
		"a negative segment":     {func(e *Event) { e.Segment = -1 }, "segment"},
		"a negative round":       {func(e *Event) { e.Round = -1 }, "round -1"},
		"a state with a space":   {func(e *Event) { e.Kind, e.State = KindProvider, "very open" }, "very open"},
		"a time beyond RFC 3339": {func(e *Event) { e.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "year"},
	} {
		e := example(t, "segment")
		c.change(e)
		if _, err := Encode(e); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecode(t *testing.T) {
	valid := `{"v":1,"kind":"segment","failures":null}`
	for name, c := range map[string]struct{ text, want string }{
		"the least there is":            {valid, ""},
		"an unknown field":              {`{"v":1,"kind":"segment","later":{"a":[1]}}`, ""},
		"an unknown kind":               {`{"v":1,"kind":"later"}`, ""},
		"newer":                         {`{"v":2,"kind":"segment"}`, "newer"},
		"newer with another form":       {`{"v":2,"kind":7,"failures":{}}`, "newer"},
		"no version":                    {`{"kind":"segment"}`, `"v" is missing`},
		"version 0":                     {`{"v":0,"kind":"segment"}`, `"v" is missing`},
		"no kind":                       {`{"v":1}`, `"kind" is missing`},
		"empty":                         {``, "not JSON"},
		"cut off":                       {`{"v":1`, "not JSON"},
		"an array":                      {`[]`, "wrong type"},
		"data after it":                 {valid + `{}`, "after its end"},
		"rubbish after it":              {valid + `]`, "after its end"},
		"indexes out of order":          {`{"v":1,"kind":"segment","skipped":[{"indexes":"3,1"}]}`, "not ascending"},
		"an index that is not a number": {`{"v":1,"kind":"segment","failures":[{"index":"secret"}]}`, `"failures.index" has the wrong type`},
		"a code that is a fraction":     {`{"v":1,"kind":"segment","failures":[{"code":1.5}]}`, "neither a string nor a whole number"},
	} {
		e, err := Decode([]byte(c.text))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want == "":
			if e.Failures == nil || e.ExpiredTokens == nil || e.CanonicalIDs == nil || e.Uncertain == nil || e.Skipped == nil {
				t.Errorf("%s: a list is nil", name)
			}
		case err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: %v", name, err)
		case errors.Is(err, ErrNewer) != (c.want == "newer"):
			t.Errorf("%s: is ErrNewer: %v", name, errors.Is(err, ErrNewer))
		}
	}
}

func TestCode(t *testing.T) {
	for _, c := range []struct {
		text string
		code Code
		back string
	}{
		{`8`, "8", `8`},
		{`0`, "0", `0`},
		{`255`, "255", `255`},
		{`"8"`, "8", `8`},
		{`"NotRegistered"`, "NotRegistered", `"NotRegistered"`},
		{`"007"`, "007", `"007"`},
		{`"8a"`, "8a", `"8a"`},
		{`""`, "", `""`},
		{`null`, "", `""`},
	} {
		var got Code
		if err := json.Unmarshal([]byte(c.text), &got); err != nil || got != c.code {
			t.Errorf("%s: %q, %v", c.text, got, err)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != c.back {
			t.Errorf("%s: written as %s, %v", c.text, back, err)
		}
	}
	for _, text := range []string{`-1`, `1.0`, `1e3`, `true`, `{}`, `[]`} {
		var got Code
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s was read as %q", text, got)
		}
	}
	failure, err := json.Marshal(Failure{Error: "APNSAuthError", Action: ActionFixCredential})
	if err != nil || strings.Contains(string(failure), `"code"`) {
		t.Errorf("an empty code is not absent: %s, %v", failure, err)
	}
}

// The worst that a recipient can cost is what jobs.EventPerRecipient promises the splitter.
func TestEventPerRecipientHolds(t *testing.T) {
	token := strings.Repeat("\"", 200) // each byte takes two
	failure := Failure{
		Index: maxRecipients, Token: token, Error: "GCMDeviceMessageRateExceededError", Code: "DeviceMessageRateExceeded",
		Reason: strings.Repeat("R", 64), Status: 599, Description: "Unable to send due to previous error", Action: ActionCheckEnvironment,
	}
	retry := Event{Kind: KindSegment, Platform: jobs.GCM, App: "a", Job: "j", Retry: &Retry{Indexes: jobs.Indexes{maxRecipients}, Groups: []RetryGroup{{
		Indexes: jobs.Indexes{maxRecipients}, Attempts: 99, NotBefore: time.Unix(1795430000, 123456789), Reason: failure.Reason, Status: 599,
	}}}}
	for name, v := range map[string]any{
		"failure":   failure,
		"expired":   ExpiredToken{Failure: failure, Timestamp: 1795430000, TimestampMS: 1795430000123},
		"canonical": CanonicalID{Index: maxRecipients, OldID: strings.Repeat("a", 200), NewID: strings.Repeat("a", 200)},
		"uncertain": Uncertain{Index: maxRecipients, Token: token, Reason: failure.Reason},
		"retry":     retry.Retry,
		"accepted":  AcceptedID{Index: maxRecipients, ID: "projects/" + strings.Repeat("p", 30) + "/messages/" + strings.Repeat("0", 64)},
	} {
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if most := 2*200 + jobs.EventPerRecipient; len(encoded)+1 > most {
			t.Errorf("%s takes %d bytes, more than %d", name, len(encoded)+1, most)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range examples(f) {
		f.Add(text)
	}
	f.Add([]byte(`{"v":1,"kind":"segment","platform":"apns","app":"a","job":"j","retry":{"indexes":"0-9"},"recipients":10}`))
	f.Add([]byte(`{"v":9}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := Decode(text)
		if err != nil {
			return
		}
		_ = e.Balanced()
		encoded, err := Encode(e)
		if err != nil {
			return
		}
		again, err := Decode(encoded)
		if err != nil {
			t.Fatalf("what Encode wrote can't be read: %v\n%s", err, encoded)
		}
		twice, err := Encode(again)
		if err != nil || !bytes.Equal(encoded, twice) {
			t.Fatalf("not stable (%v):\n%s\n%s", err, encoded, twice)
		}
		if _, err := ParseSubject(e.Subject()); err != nil {
			t.Fatal(err)
		}
	})
}
