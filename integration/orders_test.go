package integration

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// slowly is a provider that takes a second for every answer, so that a campaign is under way for a while.
const slowly = `{"rules":[{"percent":100,"answer":{"latency":"1s"}}]}`

// heardOrders is what a worker logs when a first pause or cancel holds for it, which is within a second of the command's end.
const heardOrders = "what is paused and cancelled was read"

// enqueue runs the command line against the theatre's broker and demands that it succeeds.
func (s *theatre) enqueue(args ...string) string {
	s.t.Helper()
	code, text := runToEnd(s.t, "enqueue", []string{"NATS_URL=" + s.nc.ConnectedUrl()}, args...)
	if code != 0 {
		s.t.Fatalf("enqueue %s: exit code %d: %s", strings.Join(args, " "), code, text)
	}
	return text
}

// whys counts the skipped recipients of a job by why they are.
func (s *theatre) whys(o *order) map[results.Why]int {
	n := map[results.Why]int{}
	for _, e := range s.events {
		if e.Job == o.id {
			for _, skipped := range e.Skipped {
				n[skipped.Why] += len(skipped.Indexes)
			}
		}
	}
	return n
}

// others drops what the comparison says of skipped recipients: here they are meant to be.
func others(faults []string) []string {
	return slices.DeleteFunc(slices.Clone(faults), func(f string) bool { return strings.HasSuffix(f, "was skipped") })
}

// A campaign that is cancelled while two workers send it, while a part of it waits for its time and another for a retry: a second and a segment later
// nobody gets anything more, everybody has one final place at once, and a job of another campaign is sent whole.
func TestCancelReachesTheWholeFleet(t *testing.T) {
	s := openTheatre(t, startProvidersWith(t, slowly), startServer(t).url())
	a := audience{"cancel"}
	spring := map[string]any{"campaign": "spring"}
	large := a.order(jobs.APNS, "default", "large", 12_000, spring)
	google := a.order(jobs.GCM, "default", "google", 6_000, spring)
	later := a.order(jobs.APNS, "default", "later", 1_500, map[string]any{"campaign": "spring", "deliver_at": time.Now().Add(time.Hour).Format(time.RFC3339)})
	other := a.order(jobs.APNS, "default", "other", 2_000, map[string]any{"campaign": "summer"})
	s.orders = []*order{large, google, later, other}
	workers := []*process{s.worker("one", "--max-segments", "2"), s.worker("two", "--max-segments", "2")}
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	until(t, "some of the campaign is sent", func() bool { s.read(); return len(s.events) > 0 })
	text := s.enqueue("cancel", "--campaign", "spring")
	cancelled := time.Now()
	if !strings.Contains(text, "cancelled: campaign spring") {
		t.Error(text)
	}
	s.settle()
	for _, w := range workers {
		s.end(w)
	}
	b := s.balance()
	if faults := others(b.faults); len(faults) > 0 || b.missing+b.unplaced+len(b.twice)+len(b.uncertain) > 0 {
		t.Errorf("%d missing, %d unplaced, %d twice, %d uncertain: %q", b.missing, b.unplaced, len(b.twice), len(b.uncertain), faults)
	}
	if n := s.whys(large)[results.SkippedCancelled]; n == 0 {
		t.Error("nobody of the large job was skipped")
	}
	if n := s.whys(later)[results.SkippedCancelled]; n != 1_500 {
		t.Errorf("%d of the job for later were skipped", n)
	}
	if n := s.whys(other); len(n) > 0 {
		t.Errorf("of another campaign were skipped: %v", n)
	}
	campaign := map[string]bool{}
	for _, o := range []*order{large, google, later} {
		for _, id := range o.ids {
			campaign[id] = true
		}
	}
	var last time.Time
	for _, n := range ledger(t, s.control) {
		if campaign[n.Token] && n.At.After(last) {
			last = n.At
		}
	}
	if late := last.Sub(cancelled); late > 2*time.Second { // a second, and a segment
		t.Errorf("the last notification arrived %s after the command", late)
	}
	t.Logf("the last notification arrived %s after the command", last.Sub(cancelled))
}

// What is paused waits on the broker and holds up nobody, whatever becomes of the workers meanwhile; a worker that starts then follows the pause, too. Who
// runs out of time is told of, and what is resumed is sent whole.
func TestPauseOutlivesTheWorkers(t *testing.T) {
	t.Parallel()
	s := openTheatre(t, startProvidersWith(t, `{"rules":[]}`), startServer(t).url())
	a := audience{"pause"}
	paused := a.order(jobs.APNS, "default", "paused", 2_500, map[string]any{"campaign": "quiet"})
	short := a.order(jobs.GCM, "default", "short", 1_200, map[string]any{"campaign": "quiet", "time_to_live": 6})
	other := a.order(jobs.APNS, "default", "other", 2_000, nil)
	first := s.worker("one")
	s.enqueue("pause", "--campaign", "quiet")
	first.waitFor(heardOrders)
	s.orders = []*order{paused, short, other}
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	done := func(o *order) func() bool {
		return func() bool {
			s.read()
			return slices.ContainsFunc(s.events, func(e *results.Event) bool { return e.Job == o.id && e.Done })
		}
	}
	until(t, "the other job is done", done(other))
	until(t, "all jobs are taken off their queue", func() bool { return s.count(jobs.StreamJobs) == 0 })
	s.end(first)
	second, third := s.worker("two"), s.worker("three")
	until(t, "the time of the short one is over", done(short))
	if n := s.whys(short); n[results.SkippedExpired] != 1_200 {
		t.Errorf("skipped: %v", n)
	}
	sent := map[string]bool{}
	for _, n := range ledger(t, s.control) {
		sent[n.Token] = true
	}
	for _, id := range slices.Concat(paused.ids, short.ids) {
		if sent[id] {
			t.Fatal("somebody got a notification of a paused campaign")
		}
	}
	if text := s.enqueue("orders"); !strings.Contains(text, "campaign quiet") {
		t.Error(text)
	}
	s.enqueue("resume", "--campaign", "quiet")
	s.settle()
	s.end(second)
	s.end(third)
	b := s.balance()
	if faults := others(b.faults); len(faults) > 0 || b.missing+b.unplaced+len(b.twice)+len(b.uncertain) > 0 || len(s.whys(paused)) > 0 {
		t.Errorf("%d missing, %d unplaced, %d twice, %d uncertain: %q", b.missing, b.unplaced, len(b.twice), len(b.uncertain), faults)
	}
	if code, text := runToEnd(t, "enqueue", []string{"NATS_URL=" + s.nc.ConnectedUrl()}, "resume", "--campaign", "quiet"); code != 1 || !strings.Contains(text, "nothing is paused") {
		t.Errorf("exit code %d: %s", code, text)
	}
}
