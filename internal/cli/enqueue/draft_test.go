package enqueue

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
)

// cut returns the jobs that a draft makes of the ids.
func cut(t *testing.T, d *draft, ids ...string) (bodies []string, err error) {
	t.Helper()
	err = d.bodies(filled(t, spoolMemory, ids...), func(id string, body []byte) error {
		var job struct{ ID string }
		if err := json.Unmarshal(body, &job); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if job.ID != id {
			t.Errorf("the body has id %q, its name is %q", job.ID, id)
		}
		bodies = append(bodies, string(body))
		return nil
	})
	return bodies, err
}

func TestDraftSplitsByBytes(t *testing.T) {
	t.Parallel()
	const one = `{"id":"promo","badge":1,"ids":["aabb","ccdd","eeff"]}`
	d := &draft{platform: jobs.APNS, id: "promo", fields: fields{json: []byte(`,"badge":1`)}}
	const first = `{"id":"promo-1","badge":1,"ids":["aabb","ccdd"]}`
	tests := []struct {
		name  string
		limit int
		want  []string
		fault string
	}{
		{"exactly the limit", len(one), []string{one}, ""},
		{"one byte less", len(one) - 1, []string{first, `{"id":"promo-2","badge":1,"ids":["eeff"]}`}, ""},
		{"two just fit", len(first), []string{first, `{"id":"promo-2","badge":1,"ids":["eeff"]}`}, ""},
		{"two don't fit by a byte", len(first) - 1, []string{
			`{"id":"promo-1","badge":1,"ids":["aabb"]}`,
			`{"id":"promo-2","badge":1,"ids":["ccdd"]}`, `{"id":"promo-3","badge":1,"ids":["eeff"]}`,
		}, ""},
		{"one just fits", len(`{"id":"promo-1","badge":1,"ids":["aabb"]}`), []string{
			`{"id":"promo-1","badge":1,"ids":["aabb"]}`,
			`{"id":"promo-2","badge":1,"ids":["ccdd"]}`, `{"id":"promo-3","badge":1,"ids":["eeff"]}`,
		}, ""},
		{"one doesn't fit by a byte", len(`{"id":"promo-1","badge":1,"ids":["aabb"]}`) - 1, nil, "the job has 41 bytes with a single recipient; the server takes 40"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := *d
			d.limit = test.limit
			got, err := cut(t, &d, "aabb", "ccdd", "eeff")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if test.fault == "" && err != nil || test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)) {
				t.Errorf("error %v, want %q", err, test.fault)
			}
		})
	}
}

// TestRepeatsInEitherCase: device tokens are hexadecimal, registration IDs are not.
func TestRepeatsInEitherCase(t *testing.T) {
	t.Parallel()
	for platform, want := range map[jobs.Platform][]string{
		jobs.APNS: {"aaBB", "ccdd"},
		jobs.GCM:  {"aaBB", "AAbb", "ccdd", "CCDD"},
	} {
		got, err := (&recipientFlags{To: []string{"aaBB", "AAbb"}, IDsFile: "-"}).collect(platform, &session{stdin: strings.NewReader("ccdd\naaBB\nCCDD\n"), stderr: io.Discard, env: noEnv})
		if err != nil {
			t.Fatal(err)
		}
		defer got.ids.close()
		if diff := cmp.Diff(want, contents(t, got.ids)); diff != "" || got.repeats != 5-len(want) {
			t.Errorf("%s: %d repeats (-want +got)\n%s", platform, got.repeats, diff)
		}
	}
}

func TestDraftWithoutIDs(t *testing.T) {
	t.Parallel()
	d := &draft{platform: jobs.GCM, id: "n", fields: fields{json: []byte(`,"topic":"news"`)}, limit: 100}
	got, err := cut(t, d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`{"id":"n","topic":"news"}`}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDraftQuotesIDs(t *testing.T) {
	t.Parallel()
	ids := []string{`a"b`, `a\b`, "é", "<&>", "x\x7f", "tab\t"}
	d := &draft{platform: jobs.GCM, id: "q", fields: fields{json: []byte(`,"message":""`)}, limit: 70}
	var got []string
	err := d.bodies(filled(t, 0, ids...), func(_ string, body []byte) error {
		if len(body) > d.limit {
			t.Errorf("%d bytes: %s", len(body), body)
		}
		job, err := jobs.Decode(jobs.GCM, body)
		if err != nil {
			return err
		}
		for _, id := range job.IDs {
			got = append(got, id.Reveal())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, id := range ids {
		if quoted := len(appendQuoted(nil, []byte(id))); quotedLen([]byte(id)) != quoted {
			t.Errorf("quotedLen is %d, it takes %d", quotedLen([]byte(id)), quoted)
		}
	}
}

// TestDraftPlan plans a list of several jobs, twice: the second time nothing may differ, or publishing again would not be
// recognised.
func TestDraftPlan(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 5000 {
		ids = append(ids, fmt.Sprintf("%064x", i))
	}
	list := filled(t, 0, ids...)
	d := &draft{platform: jobs.APNS, id: "big", fields: fields{json: []byte(`,"app":"shop","message":"m"`)}, limit: 100_000}
	plan, err := d.plan(list)
	if err != nil {
		t.Fatal(err)
	}
	again, err := d.plan(list)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plan, again); diff != "" {
		t.Errorf("planned differently (-first +second)\n%s", diff)
	}
	seen := 0
	for i, job := range plan {
		seen += job.Recipients
		if want := fmt.Sprintf("big-%d", i+1); job.ID != want || job.App != "shop" || job.Bytes > d.limit || job.publishID() != want {
			t.Errorf("job %d: %+v", i, job)
		}
	}
	if seen != len(ids) || len(plan) != 4 {
		t.Errorf("%d recipients in %d jobs", seen, len(plan))
	}
}

func TestDraftPlanRefusesALongID(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("i", 64)
	d := &draft{platform: jobs.APNS, id: long, fields: fields{json: []byte(`,"message":"m"`)}, limit: 1000}
	if _, err := d.plan(filled(t, 0, "aabb")); err != nil {
		t.Errorf("one job with an id of 64 characters: %v", err)
	}
	d.limit = 120
	_, err := d.plan(filled(t, 0, "aabb", strings.Repeat("ab", 20)))
	if err == nil || !strings.Contains(d.fields.explain(err).Error(), "--id: ") {
		t.Errorf("two jobs, whose ids have 66 characters: %v", err)
	}
}
