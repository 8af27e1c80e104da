package enqueue

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
)

// parse runs the command line up to the job's JSON, for a job with one recipient.
func parse(t *testing.T, args ...string) (json.RawMessage, jobs.Faults) {
	t.Helper()
	var root rootCmd
	parser, err := kong.New(&root, kong.Exit(func(int) { t.Fatal("kong wants to exit") }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	groups := []any{&root.APNS.jobFlags, &root.APNS.messageFlags, &root.APNS.apnsFlags}
	if args[0] == "gcm" {
		groups = []any{&root.GCM.jobFlags, &root.GCM.messageFlags, &root.GCM.gcmFlags}
	}
	f, faults := jobFields(groups...)
	body := append([]byte(`{"ids":["aabb"]`), f.json...)
	return append(body, '}'), faults
}

// optionCases is every flag that is a field of the job, with the JSON that it stands for. TestEveryFieldHasAFlag keeps it
// complete.
var optionCases = []struct {
	platform, flag, value, field, want string
	with                               []string // other flags that this one needs
	without                            bool     // without ids: the job has another target
}{
	{platform: "apns", flag: "--message", value: `é "x" <b> &`, field: "message", want: `"é \"x\" <b> &"`},
	{platform: "apns", flag: "--message", value: "", field: "message", want: `""`},
	{platform: "apns", flag: "--message-json", value: `{"body":"b", "loc-args":[]}`, field: "message", want: `{"body":"b","loc-args":[]}`},
	{platform: "apns", flag: "--message-json", value: `null`, field: "message", want: `null`},
	{platform: "apns", flag: "--app", value: "shop", field: "app", want: `"shop"`},
	{platform: "apns", flag: "--campaign", value: "c-1", field: "campaign", want: `"c-1"`},
	{platform: "apns", flag: "--deliver-at", value: "2026-12-24T18:00:00Z", field: "deliver_at", want: `"2026-12-24T18:00:00Z"`},
	{platform: "apns", flag: "--on-uncertain", value: "resend", field: "on_uncertain", want: `"resend"`},
	{platform: "apns", flag: "--on-uncertain", value: "report", field: "on_uncertain", want: `"report"`},
	{platform: "apns", flag: "--badge", value: "0", field: "badge", want: `0`},
	{platform: "apns", flag: "--sound", value: "default", field: "sound", want: `"default"`},
	{platform: "apns", flag: "--sound", value: `{"critical":1,"name":"a","volume":0.5}`, field: "sound", want: `{"critical":1,"name":"a","volume":0.5}`},
	{platform: "apns", flag: "--category", value: "c", field: "category", want: `"c"`},
	{platform: "apns", flag: "--content-available", field: "content_available", want: `true`},
	{platform: "apns", flag: "--no-content-available", field: "content_available", want: `false`},
	{platform: "apns", flag: "--mutable-content", field: "mutable_content", want: `true`},
	{platform: "apns", flag: "--title", value: "t", field: "title", want: `"t"`},
	{platform: "apns", flag: "--title-loc-key", value: "k", field: "title_loc_key", want: `"k"`},
	{platform: "apns", flag: "--title-loc-args", value: "a,b", field: "title_loc_args", want: `["a,b"]`, with: []string{"--title-loc-key=k"}},
	{platform: "apns", flag: "--action-loc-key", value: "k", field: "action_loc_key", want: `"k"`},
	{platform: "apns", flag: "--loc-key", value: "k", field: "loc_key", want: `"k"`},
	{platform: "apns", flag: "--loc-args", value: "a", field: "loc_args", want: `["a","b"]`, with: []string{"--loc-key=k", "--loc-args=a", "--loc-args=b"}},
	{platform: "apns", flag: "--launch-image", value: "i", field: "launch_image", want: `"i"`},
	{platform: "apns", flag: "--thread-id", value: "t", field: "thread_id", want: `"t"`},
	{platform: "apns", flag: "--extra", value: `{"k":12345678901234567890}`, field: "extra", want: `{"k":12345678901234567890}`},
	{platform: "apns", flag: "--subtitle", value: "s", field: "subtitle", want: `"s"`},
	{platform: "apns", flag: "--subtitle-loc-key", value: "k", field: "subtitle_loc_key", want: `"k"`},
	{platform: "apns", flag: "--subtitle-loc-args", value: "a", field: "subtitle_loc_args", want: `["a"]`, with: []string{"--subtitle-loc-key=k"}},
	{platform: "apns", flag: "--interruption-level", value: "passive", field: "interruption_level", want: `"passive"`},
	{platform: "apns", flag: "--relevance-score", value: "0.25", field: "relevance_score", want: `0.25`},
	{platform: "apns", flag: "--target-content-id", value: "w", field: "target_content_id", want: `"w"`},
	{platform: "apns", flag: "--filter-criteria", value: "f", field: "filter_criteria", want: `"f"`},
	{platform: "apns", flag: "--stale-date", value: "1795430000", field: "stale_date", want: `1795430000`, with: activity},
	{platform: "apns", flag: "--content-state", value: `{"a":1}`, field: "content_state", want: `{"a":1}`, with: activity},
	{platform: "apns", flag: "--timestamp", value: "1795430000", field: "timestamp", want: `1795430000`, with: activity},
	{platform: "apns", flag: "--event", value: "update", field: "event", want: `"update"`, with: activity},
	{platform: "apns", flag: "--dismissal-date", value: "1795430000", field: "dismissal_date", want: `1795430000`, with: activity},
	{platform: "apns", flag: "--attributes-type", value: "T", field: "attributes_type", want: `"T"`, with: started},
	{platform: "apns", flag: "--attributes", value: `{"a":1}`, field: "attributes", want: `{"a":1}`, with: started},
	{platform: "apns", flag: "--payload", value: `{"aps":{"x":1}}`, field: "payload", want: `{"aps":{"x":1}}`},
	{platform: "apns", flag: "--topic", value: "com.example", field: "topic", want: `"com.example"`},
	{platform: "apns", flag: "--push-type", value: "voip", field: "push_type", want: `"voip"`},
	{platform: "apns", flag: "--priority", value: "5", field: "priority", want: `5`},
	{platform: "apns", flag: "--collapse-id", value: "c", field: "collapse_id", want: `"c"`},
	{platform: "apns", flag: "--channel", value: "dGVzdA==", field: "channel", want: `"dGVzdA=="`, without: true, with: activity},
	{platform: "apns", flag: "--expiration", value: "0", field: "expiration", want: `0`},
	{platform: "apns", flag: "--low-priority", field: "low_priority", want: `true`},
	{platform: "apns", flag: "--batch-size", value: "7", field: "batch_size", want: `7`},
	{platform: "apns", flag: "--error-timeout", value: "0.5", field: "error_timeout", want: `0.5`},
	{platform: "apns", flag: "--max-payload-length", value: "256", field: "max_payload_length", want: `256`, with: []string{"--message=m"}},
	{platform: "apns", flag: "--retries", value: "3", field: "retries", want: `3`},

	{platform: "gcm", flag: "--message-json", value: `[1, "a"]`, field: "message", want: `[1,"a"]`},
	{platform: "gcm", flag: "--notification", value: `{"title":"t"}`, field: "notification", want: `{"title":"t"}`},
	{platform: "gcm", flag: "--collapse-key", value: "k", field: "collapse_key", want: `"k"`},
	{platform: "gcm", flag: "--delay-while-idle", field: "delay_while_idle", want: `true`},
	{platform: "gcm", flag: "--time-to-live", value: "0", field: "time_to_live", want: `0`},
	{platform: "gcm", flag: "--low-priority", field: "low_priority", want: `true`},
	{platform: "gcm", flag: "--restricted-package-name", value: "com.example", field: "restricted_package_name", want: `"com.example"`},
	{platform: "gcm", flag: "--provider-dry-run", field: "dry_run", want: `true`},
	{platform: "gcm", flag: "--no-provider-dry-run", field: "dry_run", want: `false`},
	{platform: "gcm", flag: "--fid", field: "fid", want: `true`},
	{platform: "gcm", flag: "--topic", value: "news", field: "topic", want: `"news"`, without: true},
	{platform: "gcm", flag: "--condition", value: "'a' in topics && 'b' in topics", field: "condition", want: `"'a' in topics && 'b' in topics"`, without: true},
	{platform: "gcm", flag: "--android", value: `{"priority":"HIGH"}`, field: "android", want: `{"priority":"HIGH"}`},
	{platform: "gcm", flag: "--apns", value: `{"headers":{}}`, field: "apns", want: `{"headers":{}}`},
	{platform: "gcm", flag: "--webpush", value: `{"headers":{}}`, field: "webpush", want: `{"headers":{}}`},
	{platform: "gcm", flag: "--fcm-options", value: `{"analytics_label":"l"}`, field: "fcm_options", want: `{"analytics_label":"l"}`},
	{platform: "gcm", flag: "--payload", value: `{"data":{"a":"b"}}`, field: "payload", want: `{"data":{"a":"b"}}`},
}

var (
	activity = []string{"--push-type=liveactivity", "--event=update", "--timestamp=1", "--content-state={}"}
	started  = []string{"--push-type=liveactivity", "--event=start", "--timestamp=1", "--content-state={}", "--attributes-type=T", "--attributes={}", "--message=m"}
)

func TestFlagsBecomeFields(t *testing.T) {
	t.Parallel()
	for _, test := range optionCases {
		t.Run(test.platform+" "+test.flag+" "+test.value, func(t *testing.T) {
			t.Parallel()
			args := []string{test.platform}
			repeated := false
			for _, other := range test.with {
				repeated = repeated || strings.HasPrefix(other, test.flag+"=") && strings.Contains(test.flag, "-args")
				if !strings.HasPrefix(other, test.flag+"=") || repeated {
					args = append(args, other)
				}
			}
			switch {
			case repeated:
			case test.value == "" && !strings.HasPrefix(test.flag, "--message"):
				args = append(args, test.flag)
			default:
				args = append(args, test.flag+"="+test.value)
			}
			body, faults := parse(t, args...)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(body, &fields); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if diff := cmp.Diff(compact(t, test.want), compact(t, string(fields[test.field]))); diff != "" {
				t.Errorf("%s (-want +got)\n%s", body, diff)
			}
			if bytes.Contains(body, []byte(`\u`)) {
				t.Errorf("escaped where raw UTF-8 is due: %s", body)
			}
			if test.without {
				delete(fields, "ids")
			}
			if _, given := fields["payload"]; test.platform == "gcm" && !given {
				fields["message"] = json.RawMessage(`{}`)
			}
			body, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			decoded(t, test.platform, body)
		})
	}
}

// decoded checks that jobs.Decode takes the body.
func decoded(t *testing.T, platform string, body []byte) {
	t.Helper()
	if _, err := jobs.Decode(jobs.Platform(platform), body); err != nil {
		t.Errorf("%s: %v", body, err)
	}
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return string(encodeJSON(value))
}

// TestEveryFieldHasAFlag takes the list of fields from the contract: an option that is added to a job goes red here until
// it has a flag and a case above.
func TestEveryFieldHasAFlag(t *testing.T) {
	t.Parallel()
	for platform, options := range map[string]struct {
		contract reflect.Type
		flags    []any
	}{
		"apns": {reflect.TypeFor[jobs.APNSOptions](), []any{&jobFlags{}, &messageFlags{}, &apnsFlags{}}},
		"gcm":  {reflect.TypeFor[jobs.GCMOptions](), []any{&jobFlags{}, &messageFlags{}, &gcmFlags{}}},
	} {
		common := map[string]bool{"app": true, "campaign": true, "message": true, "deliver_at": true, "on_uncertain": true}
		want := maps.Clone(common)
		for field := range options.contract.Fields() {
			if field.IsExported() {
				want[snake(field.Name)] = true
			}
		}
		tried := map[string]bool{}
		for _, test := range optionCases {
			if test.platform == platform || common[test.field] {
				tried[test.field] = true
			}
		}
		have := map[string]bool{}
		for _, group := range options.flags {
			walkJobFlags(reflect.ValueOf(group).Elem(), func(field, flag string, _ reflect.Value) {
				have[field] = true
				kebab := "--" + strings.ReplaceAll(field, "_", "-")
				if flag != kebab && field != "message" && flag != "--provider-dry-run" {
					t.Errorf("%s: field %s has the flag %s", platform, field, flag)
				}
				if !tried[field] {
					t.Errorf("%s: flag %s has no case in optionCases", platform, flag)
				}
			})
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: fields of the contract (-) against flags (+)\n%s", platform, diff)
		}
	}
}

// snake is the JSON name of an option: runs of capitals are one word.
func snake(name string) string {
	var out strings.Builder
	for i := range len(name) {
		upper := name[i] >= 'A' && name[i] <= 'Z'
		afterLower := i > 0 && name[i-1] >= 'a'
		beforeLower := i > 0 && i+1 < len(name) && name[i+1] >= 'a'
		if upper && (afterLower || beforeLower) {
			out.WriteByte('_')
		}
		out.WriteString(strings.ToLower(name[i : i+1]))
	}
	return out.String()
}

func TestFlagValuesFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.json", " {\"k\": \"v\"}\n")
	body, faults := parse(t, "apns", "--extra=@"+good, "--sound=@"+write("sound", `"ping"`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if want := `{"ids":["aabb"],"sound":"ping","extra":{"k": "v"}}`; string(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
	large := write("large", `"`+strings.Repeat("x", maxFileValue-2)+`"`)
	if _, faults := parse(t, "apns", "--extra=@"+large); len(faults) > 0 {
		t.Errorf("a file of the limit: %v", faults)
	}
	for name, want := range map[string]string{
		"@" + dir + "/none": "can't read " + dir + "/none: no such file or directory",
		"@" + write("broken.json", "{\n  \"a\": 1,\n  secret\n}"):          "is not valid JSON at line 3, column 3: ",
		"@" + write("empty", "\n"):                                         "is empty; it takes JSON or @FILE",
		"@" + write("larger", `"`+strings.Repeat("x", maxFileValue-1)+`"`): "has more than 4194304 bytes",
		`{"a":1} secret`: "is not valid JSON at line 1, column 9: ",
		`"secret`:        "is not valid JSON at line 1, column 7: ",
	} {
		_, faults := parse(t, "apns", "--extra="+name)
		if len(faults) != 1 || !strings.Contains(faults[0].Problem, want) {
			t.Errorf("%.40s: %v, want %q", name, faults, want)
		}
		if strings.Contains(faults.Error(), "secret") {
			t.Errorf("the value is quoted: %v", faults)
		}
	}
}

// TestArgumentsAreNotRepaired: parser and encoders replace what is not UTF-8, and something else would be sent than was typed.
func TestArgumentsAreNotRepaired(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "message.json")
	if err := os.WriteFile(file, []byte("{\"body\":\"caf\xe9\"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want string
		args []string
	}{
		{"--message: is not valid UTF-8", []string{"--message=caf\xe9"}},
		{"--message: is not valid UTF-8", []string{"--message", "caf\xe9"}},
		{"--loc-args: is not valid UTF-8", []string{"--message=m", "--loc-args=a", "--loc-args", "caf\xe9"}},
		{"--sound: is not valid UTF-8", []string{"--sound={\"name\":\"\xff\"}"}},
		{"argument 5: is not valid UTF-8", []string{"--message=m", "\xff"}},
		{"argument 4: is not valid UTF-8", []string{"--\xff=m"}},
		{"  --message-json: is not valid UTF-8", []string{"--message-json=@" + file}},
	} {
		var stdout, stderr output
		err := Run(t.Context(), append([]string{"apns", "--dry-run", "--to=aabb"}, test.args...), strings.NewReader(""), &stdout, &stderr, func(string) (string, bool) { return "", false })
		if cli.Code(err) != cli.ExitUsage || !strings.Contains(err.Error(), test.want) || stdout.String()+stderr.String() != "" {
			t.Errorf("%q: %v, %s", test.args, err, stdout.String())
		}
	}
	var stdout, stderr output
	if err := Run(t.Context(), []string{"apns", "--dry-run", "--to=aabb", "--message=café \ufffd"}, strings.NewReader(""), &stdout, &stderr, func(string) (string, bool) { return "", false }); err != nil {
		t.Error(err)
	}
}

func TestProblemsNameFlags(t *testing.T) {
	t.Parallel()
	f, _ := jobFields(&messageFlags{MessageJSON: new(jsonArg)}, &gcmFlags{})
	for field, want := range map[string]string{
		"dry_run":         "--provider-dry-run: p",
		"message":         "--message-json: p",
		"message.from":    "--message-json .from: p",
		"ids":             "recipients: p",
		"ids[3]":          "recipients [3]: p",
		"id":              "--id: p",
		"something_else":  "something_else: p",
		"time_to_live":    "--time-to-live: p",
		"fcm_options.a.b": "--fcm-options .a.b: p",
		"":                "p",
	} {
		if got := f.problem(jobs.Fault{Field: field, Problem: "p"}); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	other := errors.New("other")
	if got := f.explain(other); !errors.Is(got, other) {
		t.Errorf("an error that is no faults: %v", got)
	}
}
