package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// A job of an app that this worker does not have: where it goes, by where it comes from, how long it has waited and who says that nobody has
// the app.
func TestWorkOfAnUnknownApp(t *testing.T) {
	const grace = 10 * time.Minute
	for name, row := range map[string]struct {
		grace     time.Duration
		waited    time.Duration
		forsaken  bool
		intake    bool
		crowded   bool
		begun     bool
		lost      bool
		report    bool // on_uncertain, and somebody has claimed it
		n         int
		want      Disposition
		put       bool
		dead      string // how its recipients are told, "" if it is not dead
		sheltered int
	}{
		"from a publisher":                    {grace: grace, intake: true, n: 1, want: Ack, put: true, sheltered: 2},
		"from a publisher, large":             {grace: grace, intake: true, n: 2500, want: Ack, put: true, sheltered: 2},
		"without a grace":                     {intake: true, n: 1, want: Ack, dead: "skipped"},
		"too many unknown apps":               {grace: grace, intake: true, crowded: true, n: 1, want: Ack, dead: "skipped"},
		"a lease that is over":                {grace: grace, intake: true, lost: true, n: 1, want: Leave},
		"the app was taken away a moment ago": {grace: grace, waited: time.Hour, n: 1, want: GiveBack},
		"forsaken, and a moment early":        {grace: grace, waited: grace - 1, forsaken: true, n: 1, want: GiveBack},
		"forsaken":                            {grace: grace, waited: grace, forsaken: true, n: 1, want: Ack, dead: "skipped"},
		"forsaken, large":                     {grace: grace, waited: grace, forsaken: true, n: 2500, want: Ack, dead: "skipped"},
		"forsaken, and somebody began":        {grace: grace, waited: grace, forsaken: true, begun: true, n: 2, want: Ack, dead: "uncertain"},
		"forsaken, and somebody claimed it":   {grace: grace, waited: grace, forsaken: true, report: true, n: 2, want: Ack, dead: "uncertain"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.appGone, w.others = true, map[string]*scriptedApp{"shop": w.app}
			core := w.core()
			core.UnknownAppGrace = row.grace
			if row.crowded {
				w.crowded = true
			}
			fields := `,"id":"x"`
			if row.report {
				fields += `,"on_uncertain":"report"`
			}
			d := job(7, row.n, fields)
			if !row.intake {
				sequence := d.Sequence
				seg, err := read(d, jobs.APNS, jobs.LaneNormal)
				if err != nil {
					t.Fatal(err)
				}
				header, body, err := seg.Encode()
				if err != nil {
					t.Fatal(err)
				}
				d = Delivery{Stream: jobs.StreamWork, Subject: seg.Tail().WorkSubject(), Header: header, Body: body, Sequence: sequence, Stored: w.now.Add(-row.waited)}
				if row.report {
					w.claims[eventKey(seg).ID()] = Claim{Owner: "somebody", Revision: 1}
				}
			}
			d.Forsaken, d.Begun, d.Suspicious = row.forsaken, row.begun, row.begun
			asked := 0
			d.Held = func() bool { asked++; return !row.lost || asked == 1 }
			if got := core.Handle(t.Context(), d); got != row.want {
				t.Errorf("disposition %d, want %d; steps %v", got, row.want, w.steps)
			}
			if put := len(w.puts) == 1; put != row.put {
				t.Errorf("put aside: %t", put)
			}
			if n := countSteps(w, "shelter"); n != row.sheltered && !row.crowded {
				t.Errorf("sheltered %d times", n)
			}
			e := w.events["push.results.apns.default.x.0.0"]
			if (e != nil) != (row.dead != "") || (len(w.dead) == 1) != (row.dead != "") {
				t.Fatalf("event %+v, letters %d", e, len(w.dead))
			}
			if e == nil {
				return
			}
			told := "skipped"
			if len(e.Uncertain) == row.n {
				told = "uncertain"
			}
			text := e.Dead.Faults[0].Problem
			if told != row.dead || e.Dead.Reason != results.DeadUnknownApp || !strings.Contains(text, "known: default, shop") && !strings.Contains(text, "known: shop, default") {
				t.Errorf("told as %s: %s %s", told, e.Dead.Reason, text)
			}
			if large := row.n > 1000; large != w.plans["apns.default.x"].Dead {
				t.Errorf("plan %+v", w.plans)
			}
		})
	}
}

// What is cancelled needs no app: it is told of as that, at once if it fits a segment, else by segments, which are found.
func TestCancelledWorkOfAnUnknownApp(t *testing.T) {
	for name, row := range map[string]struct {
		n      int
		fields string
		begun  bool
		want   string // "" for segments that wait
	}{
		"small":                        {n: 3, want: "[{0-2 cancelled}]"},
		"somebody may have begun":      {n: 3, begun: true, want: "3 uncertain"},
		"at most once, nobody claimed": {n: 3, fields: `,"on_uncertain":"report"`, begun: true, want: "[{0-2 cancelled}]"},
		"for later":                    {n: 1, fields: `,"deliver_at":"2026-11-23T11:00:00Z"`, want: "[{0 cancelled}]"},
		"large":                        {n: 1500},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.appGone = true
			core := w.core()
			core.UnknownAppGrace = time.Minute
			w.order(OrderCancel)
			d := job(7, row.n, `,"id":"x"`+row.fields)
			d.Begun, d.Suspicious = row.begun, row.begun
			if core.Handle(t.Context(), d) != Ack || len(w.dead) > 0 {
				t.Fatalf("%d letters; steps %v", len(w.dead), w.steps)
			}
			if row.want == "" {
				if len(w.puts) < 2 || countSteps(w, "shelter") != 1 {
					t.Fatalf("waiting: %v", w.tails())
				}
				for _, tail := range w.tails() {
					core.Handle(t.Context(), w.take(t, tail))
				}
				for subject := range w.events {
					if e := w.event(t, subject); e.Kind == results.KindSegment && (len(e.Skipped) != 1 || e.Skipped[0].Why != results.SkippedCancelled) {
						t.Errorf("%+v", e)
					}
				}
				if done := w.event(t, "push.results.apns.default.x.done.0"); done.Totals.Skipped != row.n {
					t.Errorf("%+v", done.Totals)
				}
				return
			}
			e := w.event(t, "push.results.apns.default.x.0.0")
			got := fmt.Sprint(e.Skipped)
			if len(e.Uncertain) > 0 {
				got = fmt.Sprint(len(e.Uncertain), " uncertain")
			}
			if got != row.want || !e.Done || len(w.puts) > 0 {
				t.Errorf("%s; %v", got, w.tails())
			}
		})
	}
}

// Cancelled recipients of an app that is gone: what their last answer meant nobody can tell.
func TestCancelledRecipientsThatAnEarlierRoundTried(t *testing.T) {
	w := newWorld()
	core := w.core()
	seg, err := read(job(7, 2, `,"id":"x"`), jobs.APNS, jobs.LaneNormal)
	if err != nil {
		t.Fatal(err)
	}
	seg.Whole, seg.Round = false, 1
	seg.Positions, seg.Tries = []int{0, 1}, []jobs.Try{{Attempts: 1, Reason: "AnswerLost"}, {}}
	header, body, err := seg.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.appGone = true
	w.order(OrderCancel)
	d := Delivery{Stream: jobs.StreamWork, Subject: seg.Tail().WorkSubject(), Header: header, Body: body, Sequence: 9, Stored: w.now}
	if got := core.Handle(t.Context(), d); got != Ack {
		t.Fatalf("disposition %d", got)
	}
	e := w.event(t, "push.results.apns.default.x.0.1")
	if len(e.Uncertain) != 1 || e.Uncertain[0].Index != 0 || e.Uncertain[0].Reason != "AnswerLost" || fmt.Sprint(e.Skipped) != "[{1 cancelled}]" {
		t.Errorf("%+v %v", e.Uncertain, e.Skipped)
	}
}

// A recipient that an earlier round may have reached is told as that when its app is gone.
func TestForsakenRecipientsThatAnEarlierRoundTried(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.app.script = nil
	d := job(7, 3, `,"id":"x"`)
	seg, err := read(d, jobs.APNS, jobs.LaneNormal)
	if err != nil {
		t.Fatal(err)
	}
	seg.Whole, seg.Round = false, 1
	seg.Positions, seg.Tries = []int{0, 1, 2}, []jobs.Try{{Attempts: 1, Reason: "AnswerLost"}, {}, {Attempts: 1, Reason: "AnswerLost"}}
	header, body, err := seg.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.appGone = true
	d = Delivery{Stream: jobs.StreamWork, Subject: seg.Tail().WorkSubject(), Header: header, Body: body, Sequence: 9, Stored: w.now.Add(-time.Hour), Forsaken: true}
	if got := core.Handle(t.Context(), d); got != Ack {
		t.Fatalf("disposition %d", got)
	}
	e := w.event(t, "push.results.apns.default.x.0.1")
	var uncertain []int
	for _, u := range e.Uncertain {
		uncertain = append(uncertain, u.Index)
	}
	if diff := cmp.Diff([]int{0, 2}, uncertain); diff != "" || fmt.Sprint(e.Skipped) != "[{1 dead}]" {
		t.Errorf("%s %v", diff, e.Skipped)
	}
}

// What a segment of an app that was taken away meanwhile goes on with is found, and so are segments that somebody else's plan made.
func TestWhatGoesOnOfAnAppThatIsGoneIsSheltered(t *testing.T) {
	w := newWorld()
	core := w.core()
	w.app.onSend = func() { w.appGone = true }
	w.app.script = nil
	w.app.faults = nil
	w.app.script = func(int) sender.Outcome { return answer("ServiceUnavailable", 503) }
	if got := core.Handle(t.Context(), job(7, 2, `,"id":"x"`)); got != Ack {
		t.Fatalf("disposition %d", got)
	}
	if !slices.Contains(w.steps, "shelter apns.default.normal") {
		t.Errorf("steps %v", w.steps)
	}
}

func countSteps(w *world, name string) (n int) {
	for _, s := range w.steps {
		if strings.HasPrefix(s, name+" ") {
			n++
		}
	}
	return n
}
