package obs

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func TestReadSaysWhatWasCounted(t *testing.T) {
	m := NewMetrics(Sources{}, zerolog.Nop())
	m.Know("apns", "default")
	m.Event(&results.Event{
		Kind: results.KindSegment, Platform: jobs.APNS, App: "default", Sent: 7,
		Failures:      []results.Failure{{Reason: "BadDeviceToken", Action: results.ActionCheckEnvironment}, {Reason: "BadTopic", Action: results.ActionFixPayload}},
		ExpiredTokens: []results.ExpiredToken{{Failure: results.Failure{Reason: "Unregistered", Action: results.ActionDeleteToken}}},
		Uncertain:     []results.Uncertain{{}}, Skipped: []results.Skipped{{Indexes: jobs.Indexes{1, 2}}}, Retry: &results.Retry{Indexes: jobs.Indexes{3, 4, 5}},
	}, true, func(string) bool { return false })
	m.Event(&results.Event{Kind: results.KindJobDone, Platform: jobs.APNS, App: "default", Totals: &results.Totals{Sent: 7}}, true, nil)
	m.Sent("apns", "default", 1, 7*time.Millisecond, false)
	m.Sent("apns", "default", 9, 7*time.Millisecond, false)
	m.Sent("apns", "default", 9, time.Hour, false)
	r := m.Read()
	want := []AppReading{{Platform: "apns", App: "default", Sent: 7, Failed: 2, Expired: 1, Uncertain: 1, Skipped: 2, Retrying: 3}}
	if diff := cmp.Diff(want, r.Apps); diff != "" {
		t.Error(diff)
	}
	if n := len(r.Sending.Counts); n != len(r.Sending.Bounds)+1 || r.Sending.Counts[0] != 0 || r.Sending.Counts[1] != 2 || r.Sending.Counts[n-1] != 1 {
		t.Errorf("sending: %+v", r.Sending)
	}
}
