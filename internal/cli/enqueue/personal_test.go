package enqueue

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/cli/input"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
)

// personalBodies are the jobs that a list makes.
func personalBodies(t *testing.T, platform jobs.Platform, limit int, list string) (bodies []string, got *recipients) {
	t.Helper()
	got, err := (&recipientFlags{IDsFile: "-", Vars: true}).collect(platform, &session{stdin: strings.NewReader(list), stderr: &strings.Builder{}, env: noEnv})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(got.ids.close)
	d := &draft{platform: platform, id: "p", fields: fields{json: []byte(`,"message":"{{a|}}"`)}, limit: limit, personal: true}
	if err := d.bodies(got.ids, func(_ string, body []byte) error {
		bodies = append(bodies, string(body))
		_, err := jobs.Decode(platform, body)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return bodies, got
}

func TestColumnsBecomeVariables(t *testing.T) {
	t.Parallel()
	const head = `{"id":"p","message":"{{a|}}","recipients":[`
	for name, c := range map[string]struct{ list, want string }{
		"a table": {
			"Token,First Name,city-x\nAAbb,\"Ann \"\"A\"\"\",Köln\naabb,Ann,\nccdd,,\n",
			`{"id":"AAbb","vars":{"First_Name":"Ann \"A\"","city_x":"Köln"}},{"id":"aabb","vars":{"First_Name":"Ann"}},{"id":"ccdd"}`,
		},
		"objects": {
			`{"token":"aabb","n":1.50,"ok":true,"none":null,"empty":""}` + "\n" + `{"a":"x","token":"ccdd"}` + "\n",
			`{"id":"aabb","vars":{"n":1.50,"ok":true}},{"id":"ccdd","vars":{"a":"x"}}`,
		},
		"a repeat is the same device with the same variables": {
			"token,a\nAABB,x\naabb,x\naabb,y\naabb,X\n",
			`{"id":"AABB","vars":{"a":"x"}},{"id":"aabb","vars":{"a":"y"}},{"id":"aabb","vars":{"a":"X"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bodies, got := personalBodies(t, jobs.APNS, 1<<20, c.list)
			if diff := cmp.Diff([]string{head + c.want + "]}"}, bodies); diff != "" || len(got.problems) > 0 {
				t.Error(diff, got.problems)
			}
			// Cut into several jobs, each as full as the limit allows.
			parts, _ := personalBodies(t, jobs.APNS, len(bodies[0])-1, c.list)
			if len(parts) != 2 || !strings.HasPrefix(parts[0], strings.Replace(head, `"p"`, `"p-1"`, 1)) || len(parts[0]) >= len(bodies[0]) {
				t.Error(parts)
			}
		})
	}
}

func TestBadVariables(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		`{"token":"aabb","a":{}}` + "\n":  `standard input, line 1: "a" can't be a variable: its value must be a text, a number, true or false`,
		`{"token":"aabb","a":[1]}` + "\n": `standard input, line 1: "a" can't be a variable: its value must be a text, a number, true or false`,
		"token,1st\naabb,x\n":             `standard input, line 2: "1st" can't be a variable: its name must be 1 to 64 letters, digits and _, the first no digit`,
		"token,Straße\naabb,x\nccdd,\n":   `standard input, line 2: "Straße" can't be a variable: its name must be 1 to 64 letters, digits and _, the first no digit`,
		"aabb\n":                          `standard input: line 1 has no names of columns; the values beside the ids need them: add a line with the names`,
		"token,a b,a-b\naabb,x,y\nccdd,,": `vars.a_b: is there twice`,
	} {
		_, _, err := dry(t, Program{}, list, "apns", "--dry-run", "--message=m", "--ids-file=-", "--vars")
		if cli.Code(err) != cli.ExitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", list, err)
		}
	}
	if _, _, err := dry(t, Program{}, "", "apns", "--dry-run", "--message=m", "--to=aabb", "--vars"); cli.Code(err) != cli.ExitUsage || !strings.Contains(err.Error(), "--vars says what the other columns") {
		t.Error(err)
	}
	if _, _, err := dry(t, Program{}, "token,a\naabb,x\n", "apns", "--dry-run", "--message={{a", "--collapse-id={{a}}", "--ids-file=-", "--vars"); err == nil ||
		!strings.Contains(err.Error(), "--message: has a {{ without its }}") || !strings.Contains(err.Error(), "--collapse-id: can't be personalised") {
		t.Error(err)
	}
}

// TestPersonalDryRun shows what the first recipient would get.
func TestPersonalDryRun(t *testing.T) {
	t.Parallel()
	program := Program{Preview: func(job *jobs.Job) (string, error) { return provider.Preview(job, time.Unix(1795430000, 0)) }}
	stdout, _, err := dry(t, program, "token,name\naabb,Ann\nccdd,\n", "apns", "--dry-run", "--id=p", "--message=Dear {{name|you}}", "--ids-file=-", "--vars")
	if err != nil || !strings.Contains(stdout, `{"aps":{"alert":"Dear Ann"}}`) || !strings.Contains(stdout, "2 recipients") {
		t.Errorf("%s %v", stdout, err)
	}
	_, _, err = dry(t, program, "token,name\naabb,\n", "apns", "--dry-run", "--id=p", "--message=Dear {{name}}", "--ids-file=-", "--vars")
	if cli.Code(err) != cli.ExitUsage || !strings.Contains(err.Error(), "MissingVariable") {
		t.Error(err)
	}
}

func FuzzAppendPersonal(f *testing.F) {
	f.Add("aabb", "name", `"Ann"`)
	f.Add("\"\x00", "First Name", `1`)
	f.Add("x", "", `{}`)
	f.Fuzz(func(t *testing.T, id, name, value string) {
		if value == "" {
			return
		}
		job, err := jobs.Decode(jobs.GCM, []byte(`{"message":"m","recipients":[{"id":"x","vars":{"a":`+value+`}}]}`))
		if err != nil || len(job.Vars) != 1 || len(job.Vars[0]) != 1 || job.Recipients() != 1 {
			return // not one value that can be a variable
		}
		record, err := appendPersonal(nil, strings.ToValidUTF8(id, "?"), []input.Field{{Name: name, Value: []byte(strings.TrimSpace(value))}})
		if err != nil {
			return
		}
		job, err = jobs.Decode(jobs.GCM, []byte(`{"message":"m","recipients":[`+string(record)+`]}`))
		if err != nil || job.IDs[0].Reveal() != strings.ToValidUTF8(id, "?") {
			t.Fatalf("%s: %v", record, err)
		}
	})
}
