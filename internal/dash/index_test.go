package dash

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func TestIndexAddsUp(t *testing.T) {
	x := NewIndex()
	first := segmentEvent("big", "spring", 0, 3, 90, "t-1", "t-2")
	first.Retry = &results.Retry{Indexes: jobs.Indexes{7, 8}}
	x.Note(first)
	x.Note(first) // the same again changes nothing
	x.Note(segmentEvent("big", "spring", 1, 3, 100))
	c, list, ok := x.Campaign("spring")
	if !ok || len(list) != 1 || c.Jobs != 1 || c.Segments != 3 || c.Settled != 1 || c.Done != 0 || c.Counts.Sent != 190 || c.Counts.Failed != 2 || c.Counts.Retried != 2 || c.Reasons["BadDeviceToken"] != 2 {
		t.Fatalf("%+v %+v", c, list)
	}
	second := segmentEvent("big", "spring", 0, 3, 2)
	second.Round = 1
	second.SetID()
	x.Note(second)
	x.Note(segmentEvent("big", "spring", 2, 3, 5))
	c, list, _ = x.Campaign("spring")
	if c.Settled != 3 || c.Done != 1 || !list[0].Done {
		t.Errorf("%+v", c)
	}
	done := &results.Event{
		V: 1, Kind: results.KindJobDone, Platform: jobs.APNS, App: "default", Job: "big", Campaign: "spring", Segments: 3, At: noon,
		Totals: &results.Totals{Recipients: 300, Sent: 290, Failures: 2, ExpiredTokens: 8},
	}
	done.SetID()
	x.Note(done)
	c, list, _ = x.Campaign("spring")
	if c.Done != 1 || c.Counts.Sent != 290 || c.Counts.Expired != 8 || list[0].Total != 300 || list[0].Segments != 3 {
		t.Errorf("after job_done: %+v %+v", c, list[0])
	}
}

func TestJobDoneAloneIsEnough(t *testing.T) {
	x := NewIndex()
	done := &results.Event{V: 1, Kind: results.KindJobDone, Platform: jobs.APNS, App: "default", Job: "big", Campaign: "spring", Segments: 3, At: noon, Totals: &results.Totals{Recipients: 9, Sent: 9}}
	done.SetID()
	x.Note(done)
	c, list, ok := x.Campaign("spring")
	if !ok || c.Done != 1 || c.Segments != 3 || c.Settled != 3 || list[0].Counts.Sent != 9 {
		t.Errorf("%+v %+v", c, list)
	}
}

func TestIndexIsBounded(t *testing.T) {
	x := NewIndex()
	for i := range maxJobs + maxEntries/10 {
		e := segmentEvent(fmt.Sprintf("job-%d", i), fmt.Sprintf("campaign-%d", i%(maxCampaigns+50)), 0, 1, 1, fmt.Sprintf("token-%d", i), fmt.Sprintf("token-%d-b", i))
		e.Failures[0].Reason = fmt.Sprintf("Reason%d", i/(maxCampaigns+50))
		x.Note(e)
	}
	if got := x.jobs.order.Len(); got != maxJobs {
		t.Errorf("%d jobs", got)
	}
	if got := len(x.Campaigns()); got != maxCampaigns {
		t.Errorf("%d campaigns", got)
	}
	if len(x.ring) != maxEntries || len(x.ids) != maxEntries {
		t.Errorf("%d events, %d ids", len(x.ring), len(x.ids))
	}
	events := x.Events(2, func(*Entry) bool { return true })
	if len(events) != 2 || events[0].Job != fmt.Sprintf("job-%d", maxJobs+maxEntries/10-1) {
		t.Errorf("%+v", events)
	}
	for i := range maxMarks {
		x.mark(segmentEvent("j", "", 0, 1, 0, fmt.Sprintf("later-%d", i)))
	}
	if len(x.marked) != maxMarks || len(x.marks) > maxMarks || len(x.Marks("token-0")) != 0 || len(x.Marks("later-1")) != 1 {
		t.Errorf("%d marks, %d recipients", len(x.marked), len(x.marks))
	}
}

func TestReasonsAreBounded(t *testing.T) {
	x := NewIndex()
	for i := range maxReasons + 5 {
		e := segmentEvent(fmt.Sprintf("j-%d", i), "c", 0, 1, 0, "t")
		e.Failures[0].Reason = strings.Repeat("r", maxName) + fmt.Sprint(i)
		x.Note(e)
		e = segmentEvent(fmt.Sprintf("k-%d", i), "c", 0, 1, 0, "t")
		e.Failures[0].Reason = fmt.Sprint(i)
		x.Note(e)
	}
	c, _, _ := x.Campaign("c")
	if len(c.Reasons) > maxReasons+1 || c.Reasons[otherReasons] == 0 {
		t.Errorf("%d reasons", len(c.Reasons))
	}
}

func TestTheIndexIsForgottenWhenNobodyLooks(t *testing.T) {
	st := newStage(t, nil)
	st.events.every = time.Millisecond
	st.store.add(segmentEvent("j", "", 0, 1, 1))
	st.get("/events")
	until(t, "the event is read", func() bool { _, n, _ := st.events.look().Since(); return n == 1 })
	before := st.events.look()
	if st.pass(idleAfter - time.Second); st.events.idle() {
		t.Error("forgotten too early")
	}
	st.pass(time.Second)
	until(t, "it is forgotten", func() bool {
		st.events.mu.Lock()
		defer st.events.mu.Unlock()
		return st.events.index == nil
	})
	st.store.add(segmentEvent("k", "", 0, 1, 1))
	until(t, "both events are read anew", func() bool { _, n, _ := st.events.look().Since(); return n == 2 })
	if _, n, _ := before.Since(); n != 1 {
		t.Error("the old index was filled on")
	}
}

func TestBarsAreNotNegative(t *testing.T) {
	t.Parallel()
	for segments := 1; segments <= 240; segments++ {
		for settled := range segments + 1 {
			b := barOf(settled, segments, Counts{Sent: 3000, Skipped: uint64(settled % 2)})
			if b.Bad < 0 || b.Good < 0 || b.Good+b.Bad > 100.001 {
				t.Fatalf("%d of %d segments: %+v", settled, segments, b)
			}
		}
	}
}
