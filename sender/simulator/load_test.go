package simulator

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const everythingYAML = `
# every key there is
rules:
  - platform: apns
    token: abcd
    times: 2
    answer:
      status: 410
      reason: Unregistered
      timestamp_ms: 1795430000123
  - platform: gcm
    prefix: "reg-"
    percent: 12.5
    salt: late
    answer:
      retry_after: "120"
      canonical_id: new
      latency: 50ms
      headers: {x-front: a}
  - percent: 100
    answer:
      status: 502
      body: |
        <html>bad gateway</html>
`

const everythingJSON = `{
 "rules": [
  {"platform": "apns", "token": "abcd", "times": 2, "answer": {"status": 410, "reason": "Unregistered", "timestamp_ms": 1795430000123}},
  {"platform": "gcm", "prefix": "reg-", "percent": 12.5, "salt": "late",
   "answer": {"retry_after": "120", "canonical_id": "new", "latency": "50ms", "headers": {"x-front": "a"}}},
  {"percent": 100, "answer": {"status": 502, "body": "<html>bad gateway<\/html>\n"}}
 ]
}
`

func everything() Script {
	return Script{Rules: []Rule{
		{Platform: APNS, Token: "abcd", Times: 2, Answer: Answer{Status: 410, Reason: "Unregistered", TimestampMS: 1795430000123}},
		{Platform: GCM, Prefix: "reg-", Percent: 12.5, Salt: "late", Answer: Answer{
			RetryAfter: "120", CanonicalID: "new", Latency: Duration(50 * time.Millisecond), Headers: map[string]string{"x-front": "a"},
		}},
		{Percent: 100, Answer: Answer{Status: 502, Body: "<html>bad gateway</html>\n"}},
	}}
}

func TestParseScript(t *testing.T) {
	tests := []struct {
		name, text string
		want       Script
	}{
		{"yaml", everythingYAML, everything()},
		{"json", everythingJSON, everything()},
		{"tabs in json", "\t{\n\t\"rules\":\t[]}", Script{Rules: []Rule{}}},
		{"empty", " \n", Script{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseScript([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("script (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseScriptFaults(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"yaml top key", "rules: []\nrulez: []\n", []string{"line 2", "rulez"}},
		{"yaml rule key", "rules:\n  - token: a\n    answr: {}\n", []string{"line 3", "answr"}},
		{"yaml answer key", "rules:\n  - token: a\n    answer:\n      state: 1\n", []string{"line 4", "state"}},
		{"yaml repeated key", "rules:\n  - token: a\n    token: b\n", []string{"line 3", "token"}},
		{"yaml type", "rules:\n  - token: a\n    times: often\n", []string{"line 3"}},
		{"yaml duration", "rules:\n  - token: a\n    answer: {latency: 50}\n", []string{"line 3", "is not a duration"}},
		{"yaml syntax", "rules: [\n", []string{"line"}},
		{"yaml rule", "rules:\n  - answer: {status: 410}\n", []string{"rule 1: it picks nobody"}},
		{"json top key", "{\"rules\": [],\n\"rulez\": []}", []string{"line 2", `unknown key "rulez"`}},
		{"json rule key", "{\"rules\": [{\"token\": \"a\",\n\n\"answr\": {}}]}", []string{"line 3", `unknown key "answr"`}},
		{"json answer key", "{\"rules\": [{\"answer\":\n {\"state\": 1}}]}", []string{"line 2", `unknown key "state"`}},
		{"json key in another case", `{"Rules": []}`, []string{"line 1", `unknown key "Rules"`}},
		{"json repeated key", "{\"rules\": [{\"token\": \"a\",\n\"token\": \"b\"}]}", []string{"line 2", `key "token" is there twice`}},
		{"json type", "{\"rules\": [{\n\"times\": \"often\"}]}", []string{"line 2", "rules.times", "string"}},
		{"json duration", `{"rules": [{"token": "a", "answer": {"latency": "50"}}]}`, []string{"is not a duration"}},
		{"json syntax", "{\"rules\": [\n}", []string{"line 2", "not JSON"}},
		{"json unfinished", "{\"rules\": [", []string{"not JSON"}},
		{"json more", "{}\n{}", []string{"line 2", "more after the script"}},
		{"json rule", `{"rules": [{"token": "a", "answer": {"status": 7}}]}`, []string{"rule 1: answer: status 7"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseScript([]byte(test.text))
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

// Every key of faults, phases and habits, in YAML; what is shown as JSON reads back as the same.
func TestParseFaults(t *testing.T) {
	script, err := ParseScript([]byte(`
faults:
  - {platform: apns, kind: goaway, on: request, after: 1, catch: 2, patience: 3s, times: 4, again: true, last_stream: mid, code: CANCEL, reason: R, then: stay}
  - {kind: goaway, at: 5s, debug: D}
  - {kind: black_hole, lose: nothing, for: 6s}
  - {kind: max_streams, streams: 0}
  - {kind: window, bytes: 7}
  - {kind: garbage, garbage: http1, text: T}
  - {kind: tls_alert, alert: unknown_ca}
phases:
  - {platform: gcm, for: 8s, answer: {status: 503}}
  - {fault: {kind: stall}}
habits: {one_stream_at_first: true, one_stream_after_error: true, silent_after_expiry: true, error_limit: 9, goaway_on_excess: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	none := uint32(0)
	want := Script{
		Faults: []Fault{
			{
				Platform: APNS, Kind: GoAway, On: "request", After: 1, Catch: 2, Patience: Duration(3 * time.Second), Times: 4, Again: true,
				LastStream: "mid", Code: "CANCEL", Reason: "R", Then: "stay",
			},
			{Kind: GoAway, At: Duration(5 * time.Second), Debug: "D"},
			{Kind: BlackHole, Lose: "nothing", For: Duration(6 * time.Second)},
			{Kind: MaxStreams, Streams: &none},
			{Kind: Window, Bytes: 7},
			{Kind: Garbage, Garbage: "http1", Text: "T"},
			{Kind: TLSAlert, Alert: "unknown_ca"},
		},
		Phases: []Phase{{Platform: GCM, For: Duration(8 * time.Second), Answer: &Answer{Status: 503}}, {Fault: &Fault{Kind: Stall}}},
		Habits: &Habits{OneStreamAtFirst: true, OneStreamAfterError: true, SilentAfterExpiry: true, ErrorLimit: 9, GoAwayOnExcess: true},
	}
	if diff := cmp.Diff(want, script); diff != "" {
		t.Errorf("script (-want +got):\n%s", diff)
	}
	shown, err := json.Marshal(script)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseScript(shown)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("what is shown reads as another one (-want +got):\n%s", diff)
	}
}

func TestLoadScript(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	got, err := LoadScript(write("good.yaml", everythingYAML))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(), got); diff != "" {
		t.Errorf("script (-want +got):\n%s", diff)
	}
	bad := write("bad.yaml", "rulez: []\n")
	if _, err := LoadScript(bad); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("a bad file answers: %v", err)
	}
	if _, err := LoadScript(filepath.Join(dir, "none.yaml")); !os.IsNotExist(err) && (err == nil || !strings.Contains(err.Error(), "none.yaml")) {
		t.Errorf("a missing file answers: %v", err)
	}
}

func TestScriptSizeLimit(t *testing.T) {
	atLimit := strings.Repeat(" ", maxScript)
	if _, err := readScript(strings.NewReader(atLimit)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := readScript(strings.NewReader(atLimit + " ")); err == nil {
		t.Error("one byte more was read")
	}
}

func FuzzParseScript(f *testing.F) {
	f.Add([]byte(everythingYAML))
	f.Add([]byte(everythingJSON))
	f.Add([]byte(`{"rules":[{"token":"a"}`))
	f.Add([]byte(`{"faults":[{"kind":"max_streams","streams":3}],"phases":[{"fault":{"kind":"down"},"for":"1s"}],"habits":{}}`))
	f.Add([]byte("phases:\n- answer: {status: 503}\n  for: 1s\n- fault: {kind: stall}"))
	f.Add([]byte("rules:\n- &a {token: x}\n- *a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		script, err := ParseScript(data)
		if err != nil {
			return
		}
		if err := script.Validate(); err != nil {
			t.Errorf("a script was taken that does not hold: %v", err)
		}
	})
}
