package integration

import (
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// jobLine is a line of "enqueue jobs -o json" and "enqueue status -o json".
type jobLine struct {
	Job, State   string
	Segments     int
	SegmentsDone int `json:"segments_done"`
	Left         int
	Totals       results.Totals
	DeliverAt    time.Time `json:"deliver_at"`
	Reasons      []struct {
		Kind, Reason string
		Count        int
	}
}

// lines reads what a command prints for machines.
func lines(t *testing.T, text string) []jobLine {
	t.Helper()
	var all []jobLine
	for line := range strings.Lines(text) {
		var one jobLine
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

// Jobs for later are listed, outlive the broker and all workers, and begin within a second of their time, never before. One that is cancelled
// meanwhile has its end at once.
func TestScheduledJobsOutliveEverything(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := openTheatre(t, startProvidersWith(t, `{"rules":[]}`), srv.url())
	first := s.worker("one")
	a := audience{"scheduled"}
	at := time.Now().Add(12 * time.Second).Truncate(time.Second).Add(500 * time.Millisecond)
	one := a.order(jobs.APNS, "default", "one", 1, map[string]any{"deliver_at": at.Format(time.RFC3339Nano)})
	large := a.order(jobs.GCM, "default", "large", 2_500, map[string]any{"deliver_at": at.Format(time.RFC3339Nano)})
	dropped := a.order(jobs.APNS, "default", "dropped", 3, map[string]any{"deliver_at": at.Format(time.RFC3339Nano)})
	s.orders = []*order{one, large, dropped}
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	var listed []jobLine
	until(t, "all are scheduled", func() bool {
		listed = lines(t, s.enqueue("jobs", "--scheduled", "-o", "json"))
		return len(listed) == 3
	})
	for _, job := range listed {
		if job.State != "scheduled" || !job.DeliverAt.Equal(at) {
			t.Errorf("%+v", job)
		}
	}
	s.enqueue("cancel", "apns", "default", dropped.id)
	until(t, "the cancelled one has its end", func() bool { s.read(); return s.whys(dropped)[results.SkippedCancelled] == 3 })
	s.end(first)
	srv.signal(syscall.SIGKILL)
	<-srv.done
	srv.launch(t)
	workers := []*process{s.worker("two"), s.worker("three")}
	if time.Now().After(at.Add(-time.Second)) {
		t.Log("the machine is too slow to restart everything before the time; what is tested is that nothing is sent early")
	}
	ready := time.Now()
	s.settle()
	for _, w := range workers {
		s.end(w)
	}
	b := s.balance()
	if faults := others(b.faults); len(faults) > 0 || b.missing+b.unplaced+len(b.twice)+len(b.uncertain) > 0 {
		t.Errorf("%d missing, %d unplaced, %d twice, %d uncertain: %q", b.missing, b.unplaced, len(b.twice), len(b.uncertain), faults)
	}
	due := at
	if ready.After(due) {
		due = ready
	}
	begun := map[string]time.Time{}
	for _, n := range ledger(t, s.control) {
		for _, o := range s.orders {
			if before, ok := begun[o.id]; slices.Contains(o.ids, n.Token) && (!ok || n.At.Before(before)) {
				begun[o.id] = n.At
			}
		}
	}
	for _, o := range []*order{one, large} {
		if early := begun[o.id].Before(at); early || begun[o.id].Sub(due) > time.Second {
			t.Errorf("%s began %s after its time", o.id, begun[o.id].Sub(due))
		}
	}
	if _, sent := begun[dropped.id]; sent {
		t.Error("the cancelled one was sent")
	}
}

// How far a job and its campaign are can be seen from any machine while two workers send, and in the end it is what the events say.
func TestStatusFollowsTwoWorkers(t *testing.T) {
	s := openTheatre(t, startProvidersWith(t, `{"rules":[{"percent":10,"salt":"gone","platform":"apns","answer":{"status":410,"reason":"Unregistered","latency":"400ms"}},
		{"percent":100,"answer":{"latency":"400ms"}}]}`), startServer(t).url())
	a := audience{"status"}
	large := a.order(jobs.APNS, "default", "large", 8_000, map[string]any{"campaign": "autumn"})
	small := a.order(jobs.GCM, "default", "small", 3, map[string]any{"campaign": "autumn"})
	s.orders = []*order{large, small}
	workers := []*process{s.worker("one", "--max-segments", "1"), s.worker("two", "--max-segments", "1")}
	if err := s.publish(s.orders...); err != nil {
		t.Fatal(err)
	}
	half := false
	until(t, "the job is done", func() bool {
		line := lines(t, s.enqueue("status", large.id, "-o", "json"))[0]
		if line.State == "running" && line.SegmentsDone > 0 && line.Totals.Settled()+line.Left == 8_000 {
			half = true
		}
		return line.State == "done"
	})
	if !half {
		t.Error("it was never seen under way")
	}
	s.settle()
	for _, w := range workers {
		s.end(w)
	}
	want := 0
	for _, e := range s.events {
		want += len(e.ExpiredTokens)
	}
	line := lines(t, s.enqueue("status", "--campaign", "autumn", "-o", "json"))[0]
	if line.State != "done" || line.Left != 0 || line.Totals.Recipients != 8_003 || line.Totals.ExpiredTokens != want || line.Totals.Sent != 8_003-want || line.Segments != 9 ||
		line.SegmentsDone != 9 || len(line.Reasons) != 1 || line.Reasons[0].Count != want || line.Reasons[0].Reason != "Unregistered" {
		t.Errorf("%+v, and %d are gone", line, want)
	}
	if text := s.enqueue("status", large.id, "--watch"); !strings.Contains(text, "done") || !strings.Contains(text, "segments: 8 of 8") {
		t.Error(text)
	}
}
