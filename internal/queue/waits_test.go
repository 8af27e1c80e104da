package queue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// publishOn puts a job on its lane.
func publishOn(t *testing.T, c *Conn, lane jobs.Lane, id, rest string) {
	t.Helper()
	if _, err := c.PublishJob(t.Context(), jobs.APNS, lane, "default", id, fmt.Appendf(nil, `{"id":%q,"message":"hi"%s}`, id, rest)); err != nil {
		t.Fatal(err)
	}
}

// What has no event yet is found with its state, its campaign and its size.
func TestWaits(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	publishOn(t, c, jobs.LaneBulk, "queued", `,"campaign":"spring","ids":["aabb","ccdd"]`)
	put(t, c, segment(t, "scheduled", 3), time.Now().Add(time.Hour), 0)
	put(t, c, segment(t, "running", 3), time.Time{}, 0)
	give(t, c, pipeline.OrderPause, pipeline.Scope{Job: "running"})
	commit(t, c, eventOf(segment(t, "done", 3), "w"))
	found, partial, err := c.Waits(t.Context(), pipeline.Scope{})
	if err != nil || partial {
		t.Fatal(partial, err)
	}
	got := map[string]string{}
	for _, j := range found {
		got[j.Job] = fmt.Sprintf("%s %s %s %d", j.State, j.Lane, j.Campaign, j.Totals.Recipients)
	}
	want := map[string]string{"queued": "queued bulk spring 2", "scheduled": "scheduled normal  3", "running": "paused normal  3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if found, _, err = c.Waits(t.Context(), pipeline.Scope{Platform: jobs.APNS, App: "default", Job: "queued"}); err != nil || len(found) != 1 || found[0].Job != "queued" {
		t.Errorf("%+v %v", found, err)
	}
}

// A look is bounded in each lane, and a full lane does not hide the others.
func TestWaitsAreBounded(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	unhurried := walkLimits{waitsWalk, waitsBytes, time.Minute}
	count := func() (high, bulk int, partial bool) {
		t.Helper()
		found, partial, err := c.waits(t.Context(), pipeline.Scope{}, unhurried)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range found {
			switch j.Lane {
			case jobs.LaneHigh:
				high++
			case jobs.LaneBulk:
				bulk++
			}
		}
		return high, bulk, partial
	}
	var all []Outgoing
	for i := range waitsWalk {
		all = append(all, Outgoing{jobs.APNS, jobs.LaneHigh, "default", "", fmt.Appendf(nil, `{"id":"n-%d"}`, i)})
	}
	for _, p := range c.PublishJobs(t.Context(), all) {
		if p.Err != nil {
			t.Fatal(p.Err)
		}
	}
	publishOn(t, c, jobs.LaneBulk, "other", "")
	if high, bulk, partial := count(); high != waitsWalk || bulk != 1 || partial {
		t.Errorf("at the limit: %d %d %v", high, bulk, partial)
	}
	publishOn(t, c, jobs.LaneHigh, "more", "")
	if high, bulk, partial := count(); high != waitsWalk || bulk != 1 || !partial {
		t.Errorf("one more: %d %d %v", high, bulk, partial)
	}
	// Bytes count as well.
	large := `,"ids":["` + strings.Repeat("ab", 400_000) + `"]`
	for i := range waitsBytes / 800_000 {
		publishOn(t, c, jobs.LaneNormal, fmt.Sprintf("large-%d", i), large)
	}
	found, _, err := c.waits(t.Context(), pipeline.Scope{Lane: jobs.LaneNormal}, unhurried)
	if err != nil || len(found) != waitsBytes/800_000 {
		t.Fatalf("%d, %v", len(found), err)
	}
	publishOn(t, c, jobs.LaneNormal, "large", large)
	if found, partial, err := c.waits(t.Context(), pipeline.Scope{Lane: jobs.LaneNormal}, unhurried); err != nil || len(found) != waitsBytes/800_000 || !partial {
		t.Errorf("%d %v %v", len(found), partial, err)
	}
}

// Who is not answered in time gets what there is.
func TestWaitsAreBoundedInTime(t *testing.T) {
	t.Parallel()
	_, c := broker(t)
	publishOn(t, c, jobs.LaneNormal, "one", "")
	if found, partial, err := c.waits(t.Context(), pipeline.Scope{}, walkLimits{waitsWalk, waitsBytes, 0}); err != nil || len(found) != 0 || !partial {
		t.Errorf("%d %v %v", len(found), partial, err)
	}
}
