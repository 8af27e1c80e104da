package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func loadError(t *testing.T, text string) string {
	t.Helper()
	_, err := Load(write(t, text), noEnv)
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestFileFaults(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"an unknown key": {"max_segments: 4\nmax_segment: 5\nhttp: ''\n", []string{
			`volley.yaml:2:1: unknown key "max_segment"; did you mean "max_segments"?`,
			"     1 | max_segments: 4\n>    2 | max_segment: …\n       | ^\n     3 | http: …\n",
		}},
		"an unknown key deep inside": {"apps:\n  a:\n    apns:\n      keyfile: x\n", []string{`volley.yaml:4:7: unknown key "keyfile"; did you mean "key_file"?`}},
		"an unknown section":         {"database: {}\n", []string{`unknown key "database"; known here: nats, http, http_token, http_token_file, max_segments`}},
		"two faults":                 {"max_segment: 5\nmax_deliveries: many\n", []string{"volley.yaml:1:1:", "volley.yaml:2:17: \"many\" is not a whole number"}},
		"a key twice":                {"http: a:1\nhttp: b:2\n", []string{"volley.yaml:2:1:", "already defined"}},
		"a fraction":                 {"max_segments: 1.5\n", []string{`"1.5" is not a whole number`}},
		"a duration without unit":    {"ack_wait: 30\n", []string{`"30" is not a duration; write a number with its unit`}},
		"a word for true":            {"nats: {sync_always: yes}\n", []string{`"yes" is neither true nor false`}},
		"a list for a section":       {"nats: [a]\n", []string{"volley.yaml:1:7: keys with values are expected here"}},
		"a text for a section":       {"apps:\n  a: hunter2\n", []string{"volley.yaml:2:6: keys with values"}},
		"a section for a text":       {"http: {port: 1}\n", []string{"a single value is expected here"}},
		"a list for a text":          {"apps: {a: {gcm: {api_key: [hunter2]}}}\n", []string{"a single value is expected here"}},
		"a list at the top":          {"- nats\n", []string{"volley.yaml:1:1: keys with values"}},
		"a number for a key":         {"1: x\n", []string{`unknown key "1"`}},
		"an app twice over":          {"apps: {a: &a {gcm: {project: x}}, b: *a}\n", []string{`unknown key "project"`}},
		"a tab":                      {"nats:\n\turl: x\n", []string{"volley.yaml:2:1: it is not YAML"}},
		"an open quote":              {"http: 'x\n", []string{"it is not YAML"}},
		"a mark before a fault":      {"\ufeffhtpp: a:1\n", []string{`volley.yaml:1:1: unknown key "htpp"`, ">    1 | htpp: …"}},
		"a second document":          {"http: a:1\n---\nhttp: b:2\n", []string{"a second document begins here"}},
		"no such anchor":             {"apps: {a: *x}\n", []string{"volley.yaml", "anchor"}},
		"an anchor that is itself":   {"apps: {a: &x *x}\n", []string{"volley.yaml"}},
		"merged into itself":         {"apps: &x {<<: *x}\n", []string{"merged into itself"}},
	} {
		got := loadError(t, c.text)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s\nhas no %q", name, got, want)
			}
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s shows a value that may be a secret:\n%s", name, got)
		}
	}
}

// Every unknown key is told of. A long list shows the lines of the first three only, so that it fits a screen.
func TestManyUnknownKeys(t *testing.T) {
	text := "a1: 1\nnats:\n  a2: 1\nlog: {a3: 1}\n"
	got := loadError(t, text)
	for _, want := range []string{"volley.yaml:1:1: ", "volley.yaml:3:3: ", "volley.yaml:4:7: "} {
		if !strings.Contains(got, want) {
			t.Errorf("three: %s\nhas no %q", got, want)
		}
	}
	if n := strings.Count(got, ">    "); n != 3 {
		t.Errorf("three: %d of them are shown:\n%s", n, got)
	}
	got = loadError(t, text+"max_segment: 1\napps: {x: {a5: 1, gmc: {}}}\nack_wait: 30\n")
	if n := strings.Count(got, ">    "); n != 3 || !strings.Contains(got, ">    4 |") {
		t.Errorf("seven: %d of them are shown:\n%s", n, got)
	}
	_, rest, _ := strings.Cut(got, "     5 | max_segment: …\n\n")
	var lines []string
	for line := range strings.SplitSeq(rest, "\n") {
		_, line, _ = strings.Cut(line, "volley.yaml:")
		lines = append(lines, line)
	}
	want := []string{
		`5:1: unknown key "max_segment"; did you mean "max_segments"?`, `6:12: unknown key "a5"; known here: apns, gcm, max_attempts, weight, backlog, rate, burst, message_ids`,
		`6:19: unknown key "gmc"; did you mean "gcm"?`, `7:11: "30" is not a duration; write a number with its unit: 500ms, 30s, 5m or 24h`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, got)
	}
}

func TestFileForms(t *testing.T) {
	for name, text := range map[string]string{
		"plain":     "apps:\n  a:\n    apns:\n      key_id: 12345E6789\n      team_id: 0123456789\n    max_attempts: 3\n",
		"flow":      "apps: {a: {apns: {key_id: 12345E6789, team_id: 0123456789}, max_attempts: 3}}\n",
		"quoted":    "\"apps\": {'a': {\"apns\": {key_id: '12345E6789', team_id: \"0123456789\"}, max_attempts: \"3\"}}\n",
		"JSON":      `{"apps": {"a": {"apns": {"key_id": "12345E6789", "team_id": "0123456789"}, "max_attempts": 3}}}`,
		"anchors":   "apps: {b: &b {apns: &apns {key_id: 12345E6789, team_id: 0123456789}}, a: {apns: *apns, max_attempts: 3}}\n",
		"merged":    "apps:\n  b: &b\n    apns: {key_id: 12345E6789, team_id: 0123456789}\n    max_attempts: 9\n  a:\n    max_attempts: 3\n    <<: *b\n",
		"tagged":    "apps: {a: {apns: {key_id: !!str 12345E6789, team_id: !!str 0123456789}, max_attempts: 3}}\n",
		"CRLF":      "apps:\r\n  a:\r\n    apns:\r\n      key_id: 12345E6789\r\n      team_id: 0123456789\r\n    max_attempts: 3\r\n",
		"blocks":    "apps:\n  a:\n    apns:\n      key_id: >-\n        12345E6789\n      team_id: |-\n        0123456789\n    max_attempts: 3\n",
		"a mark":    "\ufeffapps: {a: {apns: {key_id: 12345E6789, team_id: 0123456789}, max_attempts: 3}}\n",
		"a heading": "%YAML 1.2\n---\napps: {a: {apns: {key_id: 12345E6789, team_id: 0123456789}, max_attempts: 3}}\n",
	} {
		c, err := Load(write(t, text), noEnv)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a := c.Apps["a"]
		if a == nil || a.APNS == nil || a.APNS.KeyID != "12345E6789" || a.APNS.TeamID != "0123456789" || a.MaxAttempts != 3 || a.APNS.DefaultRetries != 5 {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestEmptySectionsKeepTheirDefaults(t *testing.T) {
	for _, text := range []string{"# nothing\n", "nats:\n", "nats:\n  # url: x\n", "nats: ~\nlog: null\nack_wait:\n", "---\n"} {
		c := mustLoad(t, text, nil)
		if c.NATS.Listen != "127.0.0.1:4222" || !c.NATS.SyncAlways || c.Log.Level != "info" || c.AckWait == 0 {
			t.Errorf("%q: %+v", text, c)
		}
	}
	c := mustLoad(t, "apps:\n  a:\n    gcm:\n", map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "/g.json"})
	if c.Apps["a"].GCM == nil || c.Apps["a"].GCM.ServiceAccount != "/g.json" {
		t.Errorf("an empty gcm section: %+v", c.Apps["a"])
	}
	c = mustLoad(t, "nats: {listen: ''}\n", nil)
	if c.NATS.Listen != "" {
		t.Error("an empty text is not taken over")
	}
}

func TestUnreadableFile(t *testing.T) {
	_, err := Load("/does/not/exist.yaml", noEnv)
	if err == nil || !strings.Contains(err.Error(), "/does/not/exist.yaml") || !strings.Contains(err.Error(), "--config") {
		t.Error(err)
	}
}

// Wherever the file breaks, the lines that the error shows have no secret in them.
func TestSnippetsShowNoSecret(t *testing.T) {
	const secret = "hunter2"
	whole := "nats:\n  url: nats://user:hunter2@host\napps:\n  a:\n    apns:\n      topic: com.example # hunter2\n      certificate_password: hunter2\n" +
		"      \"certificate_password\": \"hunter2\"\n      certificate-password: hunter2 # hunter2\n      # api_key hunter2\n      key_id: >\n        hunter2\n" +
		"    gcm: {api_key: hunter2, apikey: hunter2}\n    other: [hunter2,\n      hunter2]\n    topic: \"hunter2\n      hunter2\"\n    x: &hunter2 a: hunter2\n"
	lines := strings.SplitAfter(whole, "\n")
	for i := range lines {
		for _, broken := range []string{"bad_key: hunter2\n", "  'open hunter2\n", "\tx: hunter2\n", "a: b: hunter2\n", "api_key: abc: hunter2\n", "http: b: hunter2\n", "hunter2: [\n"[7:], "max_segments: {hunter2}\n"} {
			text := strings.Join(lines[:i], "") + broken + strings.Join(lines[i:], "")
			got := loadError(t, text)
			if got == "" {
				t.Errorf("line %d, %q: no error", i, broken)
			}
			if strings.Contains(got, secret) {
				t.Errorf("line %d, %q: shows a secret:\n%s", i, broken, got)
			}
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("apps: {a: {gcm: {protocol: legacy, api_key: x}}}\n")
	f.Add("nats:\n  url: nats://h\nlog: {levels: {volley: info}}\n")
	f.Add("apps: &x {<<: *x}\n")
	f.Add("a: &a [*a]\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		tree := Default()
		if err := readFile(tree, "volley.yaml", []byte(text)); err != nil {
			return
		}
		_ = tree.Validate()
	})
}
