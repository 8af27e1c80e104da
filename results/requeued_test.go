package results

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
)

// The retry of recipients 1 and 4 of six died and was requeued: its totals begin again with two recipients, who keep their
// places in the job.
func TestRequeuedRetryBalancesAndFolds(t *testing.T) {
	first := eventOf(jobs.APNS, 0, 1, 0, 6, 4)
	first.Retry = retryOf(1, 4)
	dead := eventOf(jobs.APNS, 0, 1, 1, 2, 0)
	dead.Kind, dead.Dead = KindDead, &Dead{Reason: "payload"}
	dead.Skipped = []Skipped{{Indexes: jobs.Indexes{1, 4}, Why: SkippedDead}}
	dead.Totals = &Totals{Recipients: 6, Sent: 4, Skipped: 2, Retries: 2}
	again := eventOf(jobs.APNS, 0, 1, 2, 2, 1)
	again.Requeued, again.Failures = true, []Failure{badToken(4)}
	again.Totals = &Totals{Recipients: 2, Sent: 1, Failures: 1}
	for _, e := range []*Event{first, dead, again} {
		if err := e.Balanced(); err != nil {
			t.Error(err)
		}
	}
	r := mustFold(t, jobOf(jobs.APNS, numbered(6)...), again, dead, first)
	if diff := cmp.Diff([]string{"t0", "t1", "t2", "t3", "t5"}, r.APNS.Successes); diff != "" || r.Totals.Failures != 1 || r.Totals.Skipped != 0 {
		t.Errorf("%+v %s", r.Totals, diff)
	}
	again.Requeued = false
	if err := again.Balanced(); err == nil {
		t.Error("without a requeue the totals begin with every recipient")
	}
	again.Requeued, again.Failures[0].Index = true, maxRecipients
	if err := again.Balanced(); err == nil {
		t.Error("no job has that many recipients")
	}
}
