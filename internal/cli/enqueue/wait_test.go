package enqueue

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func TestWaitForEverybody(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	b.work(t, jobs.APNS, jobs.LaneNormal, allSent)
	stdout, stderr, err := b.run(t.Context(), "", "apns", "--message=Hi", "--id=all", "--ids=aabb,ccdd", "--wait")
	if err != nil || stderr != "" {
		t.Fatalf("%v, %q", err, stderr)
	}
	if want := "published all on push.apns: 2 recipients\nsent 2 of 2\n"; stdout != want {
		t.Errorf("got %q, want %q", stdout, want)
	}
	// The job is long over, and its events are still there: waiting again ends at once.
	if _, _, err := b.run(t.Context(), "", "apns", "--message=Hi", "--id=all", "--ids=aabb,ccdd", "--wait"); err != nil {
		t.Error(err)
	}
}

// someFail answers a job of six: two fail, one token is gone, one is sent in a second round.
func someFail(r received) []*results.Event {
	return []*results.Event{
		r.event(func(e *results.Event) {
			e.Sent = 2
			e.Failures = []results.Failure{badToken(0), badToken(1)}
			e.ExpiredTokens = []results.ExpiredToken{gone(2)}
			e.Retry = &results.Retry{At: batchTime, Indexes: jobs.Indexes{5}}
		}),
		r.event(func(e *results.Event) {
			e.Recipients, e.Round, e.Sent, e.Done = 1, 1, 1, true
		}),
	}
}

func TestWaitTellsEachReason(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	b.work(t, jobs.APNS, jobs.LaneNormal, someFail)
	raw := `{"id":"r1","ids":["01","02","03","04","05","06"],"message":"m"}` + "\n" + `{"ids":["01","02","03","04","05","06"],"message":"m"}` + "\n"
	stdout, _, err := b.run(t.Context(), raw, "job", "apns", "-", "--wait")
	if cli.Code(err) != cli.ExitFailure || err.Error() != "6 of 12 recipients not reached" {
		t.Errorf("error %v", err)
	}
	_, totals, _ := strings.Cut(stdout, "2 jobs, 12 recipients\n")
	want := `sent 6 of 12, 4 failed, 2 expired tokens, 2 retried
        4  failed: BadDeviceToken (status 400), Invalid token [APNSInvalidTokenError, code 8]: check that token, topic and environment (production or sandbox) belong together
        2  expired: Unregistered (status 410), Invalid token [APNSInvalidTokenError, code 8]: delete the token
`
	if diff := cmp.Diff(want, totals); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if strings.Contains(stdout, "5ec7e7") {
		t.Error("a token is shown")
	}
}

func TestWaitAsJSON(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	b.work(t, jobs.APNS, jobs.LaneNormal, someFail)
	stdout, _, err := b.run(t.Context(), "01\n02\n03\n04\n05\n06\n06\n", "apns", "--message=m", "--ids-file=-", "--wait", "--json")
	if cli.Code(err) != cli.ExitFailure {
		t.Errorf("error %v", err)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var got summaryLine
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
		t.Fatal(err)
	}
	want := summaryLine{
		Kind: "summary", Jobs: 1, Recipients: 6, RepeatsRemoved: 1,
		Totals: &results.Totals{Recipients: 6, Sent: 3, Failures: 2, ExpiredTokens: 1, Retries: 1},
		Reasons: []countedReason{
			{2, reasonOf("failed", badToken(0))},
			{1, reasonOf("expired", gone(0).Failure)},
		},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(countedReason{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWaitTimesOut(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	b.work(t, jobs.APNS, jobs.LaneNormal, func(r received) []*results.Event {
		if r.id == "slow-first" {
			return allSent(r)
		}
		return nil
	})
	raw := `{"id":"slow","ids":["aabb","ccdd"],"message":"m"}` + "\n" + `{"id":"slow-first","ids":["aabb"],"message":"m"}` + "\n"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout, _, err := b.run(ctx, raw, "job", "apns", "-", "--wait", "--timeout=1s")
	if cli.Code(err) != cli.ExitFailure || !strings.HasPrefix(err.Error(), "the time of --timeout is over: no result yet for 2 of 3 recipients; the jobs go on") {
		t.Errorf("error %v", err)
	}
	if !strings.HasSuffix(stdout, "sent 1 of 3, 2 without a result\n") {
		t.Errorf("%s", stdout)
	}
}

func TestWaitInterrupted(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr output
	done := make(chan error, 1)
	go func() { done <- b.runTo(ctx, &stdout, &stderr, "", "apns", "--message=m", "--to=aabb", "--wait") }()
	until(t, "the job is published", func() bool { return strings.HasPrefix(stdout.String(), "published ") })
	cancel()
	err := receive(t, "the end of the command", done)
	if cli.Code(err) != cli.ExitFailure || !strings.HasPrefix(err.Error(), "interrupted: no result yet for 1 of 1 recipient;") {
		t.Errorf("error %v", err)
	}
}

// TestWaitForManyJobs has more jobs than are followed at once.
func TestWaitForManyJobs(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	b.work(t, jobs.GCM, jobs.LaneNormal, allSent)
	raw := strings.Repeat(`{"ids":["x","y"],"message":"m"}`+"\n", followers+6)
	stdout, _, err := b.run(t.Context(), raw, "job", "gcm", "-", "--wait")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(stdout, "sent 140 of 140\n") {
		t.Errorf("%s", stdout[max(0, len(stdout)-200):])
	}
}

func TestPrintResults(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	b.work(t, jobs.APNS, jobs.LaneNormal, someFail)
	const token = "5ec7e7"
	var printed []string
	for _, id := range []string{"one", "two"} {
		if _, _, err := b.run(t.Context(), "", "apns", "--id="+id, "--campaign=c-"+id, "--message=m", "--ids=01,02,03,04,05,06", "--wait"); cli.Code(err) != cli.ExitFailure {
			t.Fatal(err)
		}
		printed = append(printed,
			"2026-11-23T10:00:00.123Z apns/default "+id+": sent 2 of 6, 2 failed BadDeviceToken, 1 expired Unregistered, 1 again at 10:00:00Z",
			"2026-11-23T10:00:00.123Z apns/default "+id+" round 1: sent 1 of 1")
	}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{nil, printed},
		{[]string{"--since=1h"}, printed},
		{[]string{"--since=2026-01-01T00:00:00Z"}, printed},
		{[]string{"--since=0s"}, nil},
		{[]string{"--job=two"}, printed[2:]},
		{[]string{"--campaign=c-one"}, printed[:2]},
		{[]string{"--platform=gcm"}, nil},
		{[]string{"--platform=apns", "--app=default", "--job=one"}, printed[:2]},
		{[]string{"--app=other"}, nil},
	} {
		stdout, stderr, err := b.run(t.Context(), "", append([]string{"results"}, test.args...)...)
		if err != nil || stderr != "" {
			t.Errorf("%v: %v, %s", test.args, err, stderr)
		}
		want := strings.Join(append(test.want, ""), "\n")
		if diff := cmp.Diff(want, stdout); diff != "" {
			t.Errorf("%v (-want +got)\n%s", test.args, diff)
		}
	}
	stdout, _, err := b.run(t.Context(), "", "results", "--job=one", "--json")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	event, err := results.Decode([]byte(lines[0]))
	if err != nil || len(lines) != 2 || event.Job != "one" || event.Failures[0].Token != token {
		t.Errorf("%v: %s", err, stdout)
	}
}

func TestFollowResults(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	b.work(t, jobs.APNS, jobs.LaneNormal, allSent)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr output
	done := make(chan error, 1)
	go func() { done <- b.runTo(ctx, &stdout, &stderr, "", "results", "--follow") }()
	for i, id := range []string{"one", "two"} {
		if _, _, err := b.run(t.Context(), "", "apns", "--id="+id, "--message=m", "--to=aabb"); err != nil {
			t.Fatal(err)
		}
		until(t, "the line of job "+id, func() bool { return strings.Count(stdout.String(), "\n") == i+1 })
	}
	cancel()
	if err := receive(t, "the end of --follow", done); err != nil {
		t.Errorf("interrupting is how it ends: %v", err)
	}
	if !strings.HasSuffix(stdout.String(), " two: sent 1 of 1\n") || stderr.String() != "" {
		t.Errorf("%q, %q", stdout.String(), stderr.String())
	}
}
