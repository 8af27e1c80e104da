package enqueue

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
)

// noEnv is an environment without variables.
func noEnv(string) (string, bool) { return "", false }

// dry runs the command line without a server.
func dry(t *testing.T, p Program, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = p.Run(t.Context(), args, strings.NewReader(stdin), &out, &errs, noEnv)
	return out.String(), errs.String(), err
}

func TestDryRunShowsTheJob(t *testing.T) {
	t.Parallel()
	stdout, stderr, err := dry(t, Program{}, "token,name\n5ec7e7,Ann\nbad,Bob\n5ec7e7,Cid\n5ec7e8,Dan\n",
		"apns", "--dry-run", "--id=promo", "--campaign=c", "--message=Grüße <b>", "--badge=0", "--ids-file=-", "--skip-bad")
	if err != nil || stderr != "" {
		t.Fatalf("%v, %s", err, stderr)
	}
	want := `{
  "id": "promo",
  "campaign": "c",
  "message": "Grüße <b>",
  "badge": 0,
  "ids": [
    "5ec7e7"
  ]
}

standard input: CSV, line 1 has the names, ids are in column 1 of 2, "token"
would publish promo on push.apns: 2 recipients, 89 bytes
1 repeated id removed (--keep-duplicates sends them too)
1 bad line left out
nothing was published
`
	if diff := cmp.Diff(want, stdout); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDryRunAsJSON(t *testing.T) {
	t.Parallel()
	stdout, _, err := dry(t, Program{Preview: func(*jobs.Job) (string, error) { return "POST <x>\n", nil }}, "",
		"gcm", "--dry-run", "--id=promo", "--lane=bulk", "--message-json", `{"a":"b"}`, "--topic=news", "--json")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"kind":"dry_run","platform":"gcm","app":"default","job":"promo","subject":"push.gcm.bulk","recipients":1,"bytes":49}
{"kind":"summary","jobs":1,"recipients":1,"repeats_removed":0,"bad_lines_skipped":0,"preview":"POST <x>\n"}
`
	if diff := cmp.Diff(want, stdout); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestDryRunPreview gives the preview the first recipient and nobody else.
func TestDryRunPreview(t *testing.T) {
	t.Parallel()
	program := Program{Preview: func(job *jobs.Job) (string, error) {
		if job.Recipients() != 1 || job.IDs[0].Reveal() != "aabb" || job.App != "shop" {
			t.Errorf("previewing %d recipients of app %s", job.Recipients(), job.App)
		}
		return "rendered\n", nil
	}}
	stdout, _, err := dry(t, program, "", "apns", "--dry-run", "--message=m", "--app=shop", "--ids=aabb,ccdd")
	if err != nil || !strings.HasPrefix(stdout, "rendered\n\nwould publish ") {
		t.Errorf("%q, %v", stdout, err)
	}
	program.Preview = func(*jobs.Job) (string, error) {
		return "", jobs.Faults{{Field: "message", Problem: "makes a payload of 5,000 bytes"}}
	}
	stdout, _, err = dry(t, program, "", "apns", "--dry-run", "--message=m", "--to=aabb")
	if cli.Code(err) != cli.ExitUsage || stdout != "" || !strings.Contains(err.Error(), "--message: makes a payload of 5,000 bytes") {
		t.Errorf("%q, %v", stdout, err)
	}
	broken := errors.New("broken")
	program.Preview = func(*jobs.Job) (string, error) { return "", broken }
	if _, _, err = dry(t, program, "", "apns", "--dry-run", "--message=m", "--to=aabb"); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestDryRunOfSeveralJobs(t *testing.T) {
	t.Parallel()
	var list strings.Builder
	for i := range 16_000 {
		list.WriteString(strings.Repeat("ab", 30) + string("0123456789abcdef"[i>>12]) + string("0123456789abcdef"[i>>8&15]) +
			string("0123456789abcdef"[i>>4&15]) + string("0123456789abcdef"[i&15]) + "\n")
	}
	stdout, _, err := dry(t, Program{}, zipped(t, list.String()), "apns", "--dry-run", "--id=big", "--message=m", "--ids-file=-")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"would publish big-1 on push.apns: 14,667 recipients, 982,7", "would publish big-2 on push.apns: 1,333 recipients, ", "\n2 jobs, 16,000 recipients\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in %s", want, stdout[max(0, len(stdout)-300):])
		}
	}
}

func TestFreshIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 3 {
		stdout, _, err := dry(t, Program{}, "", "apns", "--dry-run", "--message=m", "--to=aabb")
		if err != nil {
			t.Fatal(err)
		}
		seen[stdout] = true
	}
	if len(seen) != 3 {
		t.Error("two runs without --id made the same job")
	}
}
