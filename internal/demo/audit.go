package demo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// audit compares, token by token, what the events say with what arrived at the providers.
type audit struct {
	// faults are sentences about whatever does not add up; none means that the books balance.
	faults []string
	more   int

	recipients, sent, failed, expired, uncertain, skipped, canonical, retries, dead int
	failures, gone                                                                  map[string]int // by reason: failed, expired
	lost, doubled                                                                   int

	// kills counts workers that were killed meanwhile; allowed is how many recipients may be sent to twice because of them.
	kills, allowed func() int
}

const maxFaults = 10

func (a *audit) fault(format string, args ...any) {
	if len(a.faults) == maxFaults {
		a.more++
		return
	}
	a.faults = append(a.faults, fmt.Sprintf(format, args...))
}

// check does the whole comparison.
func (a *audit) check(published []publication, seen map[string]*outcome, ledger []simulator.Notification) {
	a.failures, a.gone = map[string]int{}, map[string]int{}
	accepted := acceptances(ledger)
	for i := range published {
		p := &published[i]
		o := seen[key(p.platform, p.app, p.shown)]
		switch {
		case o == nil || !o.done:
			a.fault("job %s has no final event", p.id)
		case p.dead != "":
			a.deadLetter(p, o)
		default:
			a.job(p, o, accepted)
		}
	}
	for token, n := range accepted {
		if n > 0 {
			a.fault("%s was accepted %d times for no recipient of the campaign", jobs.NewToken(token.id), n)
		}
	}
	if a.allowed != nil && a.doubled > a.allowed() {
		a.fault("%d recipients were sent to twice, at most %d could be", a.doubled, a.allowed())
	}
}

// target is one recipient at one platform.
type target struct{ platform, id string }

// acceptances counts how often the providers accepted each token.
func acceptances(ledger []simulator.Notification) map[target]int {
	accepted := make(map[target]int, len(ledger))
	for i := range ledger {
		if n := &ledger[i]; n.Status == 200 && n.Reason == "" {
			accepted[target{n.Platform, n.Token}]++
		}
	}
	return accepted
}

func (a *audit) deadLetter(p *publication, o *outcome) {
	a.dead++
	for _, e := range o.events {
		if e.Dead == nil || e.Dead.Reason != p.dead {
			a.fault("job %s should be a dead letter for %q: %+v", p.id, p.dead, e.Dead)
		}
	}
}

// job checks one good job: every index in exactly one final place, and the provider accepted exactly those that were sent.
func (a *audit) job(p *publication, o *outcome, accepted map[target]int) {
	places := make([]int, len(p.recipients))
	failed := make([]bool, len(p.recipients))
	unsure := make([]bool, len(p.recipients))
	place := func(index int) {
		if index < 0 || index >= len(places) {
			a.fault("job %s: an event names recipient %d of %d", p.id, index, len(places))
			return
		}
		places[index]++
		failed[index] = true
	}
	sent := 0
	for _, e := range o.events {
		if err := e.Balanced(); err != nil {
			a.fault("event %s does not balance: %v", e.ID, err)
		}
		if e.Kind == results.KindJobDone {
			continue
		}
		sent += e.Sent
		a.count(e)
		for _, f := range e.Failures {
			place(f.Index)
		}
		for _, f := range e.ExpiredTokens {
			place(f.Index)
		}
		for _, u := range e.Uncertain {
			place(u.Index)
			unsure[min(max(u.Index, 0), len(unsure)-1)] = true
		}
		for _, s := range e.Skipped {
			for _, index := range s.Indexes {
				place(index)
			}
		}
	}
	a.recipients += len(p.recipients)
	for _, e := range o.events {
		if e.Kind == results.KindDead {
			a.dead++ // of a segment that was under way in every kill: it looks like the culprit
		}
	}
	reached := 0
	for i, id := range p.recipients {
		n := accepted[target{string(p.platform), id}]
		delete(accepted, target{string(p.platform), id})
		switch {
		case places[i] > 1:
			a.fault("job %s: recipient %d has %d final places", p.id, i, places[i])
		case failed[i] && n > 0 && !unsure[i]:
			a.fault("job %s: recipient %d is reported as failed and was accepted", p.id, i)
		case !failed[i] && n == 0:
			a.lost++
			a.fault("job %s: recipient %d is reported as sent and never arrived", p.id, i)
		}
		if n > 1 {
			a.doubled++
			if a.allowed == nil {
				a.fault("job %s: recipient %d was sent %d times", p.id, i, n)
			}
		}
		if !failed[i] {
			reached++
		}
	}
	if reached != sent {
		a.fault("job %s: events count %d sent, %d recipients are left over", p.id, sent, reached)
	}
}

func (a *audit) count(e *results.Event) {
	a.sent += e.Sent
	a.failed += len(e.Failures)
	a.expired += len(e.ExpiredTokens)
	a.uncertain += len(e.Uncertain)
	a.canonical += len(e.CanonicalIDs)
	for _, s := range e.Skipped {
		a.skipped += len(s.Indexes)
	}
	if e.Retry != nil {
		a.retries += len(e.Retry.Indexes)
	}
	for _, f := range e.Failures {
		a.failures[f.Reason]++
	}
	for _, f := range e.ExpiredTokens {
		a.gone[f.Reason]++
	}
}

// byCount lists reasons, the most frequent first.
func byCount(reasons map[string]int) []string {
	return slices.SortedFunc(maps.Keys(reasons), func(x, y string) int {
		return cmp.Or(cmp.Compare(reasons[y], reasons[x]), cmp.Compare(x, y))
	})
}

func key(platform jobs.Platform, app, id string) string {
	return string(platform) + "." + app + "." + id
}
