package enqueue

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// told is the event of a job with three recipients, of whom one is gone.
func told(platform jobs.Platform, app, id, campaign string) *results.Event {
	e := &results.Event{
		V: results.Version, Kind: results.KindSegment, Platform: platform, App: app, Job: id, Campaign: campaign, Segments: 1, Recipients: 3, Sent: 2, Done: true,
		ExpiredTokens: []results.ExpiredToken{{Failure: results.Failure{Index: 1, Token: "aabb", Error: "APNSInvalidTokenError", Code: "8", Reason: "Unregistered", Status: 410, Action: results.ActionDeleteToken}}},
		Totals:        &results.Totals{Recipients: 3, Sent: 2, ExpiredTokens: 1}, Fingerprint: strings.Repeat("a", 26), At: time.Now().UTC(), Worker: "w",
	}
	e.SetID()
	return e
}

func TestStatusAndJobs(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	for _, e := range []*results.Event{
		told(jobs.APNS, "default", "promo-7", "spring"), told(jobs.APNS, "shop", "twice", ""), told(jobs.GCM, "shop", "twice", ""),
	} {
		if _, err := b.Commit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	later, latest := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	for id, at := range map[string]time.Time{"next": later, "last": latest} {
		if _, err := b.Put(t.Context(), waiting(t, id, "spring", at), at, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"status promo-7", 0, []string{"apns default promo-7: done", "sent 2 of 3, 1 expired tokens", "1  expired: Unregistered (status 410)", "delete the token"}},
		{"status apns default next", 0, []string{"apns default next: scheduled", "1 without a final place", "begins: " + later.UTC().Format("2006-01-02T15:04")}},
		{"status --campaign spring", 0, []string{"campaign spring: scheduled", "jobs: 2 scheduled, 1 done", "sent 2 of 5"}},
		{"status twice", 2, []string{"2 jobs have the id twice", "apns shop twice, gcm shop twice"}},
		{"status gcm shop twice", 0, []string{"gcm shop twice: done"}},
		{"status twice --platform apns --watch", 0, []string{"apns shop twice: done"}},
		{"status nothing", 1, []string{"nothing is known of job nothing"}},
		{"status --campaign nothing", 1, []string{"nothing is known of campaign nothing"}},
		{"status", 2, []string{"say which"}},
		{"jobs", 0, []string{"apns/default  next", "apns/default  promo-7", "gcm/shop"}},
		{"jobs --scheduled --limit 1", 0, []string{"next", "and 1 more"}},
		{"jobs --state running", 0, []string{"no jobs"}},
		{"jobs --scheduled --state done", 2, []string{"contradict"}},
		{"jobs --limit 0", 2, []string{"--limit is 1 or more"}},
		{"cancel twice", 2, []string{"apns shop twice, gcm shop twice"}},
	} {
		out, errs, err := b.run(t.Context(), "", strings.Fields(c.args)...)
		if cli.Code(err) != c.code {
			t.Errorf("%s: %v", c.args, err)
		}
		if err != nil {
			errs += err.Error()
		}
		for _, want := range c.want {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%s: %q lacks %q", c.args, out+errs, want)
			}
		}
	}
	out, _, err := b.run(t.Context(), "", "status", "promo-7", "-o", "json")
	var line statusLine
	if err != nil || json.Unmarshal([]byte(out), &line) != nil {
		t.Fatalf("%s %v", out, err)
	}
	if line.Kind != "job" || line.Campaign != "spring" || line.State != "done" || line.Totals.Sent != 2 || line.Segments != 1 || len(line.Reasons) != 1 || line.Reasons[0].Count != 1 {
		t.Errorf("%s", out)
	}
	if out, _, err = b.run(t.Context(), "", "jobs", "--campaign", "spring", "-o", "json"); err != nil || strings.Count(out, "\n") != 3 || strings.Contains(out, "aabb") {
		t.Errorf("%s %v", out, err)
	}
}
