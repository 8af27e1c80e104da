package enqueue

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
)

// waiting is a job that waits for its time.
func waiting(t *testing.T, id, campaign string, at time.Time) *jobs.Segment {
	t.Helper()
	body := `{"id":"` + id + `","campaign":"` + campaign + `","message":"hi","deliver_at":"` + at.Format(time.RFC3339) + `","ids":["` + strings.Repeat("ab", 32) + `"]}`
	job, err := jobs.Decode(jobs.APNS, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return jobs.NewSegment(job, []byte(body), jobs.LaneNormal, "", 1, time.Now().Add(-time.Minute))
}

func TestOrders(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	later := time.Now().Add(time.Hour)
	if _, err := b.Put(t.Context(), waiting(t, "promo-7", "spring", later), later, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Hold(t.Context(), waiting(t, "promo-8", "spring", later), later, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"orders", 0, []string{"nothing is paused or cancelled"}},
		{"pause --app default", 0, []string{"paused: app default"}},
		{"pause --campaign spring --lane normal", 0, []string{"paused: lane normal, campaign spring"}},
		{"orders", 0, []string{"pause  app default", "pause  lane normal, campaign spring"}},
		{"resume --campaign spring", 0, []string{"resumed: lane normal, campaign spring"}},
		{"resume --app default", 0, []string{"resumed: app default", "1 waiting segment goes on"}},
		{"cancel apns default promo-7", 0, []string{"cancelled: platform apns, app default, job promo-7", "1 waiting segment is told of at once"}},
		{"resume --campaign spring", 1, []string{"nothing is paused by campaign spring"}},
		{"cancel promo-7 --campaign spring", 0, []string{"cancelled: platform apns, app default, campaign spring, job promo-7\n"}},
		{"cancel promo-9", 0, []string{"cancelled: job promo-9 (nothing is known of it yet; it holds when the job comes)"}},
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
	// Objects for machines.
	out, _, err := b.run(t.Context(), "", "cancel", "--platform", "gcm", "-o", "json")
	var line struct {
		Kind, Platform string
		At             time.Time
	}
	if err != nil || json.Unmarshal([]byte(out), &line) != nil || line.Kind != "cancel" || line.Platform != "gcm" || line.At.IsZero() {
		t.Errorf("%s %v", out, err)
	}
	if out, _, err = b.run(t.Context(), "", "orders", "-o", "json"); err != nil || strings.Count(out, "\n") != 4 {
		t.Errorf("%s %v", out, err)
	}
}

// Before a worker has made the streams there is nothing to order.
func TestOrdersWithoutStreams(t *testing.T) {
	t.Parallel()
	b := bareBroker(t)
	for _, args := range []string{"orders", "cancel --app a", "resume --app a"} {
		if _, _, err := b.run(t.Context(), "", strings.Fields(args)...); cli.Code(err) != cli.ExitUnavailable || !strings.Contains(err.Error(), "start a worker on this server once") {
			t.Errorf("%s: %v", args, err)
		}
	}
}
