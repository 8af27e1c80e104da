package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// books makes a job of three, of which the second failed, the events that say so and the ledger that agrees.
func books() ([]publication, map[string]*outcome, []simulator.Notification) {
	p := publication{platform: jobs.APNS, app: "default", id: "j", shown: "j", recipients: []string{"a", "b", "c"}}
	e := &results.Event{
		V: 1, Kind: results.KindSegment, Platform: jobs.APNS, App: "default", Job: "j", Segments: 1, Recipients: 3, Sent: 2, Done: true,
		Failures: []results.Failure{{Index: 1, Token: "b", Reason: "BadDeviceToken"}},
		Totals:   &results.Totals{Recipients: 3, Sent: 2, Failures: 1},
	}
	e.SetID()
	ledger := []simulator.Notification{
		{Platform: "apns", Token: "a", Status: 200},
		{Platform: "apns", Token: "b", Status: 400, Reason: "BadDeviceToken"},
		{Platform: "apns", Token: "c", Status: 200},
	}
	return []publication{p}, map[string]*outcome{"apns.default.j": {events: []*results.Event{e}, done: true}}, ledger
}

// The audit is what makes the demo a proof: it has to find each kind of discrepancy.
func TestAuditFindsEveryDiscrepancy(t *testing.T) {
	tests := []struct {
		name   string
		change func(o *outcome, ledger *[]simulator.Notification)
		want   string // "" for none
	}{
		{"nothing wrong", func(*outcome, *[]simulator.Notification) {}, ""},
		{"lost", func(_ *outcome, l *[]simulator.Notification) { *l = (*l)[1:] }, "never arrived"},
		{"sent twice", func(_ *outcome, l *[]simulator.Notification) { *l = append(*l, (*l)[0]) }, "sent 2 times"},
		{"failed and accepted", func(_ *outcome, l *[]simulator.Notification) { (*l)[1].Status, (*l)[1].Reason = 200, "" }, "reported as failed and was accepted"},
		{"never published", func(_ *outcome, l *[]simulator.Notification) {
			*l = append(*l, simulator.Notification{Platform: "apns", Token: "x", Status: 200})
		}, "for no recipient"},
		{"no last event", func(o *outcome, _ *[]simulator.Notification) { o.done = false }, "no final event"},
		{"books", func(o *outcome, _ *[]simulator.Notification) { o.events[0].Sent = 3 }, "don't balance"},
		{"two places", func(o *outcome, _ *[]simulator.Notification) { o.events = append(o.events, o.events[0]) }, "2 final places"},
		{"index of nobody", func(o *outcome, _ *[]simulator.Notification) { o.events[0].Failures[0].Index = 3 }, "recipient 3 of 3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			published, seen, ledger := books()
			test.change(seen["apns.default.j"], &ledger)
			var a audit
			a.check(published, seen, ledger)
			all := strings.Join(a.faults, "\n")
			if test.want == "" && all != "" || !strings.Contains(all, test.want) {
				t.Errorf("faults %q, want %q", all, test.want)
			}
		})
	}
}

func TestDeadJobMustDieForItsReason(t *testing.T) {
	p := publication{platform: jobs.APNS, app: "default", id: "j", shown: "j", dead: "invalid"}
	for reason, faults := range map[string]int{"invalid": 0, "payload": 1} {
		e := &results.Event{Kind: results.KindDead, Dead: &results.Dead{Reason: reason}}
		var a audit
		a.check([]publication{p}, map[string]*outcome{"apns.default.j": {events: []*results.Event{e}, done: true}}, nil)
		if len(a.faults) != faults || a.dead != 1 {
			t.Errorf("%s: %v", reason, a.faults)
		}
	}
}

// The campaign is what the documents say: more than 20,000 recipients for each platform, in jobs of many sizes, some broken.
func TestCampaign(t *testing.T) {
	published, err := campaign()
	if err != nil {
		t.Fatal(err)
	}
	for _, platform := range jobs.Platforms() {
		if n := recipients(published, platform); n < 20_000 {
			t.Errorf("%d recipients for %s", n, platform)
		}
	}
	sizes, broken, ids := map[int]bool{}, 0, map[string]bool{}
	for _, p := range published {
		sizes[len(p.recipients)] = true
		if p.dead != "" {
			broken++
			continue
		}
		if _, err := jobs.Decode(p.platform, p.body); err != nil {
			t.Errorf("%s: %v", p.id, err)
		}
		for _, id := range p.recipients {
			k := string(p.platform) + id
			if ids[k] && jobs.ValidateRecipient(p.platform, jobs.NewToken(id)) == nil {
				t.Errorf("%s has a recipient that another job has", p.id)
			}
			ids[k] = true
		}
	}
	for _, n := range []int{1, 1000, 1001} {
		if !sizes[n] {
			t.Errorf("no job of %d", n)
		}
	}
	if broken < 5 {
		t.Errorf("%d broken jobs", broken)
	}
}

// Under fire a doubled recipient is allowed as often as a kill can explain it, and a lost one never.
func TestAuditUnderFire(t *testing.T) {
	for name, test := range map[string]struct {
		allowed int
		lost    bool
		faults  int
	}{"explained": {1, false, 0}, "too many": {0, false, 1}, "lost": {5, true, 1}} {
		t.Run(name, func(t *testing.T) {
			published, seen, ledger := books()
			ledger = append(ledger, ledger[2])
			if test.lost {
				ledger = ledger[1:]
			}
			a := audit{allowed: func() int { return test.allowed }}
			a.check(published, seen, ledger)
			if len(a.faults) != test.faults || a.doubled != 1 {
				t.Errorf("%d doubled, faults %v", a.doubled, a.faults)
			}
		})
	}
}

// Each reason stands below the sum that it is part of.
func TestTableNamesReasonsWhereTheyBelong(t *testing.T) {
	published, seen, ledger := books()
	e := seen["apns.default.j"].events[0]
	e.Sent, e.Totals.Sent, e.Totals.ExpiredTokens = 1, 1, 1
	e.ExpiredTokens = []results.ExpiredToken{{Failure: results.Failure{Index: 2, Token: "c", Reason: "Unregistered"}}}
	ledger[2].Status, ledger[2].Reason = 410, "Unregistered"
	var a audit
	a.check(published, seen, ledger)
	var out bytes.Buffer
	a.print(&out, time.Second)
	var names []string
	for line := range strings.Lines(out.String()) {
		names = append(names, strings.Join(strings.Fields(line), " "))
	}
	if got := strings.Join(names, ", "); !strings.Contains(got, "failed 1, BadDeviceToken 1, expired tokens 1, Unregistered 1,") || len(a.faults) > 0 {
		t.Errorf("%s\n%s", a.faults, out.String())
	}
}
