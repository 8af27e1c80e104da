package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// census looks once.
func census(t *testing.T, c *Conn, scope pipeline.Scope) *Census {
	t.Helper()
	s := c.Census(scope)
	if err := s.Update(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// states are the states of the jobs that a census finds.
func states(s *Census) map[string]State {
	found := map[string]State{}
	for _, j := range s.Jobs() {
		found[j.Job] = j.State
	}
	return found
}

// part is an event of one segment of a larger job.
func part(seg *jobs.Segment, number, segments, round, sent int, retry jobs.Indexes, totals results.Totals) *results.Event {
	e := eventOf(seg, "w")
	e.Segment, e.Segments, e.Round, e.Done = number, segments, round, false
	e.Sent, e.Recipients, e.Totals = sent, sent+len(retry), &totals
	if len(retry) > 0 {
		e.Retry = &results.Retry{At: time.Now().UTC(), Indexes: retry, Groups: []results.RetryGroup{{Indexes: retry, Attempts: 1, Reason: "ServiceUnavailable"}}}
	}
	e.SetID()
	return e
}

// Each state, from the traces that a job leaves.
func TestCensusTellsStates(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	later := time.Now().Add(time.Hour)
	if _, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneBulk, "default", "queued", []byte(`{"id":"queued","message":"hi","ids":["aabb","ccdd"]}`)); err != nil {
		t.Fatal(err)
	}
	put(t, c, segment(t, "scheduled", 3), later, 0)
	put(t, c, segment(t, "running", 3), time.Time{}, 0)
	put(t, c, segment(t, "stopped", 3), later, 0)
	if _, err := c.Hold(t.Context(), segment(t, "held", 3), later, 0); err != nil {
		t.Fatal(err)
	}
	commit(t, c, eventOf(segment(t, "done", 3), "w"))
	cancelled := eventOf(segment(t, "cancelled", 3), "w")
	cancelled.Sent, cancelled.Skipped = 1, []results.Skipped{{Indexes: jobs.Indexes{1, 2}, Why: results.SkippedCancelled}}
	cancelled.Totals = &results.Totals{Recipients: 3, Sent: 1, Skipped: 2}
	commit(t, c, cancelled)
	dead := eventOf(segment(t, "dead", 2), "w")
	dead.Kind, dead.Sent, dead.Skipped = results.KindDead, 0, []results.Skipped{{Indexes: jobs.Indexes{0, 1}, Why: results.SkippedDead}}
	dead.Totals, dead.Dead = &results.Totals{Recipients: 2, Skipped: 2}, &results.Dead{Reason: results.DeadInvalid}
	commit(t, c, dead)
	give(t, c, pipeline.OrderCancel, pipeline.Scope{Job: "stopped"})
	s := census(t, c, pipeline.Scope{})
	want := map[string]State{
		"queued": StateQueued, "scheduled": StateScheduled, "running": StateRunning, "held": StatePaused, "stopped": StateCancelled,
		"done": StateDone, "cancelled": StateCancelled, "dead": StateDead,
	}
	if diff := cmp.Diff(want, states(s)); diff != "" {
		t.Error(diff)
	}
	for _, j := range s.Jobs() {
		switch {
		case j.Job == "queued" && (j.Left != 2 || j.Lane != jobs.LaneBulk), j.Job == "scheduled" && (j.Left != 3 || j.DeliverAt.Sub(later).Abs() > time.Second), j.Job == "stopped" && j.Left != 3,
			j.Job == "cancelled" && (j.Left != 0 || j.Totals.Skipped != 2):
			t.Errorf("%+v", j)
		}
	}
	sum, count := s.Sum()
	if sum.Totals.Recipients != 22 || sum.Left != 14 || count[StateCancelled] != 2 || s.Partial() {
		t.Errorf("%+v %v", sum, count)
	}
	give(t, c, pipeline.OrderPause, pipeline.Scope{App: "default"})
	if got := states(census(t, c, pipeline.Scope{Job: "running"})); len(got) != 1 || got["running"] != StatePaused {
		t.Errorf("%v", got)
	}
	if got := states(census(t, c, pipeline.Scope{Job: "nobody"})); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := states(census(t, c, pipeline.Scope{Platform: jobs.GCM})); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// A job of several segments: rounds, retries, and what its record knows once its events are gone.
func TestCensusCountsSegmentsAndRounds(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	seg := segment(t, "large", 4)
	if _, err := c.Plan(t.Context(), jobs.APNS, "default", "large", pipeline.Plan{Fingerprint: seg.Fingerprint, Campaign: "spring", Bounds: []int{0, 2, 4}}); err != nil {
		t.Fatal(err)
	}
	s := c.Census(pipeline.Scope{Job: "large"})
	look := func(state State, done, sent, left, retrying int) {
		t.Helper()
		if err := s.Update(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		found := s.Jobs()
		if len(found) != 1 || found[0].State != state || found[0].Segments != 2 || found[0].SegmentsDone != done || found[0].Totals.Sent != sent ||
			found[0].Left != left || found[0].Retrying != retrying || found[0].Campaign != "spring" || found[0].Totals.Recipients != 4 {
			t.Fatalf("%+v", found[0])
		}
	}
	look(StateRunning, 0, 0, 4, 0)
	commit(t, c, part(seg, 0, 2, 0, 1, jobs.Indexes{1}, results.Totals{Recipients: 2, Sent: 1, Retries: 1}))
	look(StateRunning, 0, 1, 3, 1)
	last := part(seg, 0, 2, 1, 1, nil, results.Totals{Recipients: 2, Sent: 2, Retries: 1})
	commit(t, c, last)
	settle(t, c, last)
	look(StateRunning, 1, 2, 2, 0)
	last = part(seg, 1, 2, 0, 2, nil, results.Totals{Recipients: 2, Sent: 2})
	commit(t, c, last)
	settle(t, c, last)
	look(StateDone, 2, 4, 0, 0)
	stream, err := c.js.Stream(t.Context(), jobs.StreamResults)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = c.Census(pipeline.Scope{Job: "large"})
	look(StateDone, 2, 4, 0, 0)
}

func settle(t *testing.T, c *Conn, e *results.Event) {
	t.Helper()
	if _, err := c.Settle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// A requeued dead letter is not counted twice.
func TestCensusOfARequeuedLetter(t *testing.T) {
	seg := segment(t, "again", 3)
	j := &JobState{}
	dead := eventOf(seg, "w")
	dead.Kind, dead.Sent, dead.Skipped, dead.Totals = results.KindDead, 0, []results.Skipped{{Indexes: jobs.Indexes{0, 1, 2}, Why: results.SkippedDead}}, &results.Totals{Recipients: 3, Skipped: 3}
	j.add(dead)
	j.settle(nil, time.Now())
	if j.State != StateDead || j.Left != 0 {
		t.Fatalf("%+v", j)
	}
	first := part(seg, 0, 1, 1, 2, jobs.Indexes{2}, results.Totals{Recipients: 3, Sent: 2, Retries: 1})
	first.Requeued = true
	j.add(first)
	j.settle(nil, time.Now())
	if j.State != StateRunning || j.Left != 1 || j.Totals.Sent != 2 || j.Totals.Skipped != 0 || j.Retrying != 1 {
		t.Fatalf("%+v", j)
	}
	last := part(seg, 0, 1, 2, 1, nil, results.Totals{Recipients: 3, Sent: 3, Retries: 1})
	last.Requeued, last.Done = true, true
	j.add(last)
	j.settle(nil, time.Now())
	if j.State != StateDone || j.Left != 0 || j.Totals.Sent != 3 || j.SegmentsDone != 1 || j.Retrying != 0 {
		t.Fatalf("%+v", j)
	}
}

func TestPace(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var p pace
	for second := range 30 {
		p.add(now.Add(time.Duration(second-30)*time.Second), 10)
	}
	p.add(now, 999) // this second is not over
	if got := p.rate(now); got != 10 {
		t.Errorf("%v", got)
	}
	p.add(now.Add(-time.Hour), 5) // too late
	if got := p.rate(now.Add(5 * time.Second)); got != 104.9 {
		t.Errorf("%v", got)
	}
	if got := p.rate(now.Add(time.Minute)); got != 0 {
		t.Errorf("%v", got)
	}
}

// A campaign of many jobs is answered from what is stored, whatever else is.
func TestCensusOfACampaign(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	for i := range 300 {
		e := eventOf(segment(t, fmt.Sprintf("job-%d", i), 1), "w")
		if i%3 == 0 {
			e.Campaign = "spring"
		}
		commit(t, c, e)
	}
	events := 0
	s := c.Census(pipeline.Scope{Campaign: "spring"})
	for range 2 { // the second look reads nothing again
		if err := s.Update(t.Context(), func(*results.Event) { events++ }); err != nil {
			t.Fatal(err)
		}
	}
	sum, count := s.Sum()
	if sum.Totals.Sent != 100 || count[StateDone] != 100 || events != 100 {
		t.Errorf("%+v %v, %d events", sum, count, events)
	}
}
