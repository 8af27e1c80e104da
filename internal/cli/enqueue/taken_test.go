package enqueue

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// droppedWords is what is said of a job whose id was taken a moment ago.
const droppedWords = "not published: promo: the broker kept the job that had this id within the last two minutes, and that one has other content; publish this one with a new id"

// TestTheBrokerDropsARepeat: it looks at ids only. What it dropped is a dead letter nowhere and has no events.
func TestTheBrokerDropsARepeat(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	publish := func(message string, args ...string) (string, error) {
		stdout, stderr, err := b.run(t.Context(), "", append([]string{"apns", "--id=promo", "--to=aabb", "--message=" + message}, args...)...)
		if stderr != "" {
			t.Errorf("%s: %s", message, stderr)
		}
		return stdout, err
	}
	if _, err := publish("first"); err != nil {
		t.Fatal(err)
	}
	if stdout, err := publish("first"); err != nil || !strings.HasPrefix(stdout, "promo was published before; the broker kept the first one\napns default promo: queued\n") {
		t.Errorf("the same: %q, %v", stdout, err)
	}
	for _, args := range [][]string{nil, {"--wait"}} {
		stdout, err := publish("second", args...)
		if cli.Code(err) != cli.ExitFailure || err.Error() != droppedWords {
			t.Errorf("%v: %v", args, err)
		}
		if want := "promo was not published: its id was taken within the last two minutes, by a job with other content\n"; stdout != want {
			t.Errorf("%v: %q", args, stdout)
		}
	}
	stdout, err := publish("second", "--json", "--wait")
	if cli.Code(err) != cli.ExitFailure {
		t.Error(err)
	}
	lines := strings.Split(stdout, "\n")
	var line publishedLine
	var summary summaryLine
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &summary); err != nil {
		t.Fatal(err)
	}
	if !line.Duplicate || line.SameContent == nil || *line.SameContent {
		t.Errorf("%s", lines[0])
	}
	if diff := cmp.Diff(summaryLine{Kind: "summary", Dropped: []string{"promo"}}, summary); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestOneOfSeveralIsDropped: the others are published and followed as ever.
func TestOneOfSeveralIsDropped(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	b.work(t, jobs.APNS, jobs.LaneNormal, allSent)
	if _, _, err := b.run(t.Context(), "", "apns", "--id=promo", "--to=aabb", "--message=first", "--wait"); err != nil {
		t.Fatal(err)
	}
	const text = `{"id":"promo","ids":["aabb"],"message":"second"}
{"id":"next","ids":["aabb","ccdd"],"message":"second"}
{"id":"next","ids":["aabb","ccdd"],"message":"second"}
{"id":"more","ids":["aabb"],"message":"second"}
`
	stdout, _, err := b.run(t.Context(), text, "job", "apns", "-", "--wait")
	if cli.Code(err) != cli.ExitFailure || err.Error() != droppedWords {
		t.Errorf("%v", err)
	}
	want := "published next on push.apns: 2 recipients\npublished more on push.apns: 1 recipient\n2 jobs, 3 recipients\n1 repeated job left out: the same line is there before\nsent 3 of 3\n"
	if _, rest, _ := strings.Cut(stdout, "\n"); rest != want {
		t.Errorf("got %q, want %q", rest, want)
	}
}

// TestWhoseJobWasKeptIsNotKnown: the first one has left the queue, and no event tells of it yet.
func TestWhoseJobWasKeptIsNotKnown(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	arrived := b.work(t, jobs.APNS, jobs.LaneNormal, silent)
	args := []string{"apns", "--id=promo", "--to=aabb", "--message=first"}
	if _, _, err := b.run(t.Context(), "", args...); err != nil {
		t.Fatal(err)
	}
	first := receive(t, "the job", arrived)
	until(t, "it has left the queue", func() bool {
		stdout, _, err := b.run(t.Context(), "", args...)
		if err == nil {
			return false
		}
		if want := "promo was not published: a job with its id was, within the last two minutes; whether that one has the same content is not known yet\n"; stdout != want {
			t.Errorf("%q", stdout)
		}
		if want := `not published: promo: the broker kept the job that had this id within the last two minutes, and whether that one has the same content is not known yet; look with "enqueue results --job promo" before you publish this one with a new id`; cli.Code(err) != cli.ExitFailure || err.Error() != want {
			t.Errorf("%v", err)
		}
		return true
	})
	// Who waits learns it from the first event.
	type end struct {
		stdout string
		err    error
	}
	waiting := func(message string) (*output, <-chan end) {
		var stdout, stderr output
		done := make(chan end, 1)
		go func() {
			err := b.runTo(t.Context(), &stdout, &stderr, "", "apns", "--id=promo", "--to=aabb", "--message="+message, "--wait")
			done <- end{stdout.String(), err}
		}()
		return &stdout, done
	}
	sameOut, same := waiting("first")
	otherOut, other := waiting("second")
	for _, out := range []*output{sameOut, otherOut} {
		until(t, "it is published", func() bool { return strings.Contains(out.String(), "\n") })
	}
	if _, err := b.Commit(t.Context(), first.event(func(e *results.Event) { e.Sent, e.Done = 1, true })); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, "the end of the same", same); got.err != nil || !strings.HasSuffix(got.stdout, "\nsent 1 of 1\n") {
		t.Errorf("the same: %q, %v", got.stdout, got.err)
	}
	if got := receive(t, "the end of the other", other); cli.Code(got.err) != cli.ExitFailure || got.err.Error() != droppedWords || strings.Contains(got.stdout, "sent") {
		t.Errorf("the other: %q, %v", got.stdout, got.err)
	}
}

// TestTheIDBelongsToAnotherJob: outside the broker's window a worker sees it.
func TestTheIDBelongsToAnotherJob(t *testing.T) {
	t.Parallel()
	b := startBroker(t, small)
	earlier := segment("promo", func(e *results.Event) { e.Recipients, e.Sent, e.Done = 1, 1, true })
	earlier.Fingerprint = jobs.Fingerprint([]byte("an earlier job"))
	if _, err := b.Commit(t.Context(), earlier); err != nil {
		t.Fatal(err)
	}
	_, _, err := b.run(t.Context(), "", "apns", "--id=promo", "--to=aabb", "--message=second", "--wait")
	if want := "another job has the id promo: this one is a dead letter (id_reused); publish it with a new id"; cli.Code(err) != cli.ExitFailure || err.Error() != want {
		t.Errorf("%v", err)
	}
	// Of a job with several segments some may be under way by then: publishing it again would reach people twice.
	ids := strings.Repeat("aabb,", jobs.MaxSegmentRecipients) + "ccdd"
	stdout, _, err := b.run(t.Context(), "", "apns", "--id=promo", "--app=default", "--keep-duplicates", "--ids="+ids, "--message=large", "--wait")
	if cli.Code(err) != cli.ExitFailure || !strings.Contains(err.Error(), "not published: promo:") {
		t.Errorf("the broker still has the small one: %q, %v", stdout, err)
	}
	earlier.Job = "large"
	earlier.SetID()
	if _, err := b.Commit(t.Context(), earlier); err != nil {
		t.Fatal(err)
	}
	_, _, err = b.run(t.Context(), "", "apns", "--id=large", "--keep-duplicates", "--ids="+ids, "--message=large", "--wait")
	if cli.Code(err) != cli.ExitFailure || err.Error() != tornWords("large") {
		t.Errorf("%v", err)
	}
}

func tornWords(id string) string {
	return "another job has the id " + id + ": parts of this one may have been sent, and what became of them is told under ids of their own; " +
		`don't publish it again before "enqueue results --since 1h" has shown who was reached`
}

// TestTallySeesAnIDThatIsLost: the first events were ours.
func TestTallySeesAnIDThatIsLost(t *testing.T) {
	t.Parallel()
	tally := newTally([]planned{{ID: "a", App: "default", Recipients: 2, Fingerprint: "f-a"}})
	if tally.add(segment("a", func(e *results.Event) { e.Recipients, e.Sent, e.Segments = 1, 1, 2 })) {
		t.Error("over after the first of two")
	}
	foreign := segment("a", func(e *results.Event) {
		e.Recipients, e.Sent, e.Segment, e.Segments, e.Fingerprint = 1, 1, 1, 2, "f-other"
	})
	if !tally.add(foreign) || !tally.done() || tally.totals.Sent != 1 {
		t.Errorf("done %t, %d sent", tally.done(), tally.totals.Sent)
	}
	if err := tally.taken.err(); err == nil || err.Error() != tornWords("a") {
		t.Errorf("%v", err)
	}
}

func TestTakenNamesNoMoreThanFit(t *testing.T) {
	t.Parallel()
	var many taken
	for range maxBadLines + 5 {
		many.reused = append(many.reused, "x")
	}
	if err := many.err(); !strings.HasPrefix(err.Error(), "other jobs have the ids "+strings.Repeat("x, ", maxBadLines-1)+"x and 5 more: these are dead letters") {
		t.Errorf("%v", err)
	}
}
