package enqueue

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	arrived := b.work(t, jobs.APNS, jobs.LaneHigh, allSent)
	stdout, stderr, err := b.run(t.Context(), "", "apns", "--lane=high", "--id=promo", "--app=shop", "--message=Hi", "--badge=1", "--to=aabb", "--ids=CCDD,aabb")
	if err != nil || stderr != "" {
		t.Fatalf("%v, %s", err, stderr)
	}
	want := "published promo on push.apns.high: 2 recipients\n1 repeated id removed (--keep-duplicates sends them too)\n"
	if diff := cmp.Diff(want, stdout); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	got := receive(t, "the job", arrived)
	if got.subject != "push.apns.high" || got.msgID != "apns.shop.promo" {
		t.Errorf("on %s with id %s", got.subject, got.msgID)
	}
	if want := `{"id":"promo","app":"shop","message":"Hi","badge":1,"ids":["aabb","CCDD"]}`; string(got.body) != want {
		t.Errorf("got %s, want %s", got.body, want)
	}

	// Again within the window: the broker keeps the first one, and that is no fault.
	stdout, _, err = b.run(t.Context(), "", "apns", "--lane=high", "--id=promo", "--app=shop", "--message=Hi", "--badge=1", "--ids=aabb,CCDD", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var line publishedLine
	if err := json.Unmarshal([]byte(strings.SplitN(stdout, "\n", 2)[0]), &line); err != nil {
		t.Fatal(err)
	}
	wantLine := publishedLine{Kind: "published", Platform: jobs.APNS, App: "shop", Job: "promo", Subject: "push.apns.high", Recipients: 2, Bytes: 74, Sequence: 1, Duplicate: true, SameContent: new(true), Repeated: true}
	if line.Status == nil || line.Status.State != "done" || line.Status.Totals.Sent != 2 {
		t.Errorf("the first one's status: %+v", line.Status)
	}
	line.Status = nil
	if diff := cmp.Diff(wantLine, line); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	stdout, _, err = b.run(t.Context(), "", "apns", "--id=promo", "--app=shop", "--message=Hi", "--badge=1", "--ids=aabb,CCDD")
	if err != nil || !strings.HasPrefix(stdout, "promo was published before; the broker kept the first one\napns shop promo: done\nsent 2 of 2\n") {
		t.Errorf("%q, %v", stdout, err)
	}
}

// TestPublishASplitList cuts a list that is too large for one message, on the real server: every id arrives once, in
// order, and no job is refused for its size.
func TestPublishASplitList(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	arrived := b.work(t, jobs.GCM, jobs.LaneNormal, silent)
	var list strings.Builder
	var want []string
	for i := range 10_000 {
		id := fmt.Sprintf("%0152x", i)
		want = append(want, id)
		fmt.Fprintf(&list, "%s,x\r\n", id)
	}
	file := filepath.Join(t.TempDir(), "ids.csv.gz")
	if err := os.WriteFile(file, []byte(zipped(t, "registration_id,name\r\n"+list.String())), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _, err := b.run(t.Context(), "", "gcm", "--id=big", "--message=Hi", "--ids-file="+file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, job := range inOrder(t, 2, arrived) {
		number := i + 1
		if want := fmt.Sprintf("big-%d", number); job.id != want || job.msgID != "gcm.default."+want {
			t.Errorf("job %d: %s, %s", number, job.id, job.msgID)
		}
		limit := jobLimit(b.MaxPayload())
		if len(job.body) > limit {
			t.Errorf("job %d has %d bytes", number, len(job.body))
		}
		if number == 1 && len(job.body)+155 <= limit {
			t.Errorf("job 1 has room left: %d bytes of %d", len(job.body), limit)
		}
		for _, id := range job.job.IDs {
			got = append(got, id.Reveal())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%.2000s", diff)
	}
	if !strings.HasSuffix(stdout, "\n2 jobs, 10,000 recipients\n") {
		t.Errorf("%s", stdout)
	}
}

// TestPublishJobsAtTheLimit holds our limit against the server's: a job of exactly that size is stored, with the longest
// header; one byte more is refused before anything is sent.
func TestPublishJobsAtTheLimit(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	arrived := b.work(t, jobs.GCM, jobs.LaneNormal, silent)
	limit := jobLimit(b.MaxPayload())
	body := fmt.Sprintf(`{"id":"%s","app":"%s","ids":["x"],"message":"`, strings.Repeat("i", 64), strings.Repeat("a", 32))
	body += strings.Repeat("m", limit-len(body)-2) + `"}`
	if len(body) != limit {
		t.Fatalf("the test makes %d bytes", len(body))
	}
	if _, _, err := b.run(t.Context(), body, "job", "gcm", "-"); err != nil {
		t.Fatalf("at the limit: %v", err)
	}
	if got := receive(t, "the job of the limit", arrived); string(got.body) != body {
		t.Error("the job was changed on the way")
	}
	_, _, err := b.run(t.Context(), "{\"id\":\"small\",\"ids\":[\"x\"],\"message\":\"m\"}\n"+strings.Replace(body, "mm", "mmm", 1)+"\n", "job", "gcm", "-")
	if cli.Code(err) != cli.ExitUsage || !strings.Contains(err.Error(), fmt.Sprintf("line 2: has %s bytes, the server takes %s; split", count(limit+1), count(limit))) {
		t.Errorf("above the limit: %v", err)
	}
	if _, _, err := b.run(t.Context(), "", "gcm", "--id=next", "--message=m", "--to=x"); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, "the next job", arrived); got.id != "next" {
		t.Errorf("%s was published although line 2 was refused", got.id)
	}
}

func TestPublishRawJobs(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	arrived := b.work(t, jobs.APNS, jobs.LaneBulk, silent)
	const text = `{ "id":"a", "ids":"aabb", "message":"m" }
{"ids":["aabb","ccdd"],"message":"m"}`
	stdout, _, err := b.run(t.Context(), text, "job", "apns", "-", "--lane=bulk", "--json")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), stdout)
	}
	published := inOrder(t, 2, arrived)
	for i, want := range strings.Split(text, "\n") {
		got := published[i]
		if string(got.body) != want || got.subject != "push.apns.bulk" {
			t.Errorf("on %s: %s", got.subject, got.body)
		}
		var line publishedLine
		if err := json.Unmarshal([]byte(lines[i]), &line); err != nil {
			t.Fatal(err)
		}
		// What is printed is the id that a worker gives the job.
		if line.Job != got.id || line.Recipients != got.job.Recipients() {
			t.Errorf("printed %+v, a worker sees job %s", line, got.id)
		}
	}
}

func TestPublishWithoutStreams(t *testing.T) {
	t.Parallel()
	b := bareBroker(t)
	for _, args := range [][]string{{"apns", "--message=m", "--to=aabb"}, {"results"}} {
		_, _, err := b.run(t.Context(), "", args...)
		if cli.Code(err) != cli.ExitUnavailable || !strings.Contains(err.Error(), "start a worker on this server once") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestResultsWithoutJetStream: the server answers, and can't do what we need.
func TestResultsWithoutJetStream(t *testing.T) {
	t.Parallel()
	bare, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	bare.Start()
	t.Cleanup(func() { bare.Shutdown(); bare.WaitForShutdown() })
	if !bare.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	b := &broker{url: bare.ClientURL()}
	_, _, err = b.run(t.Context(), "", "results")
	if cli.Code(err) != cli.ExitUnavailable || !strings.Contains(err.Error(), bare.ClientURL()+" has JetStream switched off, for this account at least: start it with --jetstream") {
		t.Errorf("%v", err)
	}
}

// TestCredentialsAreRefused: one sentence, once, with the flags of this program.
func TestCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	guarded, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, Username: "u", Password: "hidden"})
	if err != nil {
		t.Fatal(err)
	}
	guarded.Start()
	t.Cleanup(func() { guarded.Shutdown(); guarded.WaitForShutdown() })
	if !guarded.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	b := &broker{url: strings.Replace(guarded.ClientURL(), "nats://", "nats://u:wrong@", 1)}
	_, _, err = b.run(t.Context(), "", "apns", "--message=m", "--to=aabb")
	want := "the NATS server at " + strings.Replace(guarded.ClientURL(), "nats://", "nats://[redacted]@", 1) + " refuses these credentials; check --nats-creds, NATS_CREDS or the user in the URL"
	if cli.Code(err) != cli.ExitUnavailable || err.Error() != want {
		t.Errorf("%d %v", cli.Code(err), err)
	}
}

func TestPublishInterrupted(t *testing.T) {
	t.Parallel()
	sh := &shipment{plan: make([]planned, 3), again: "do this"}
	err := sh.broken(1, fmt.Errorf("publishing: %w", context.Canceled))
	if want := "1 of 3 jobs are published, then: interrupted, and the next one may be stored or not; do this"; cli.Code(err) != cli.ExitFailure || err.Error() != want {
		t.Errorf("%v", err)
	}
	err = sh.broken(0, fmt.Errorf("%w: gone", queue.ErrUnavailable))
	if cli.Code(err) != cli.ExitUnavailable || !strings.HasPrefix(err.Error(), "0 of 3 jobs are published, then: ") {
		t.Errorf("%v", err)
	}
}

func TestPublishIntoAFullStream(t *testing.T) {
	t.Parallel()
	topology := small
	topology.JobsSize = 4096
	b := startBroker(t, topology)
	line := `{"ids":["aabb"],"message":"` + strings.Repeat("m", 1200) + "\"}\n"
	stdout, _, err := b.run(t.Context(), strings.Repeat(line, 6), "job", "apns", "-")
	if cli.Code(err) != cli.ExitFailure || !strings.Contains(err.Error(), "PUSH_JOBS is full: start more workers") {
		t.Fatalf("%v", err)
	}
	published := strings.Count(stdout, "published ")
	if published == 0 || published == 6 || !strings.HasPrefix(err.Error(), fmt.Sprintf("%d of 6 jobs are published, then: ", published)) {
		t.Errorf("%d published; %v", published, err)
	}
	_, _, err = b.run(t.Context(), line, "job", "apns", "-")
	if cli.Code(err) != cli.ExitFailure || strings.Contains(err.Error(), "of 1 job") {
		t.Errorf("a single job: %v", err)
	}
}
