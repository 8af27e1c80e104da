package pipeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// notebook is an Observer that remembers.
type notebook struct {
	nobody
	sendings  []Sending
	published []time.Time
}

func (n *notebook) Sent(s Sending) { n.sendings = append(n.sendings, s) }

func (n *notebook) Committed(_ *results.Event, published time.Time) {
	n.published = append(n.published, published)
}

func TestSendingsAreObserved(t *testing.T) {
	suspicious := job(7, 2, `,"id":"j"`)
	suspicious.Suspicious = true
	for name, c := range map[string]struct {
		d    Delivery
		want Sending
	}{
		"a job": {job(7, 3, ""), Sending{Recipients: 3, First: true, Age: time.Minute}},
		"a job for later counts from then": {
			job(7, 1, `,"deliver_at":"2026-11-23T10:00:45Z"`), Sending{Recipients: 1, First: true, Age: 15 * time.Second},
		},
		"a delivery that was begun before, perhaps": {suspicious, Sending{Recipients: 2, Suspicious: true, Age: time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			w, seen := newWorld(), &notebook{}
			w.now = tenOClock.Add(time.Minute)
			w.app.onSend = func() { w.now = w.now.Add(2 * time.Second) }
			core := w.core()
			core.Observer = seen
			if got := core.Handle(t.Context(), c.d); got != Ack {
				t.Fatalf("disposition %d", got)
			}
			c.want.Platform, c.want.App, c.want.Took = jobs.APNS, "default", 2*time.Second
			if diff := cmp.Diff([]Sending{c.want}, seen.sendings); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]time.Time{tenOClock}, seen.published); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A later round is no first sending: how long it waited is the back-off, not the queue.
func TestLaterRoundsAreNotFirst(t *testing.T) {
	w, seen := newWorld(), &notebook{}
	w.down("ServiceUnavailable")
	core := w.core()
	core.Observer = seen
	core.Handle(t.Context(), job(7, 1, `,"id":"j"`))
	w.up()
	core.Handle(t.Context(), w.take(t, "apns.default.normal.j.0.1"))
	if len(seen.sendings) != 2 || !seen.sendings[0].First || seen.sendings[1].First {
		t.Errorf("%+v", seen.sendings)
	}
}

func TestStateOfBreakerAndSegments(t *testing.T) {
	w := newWorld()
	core := w.core()
	if s := core.Breaker(jobs.APNS, "default"); s.Open || s.Cause != nil {
		t.Errorf("nothing was sent: %+v", s)
	}
	w.down("InvalidProviderToken")
	w.app.onSend = func() {
		if underWay, most := core.Segments(); underWay != 1 || most != 4+HighSegments {
			t.Errorf("%d of %d segments under way", underWay, most)
		}
	}
	core.Handle(t.Context(), job(7, 2, ""))
	if s := core.Breaker(jobs.APNS, "default"); !s.Open || s.Cause.Name != "InvalidProviderToken" || !s.Until.Equal(tenOClock.Add(credentialProbe)) {
		t.Errorf("a refused credential: %+v", s)
	}
	if underWay, _ := core.Segments(); underWay != 0 {
		t.Errorf("%d segments under way after the end", underWay)
	}
}
