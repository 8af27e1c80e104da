package queue

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func planOf(n int, fingerprint string) pipeline.Plan {
	plan := pipeline.Plan{Fingerprint: fingerprint, Campaign: "c"}
	for i := range n + 1 {
		plan.Bounds = append(plan.Bounds, i*10)
	}
	return plan
}

// settles is the last event of segment i of n.
func settles(i, n int) *results.Event {
	e := &results.Event{
		V: 1, Kind: results.KindSegment, Platform: jobs.APNS, App: "my_app", Job: "Job_1-x", Segment: i, Segments: n,
		Recipients: 10, Sent: 9, Totals: &results.Totals{Recipients: 10, Sent: 9, Failures: 1}, Fingerprint: "f",
	}
	e.SetID()
	return e
}

func TestPlanIsCreatedOnce(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	workers := []*Conn{c, connect(t, s)}
	got := make([]pipeline.Plan, len(workers))
	var all sync.WaitGroup
	for w, conn := range workers {
		all.Go(func() {
			var err error
			if got[w], err = conn.Plan(t.Context(), jobs.GCM, "my_app", "Job_1-x", planOf(3+w, fmt.Sprint(w))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff(got[0], got[1]); diff != "" || got[0].Segments() < 3 {
		t.Errorf("two plans:\n%s", diff)
	}
	// Any client reads the bucket.
	bucket, err := c.js.KeyValue(t.Context(), "PUSH_STATUS")
	if err != nil {
		t.Fatal(err)
	}
	if entry, err := bucket.Get(t.Context(), "gcm.my_app.Job_1-x"); err != nil || !strings.HasPrefix(string(entry.Value()), `{"v":1,"plan":{`) {
		t.Errorf("%v, %v", entry, err)
	}
	if _, err := c.Plan(t.Context(), jobs.GCM, "a", "j", pipeline.Plan{}); err == nil {
		t.Error("a plan without segments")
	}
}

// TestSettleRace: every segment is settled twice, by two workers at once, and counts once.
func TestSettleRace(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	workers := []*Conn{c, connect(t, s)}
	const n = 20
	if _, err := c.Plan(t.Context(), jobs.APNS, "my_app", "Job_1-x", planOf(n, "f")); err != nil {
		t.Fatal(err)
	}
	var done atomic.Int32
	var all sync.WaitGroup
	for _, conn := range workers {
		for i := range n {
			all.Go(func() {
				progress, err := conn.Settle(t.Context(), settles(i, n))
				if err != nil {
					t.Error(err)
				}
				if progress.Settled == n {
					done.Add(1)
				}
			})
		}
	}
	all.Wait()
	progress, err := c.Settle(t.Context(), settles(0, n))
	want := pipeline.Progress{Settled: n, Segments: n, Totals: results.Totals{Recipients: 10 * n, Sent: 9 * n, Failures: n}}
	if diff := cmp.Diff(want, progress); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if done.Load() == 0 {
		t.Error("nobody saw the job done")
	}
}

func TestSettleWithoutPlan(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	if progress, err := c.Settle(t.Context(), settles(1, 3)); err != nil || progress.Settled != 1 || progress.Segments != 3 {
		t.Fatalf("%+v, %v", progress, err)
	}
	// A plan that comes now fills in what the record does not know, and forgets nothing.
	if plan, err := c.Plan(t.Context(), jobs.APNS, "my_app", "Job_1-x", planOf(3, "f")); err != nil || plan.Segments() != 3 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if progress, err := c.Settle(t.Context(), settles(2, 3)); err != nil || progress.Settled != 2 {
		t.Errorf("%+v, %v", progress, err)
	}
	// A record removed with a tool leaves a marker behind, which is not in the way.
	bucket, err := c.js.KeyValue(t.Context(), "PUSH_STATUS")
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Delete(t.Context(), "apns.my_app.Job_1-x"); err != nil {
		t.Fatal(err)
	}
	if progress, err := c.Settle(t.Context(), settles(0, 3)); err != nil || progress.Settled != 1 {
		t.Errorf("%+v, %v", progress, err)
	}
}

func TestSettleFaults(t *testing.T) {
	t.Parallel()
	s, c := broker(t)
	if _, err := c.Plan(t.Context(), jobs.APNS, "my_app", "Job_1-x", planOf(2, "f")); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*results.Event){
		"no totals":        func(e *results.Event) { e.Totals = nil },
		"goes on":          func(e *results.Event) { e.Retry = &results.Retry{} },
		"segment 2 of 2":   func(e *results.Event) { e.Segment = 2 },
		"segment -1":       func(e *results.Event) { e.Segment = -1 },
		"no segments":      func(e *results.Event) { e.Segments = 0 },
		"another plan":     func(e *results.Event) { e.Segments = 3 },
		"too many of them": func(e *results.Event) { e.Segments = maxSegments + 1 },
	} {
		event := settles(0, 2)
		change(event)
		if _, err := c.Settle(t.Context(), event); err == nil {
			t.Errorf("%s: settled", name)
		}
	}
	bucket, err := c.js.KeyValue(t.Context(), "PUSH_STATUS")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"newer":     `{"v":2,"segments":2,"settled":"AA=="}`,
		"no JSON":   `nonsense`,
		"bitmap":    `{"v":1,"segments":9,"settled":"AA=="}`,
		"negative":  `{"v":1,"segments":-8,"settled":""}`,
		"enormous":  `{"v":1,"segments":4611686018427387904,"settled":""}`,
		"wrong one": `{"v":1,"segments":3,"settled":"AA=="}`,
	} {
		if _, err := bucket.Put(t.Context(), "apns.my_app.Job_1-x", []byte(value)); err != nil {
			t.Fatal(err)
		}
		if progress, err := c.Settle(t.Context(), settles(0, 2)); err == nil {
			t.Errorf("%s: %+v", name, progress)
		}
	}
	loseBroker(t, s, c)
	if _, err := c.Settle(t.Context(), settles(0, 2)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
}

// FuzzRecord: whatever stands in a record, reading it neither panics nor allocates more than it is long.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"v":1,"plan":{"fingerprint":"f","bounds":[0,10,20]},"segments":2,"settled":"Aw==","totals":{"recipients":20}}`))
	f.Add([]byte(`{"v":1,"segments":9,"settled":"AA=="}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := readRecord("k", value)
		if err != nil {
			return
		}
		if n := r.settled(); n < 0 || n > 8*len(r.Settled) {
			t.Errorf("%d settled", n)
		}
		for i := range min(r.Segments, 100) {
			r.settle(i, results.Totals{})
		}
	})
}
