package enqueue

import (
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// listed stores one event of a reading, as a worker does.
func (b *broker) listed(t *testing.T, reading string, tokens ...string) {
	t.Helper()
	e := &results.Event{
		Kind: results.KindFeedback, Platform: jobs.APNS, App: "old", Reading: reading, Recipients: len(tokens), At: time.Now(), Worker: "w",
	}
	for i, token := range tokens {
		e.ExpiredTokens = append(e.ExpiredTokens, results.ExpiredToken{Failure: results.Failure{
			Index: i, Token: token, Error: "APNSInvalidTokenError", Code: "8", Reason: "FeedbackService", Action: results.ActionDeleteToken,
		}})
	}
	e.SetID()
	if _, err := b.Commit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func TestFeedback(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	answer := `{"reading":"r2","tokens":2,"events":1}`
	stop, err := b.Serve(jobs.SubjectFeedback+".old", func([]byte) []byte { return []byte(answer) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	b.listed(t, "r1", "5ec7e701")
	b.listed(t, "r2", "5ec7e702", "5ec7e703")

	stdout, stderr, err := b.run(t.Context(), "", "feedback", "--app", "old")
	if want := "2 expired tokens in 1 event of app old (job _feedback in their subjects, reading r2)\n"; err != nil || stdout != want || stderr != "" {
		t.Errorf("%q, %q, %v; want %q", stdout, stderr, err, want)
	}
	stdout, _, err = b.run(t.Context(), "", "feedback", "--app", "old", "--json")
	if err != nil || strings.Count(stdout, "\n") != 1 || !strings.Contains(stdout, `"token":"5ec7e703"`) || strings.Contains(stdout, "5ec7e701") {
		t.Errorf("%q, %v", stdout, err)
	}
	stdout, _, err = b.run(t.Context(), "", "results", "--app", "old")
	if err != nil || !strings.Contains(stdout, "apns/old feedback service: 2 expired tokens\n") || strings.Contains(stdout, "5ec7e7") {
		t.Errorf("%q, %v", stdout, err)
	}
	answer = `{"reading":"r3","error":"the feedback service broke off"}`
	stdout, _, err = b.run(t.Context(), "", "feedback", "--app", "old", "--json")
	if cli.Code(err) != cli.ExitFailure || err.Error() != "the feedback service broke off" || stdout != "" {
		t.Errorf("%q, %v", stdout, err)
	}
}

func TestFeedbackInTrouble(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	if _, _, err := b.run(t.Context(), "", "feedback"); cli.Code(err) != cli.ExitUnavailable || !strings.Contains(err.Error(), `no worker has an app "default" with protocol binary`) {
		t.Errorf("nobody there: %v", err)
	}
	if _, _, err := b.run(t.Context(), "", "feedback", "--app", "a.b"); cli.Code(err) != cli.ExitUsage {
		t.Errorf("a bad name: %v", err)
	}
	silent := make(chan struct{})
	defer close(silent)
	stop, err := b.Serve(jobs.SubjectFeedback+".old", func([]byte) []byte { <-silent; return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	b.listed(t, "r1", "5ec7e701") // an answer from the server: it knows now who serves
	if _, _, err := b.run(t.Context(), "", "feedback", "--app", "old", "--timeout", "50ms"); cli.Code(err) != cli.ExitFailure || !strings.Contains(err.Error(), "has not answered within 50ms") {
		t.Errorf("no answer: %v", err)
	}
}
