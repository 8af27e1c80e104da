package pipeline

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

const (
	// outageRecipients is how many different recipients in a row have to be answered "not now", or not at all, before that is the
	// provider's state and not theirs.
	outageRecipients = 5
	// firstProbe and lastProbe are the pauses between probes of a provider that was out: recovery is noticed within lastProbe.
	firstProbe = time.Second
	lastProbe  = 4 * time.Second
	// credentialProbe is the pause between probes with a credential that was refused: it is mended by people.
	credentialProbe = time.Minute
)

// breaker stops sending for one app on one platform while its provider is out or refuses its credential, so that an outage costs
// no attempts and holds up nobody else. It is safe for concurrent use.
type breaker struct {
	mu sync.Mutex
	// cause is why it is open; nil while it is closed.
	cause *sender.Reason
	// probing says that one recipient is being tried while it is open.
	probing bool
	// until is when the next probe may begin, pause what it was set by.
	until time.Time
	pause time.Duration
	// streak holds the recipients that were answered badly since the last good answer, at most outageRecipients of them.
	streak map[string]struct{}
	// changed is closed and replaced whenever a waiting pull should look again.
	changed chan struct{}
}

func newBreaker() *breaker {
	return &breaker{streak: map[string]struct{}{}, changed: make(chan struct{})}
}

// leave is the breaker's leave to send a segment. Close it when the segment is done with.
type leave struct {
	*breaker
	// probe says that the breaker is open: one recipient is tried first.
	probe bool
}

// enter asks for leave to send; nil while the breaker is open and it is not the time, or another's turn, to probe.
func (b *breaker) enter(now time.Time) *leave {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.cause == nil:
		return &leave{breaker: b}
	case b.probing || now.Before(b.until):
		return nil
	}
	b.probing = true
	return &leave{breaker: b, probe: true}
}

// close gives a probe back that was not made.
func (l *leave) close() {
	if !l.probe {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.probing = false
	l.wake()
}

// gate says how long a pull for the app should wait before it asks for more, and what ends the waiting earlier. 0 is not at all.
func (b *breaker) gate(now time.Time) (time.Duration, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.cause == nil:
		return 0, b.changed
	case b.probing:
		return lastProbe, b.changed
	}
	return max(b.until.Sub(now), 0), b.changed
}

// verdict is what the outcomes of a sending changed.
type verdict struct {
	// opened and closed are set for the one sending that did it.
	opened, closed *sender.Reason
	// open says that the breaker is open after it.
	open bool
	// quota is set if it is open because a quota is exceeded that others may share; until is when it may be tried again.
	quota *sender.Reason
	until time.Time
	// undecided holds those whose bad answer may be the provider's state, or theirs: the present streak and, if there are as many as make
	// an outage, everybody who was answered badly. Good answers after theirs do not tell then, because several connections are
	// answered in no common order; the next round does.
	undecided map[int]bool
}

// judge learns from the outcomes of a sending to these recipients, who are told apart by name. A leave to probe is an ordinary one after
// it.
func (l *leave) judge(all []sender.Outcome, recipients []int, name func(i int) string, now time.Time) verdict {
	b, probed := l.breaker, l.probe
	l.probe = false
	b.mu.Lock()
	defer b.mu.Unlock()
	var v verdict
	var worst *sender.Outcome
	var bad, streak []int // all that were answered badly, and those since the last good answer
	good := false
	for _, i := range inOrder(all, recipients) {
		out := &all[i]
		if unasked(out) {
			continue
		}
		switch out.Class {
		case sender.Accepted, sender.Rejected, sender.Expired, sender.BadJob:
			good = true
			clear(b.streak)
			streak = nil
			continue
		case sender.Unset:
			continue
		case sender.Transient, sender.Throttled, sender.Unsent, sender.Uncertain, sender.Credential:
		}
		if out.Reason.Wide && (worst == nil || !worst.Reason.Wide) || worst == nil {
			worst = out
		}
		bad, streak = append(bad, i), append(streak, i)
		b.count(name(i))
	}
	if len(bad) < outageRecipients {
		bad = streak
	}
	if len(bad) > 0 {
		v.undecided = make(map[int]bool, len(bad))
	}
	for _, i := range bad {
		v.undecided[i] = true
	}
	switch {
	case worst != nil && (worst.Reason.Wide || len(b.streak) >= outageRecipients || probed && !good):
		b.open(worst, now, &v)
	case good && b.cause != nil:
		v.closed, b.cause, b.pause = b.cause, nil, 0
	case probed && worst == nil: // the probe was not made: nothing is known, and the next may be as vain
		b.until = now.Add(firstProbe)
	}
	if probed {
		b.probing = false
	}
	v.open = b.cause != nil
	b.wake()
	return v
}

// unasked says whether the provider had no part in the outcome: what we refuse or hold back ourselves says nothing about its state.
func unasked(out *sender.Outcome) bool {
	refused := out.Status == 0 && (out.Class == sender.Rejected || out.Class == sender.BadJob)
	return refused || out.Reason != nil && out.Reason.Unasked
}

// inOrder are the recipients in the order in which they were answered: the last answers tell whether the provider is still there.
func inOrder(out []sender.Outcome, recipients []int) []int {
	if !slices.ContainsFunc(recipients, func(i int) bool { return out[i].Class != sender.Accepted }) {
		return recipients
	}
	ordered := slices.Clone(recipients)
	slices.SortStableFunc(ordered, func(i, k int) int { return cmp.Compare(out[i].Rank, out[k].Rank) })
	return ordered
}

// count adds a recipient to the streak of bad answers.
func (b *breaker) count(name string) {
	if len(b.streak) < outageRecipients {
		b.streak[name] = struct{}{}
	}
}

func (b *breaker) open(out *sender.Outcome, now time.Time, v *verdict) {
	if b.cause == nil {
		v.opened = out.Reason
	}
	b.cause = out.Reason
	first, last := firstProbe, lastProbe
	if out.Reason.Class == sender.Credential {
		first, last = credentialProbe, credentialProbe
	}
	b.pause = min(max(2*b.pause, first), last)
	b.until = now.Add(max(b.pause, out.RetryAfter, out.Reason.Floor))
	if out.Class == sender.Throttled && out.Reason.Wide {
		v.quota, v.until = out.Reason, b.until
	}
}

// hold opens the breaker for a quota that another app has exceeded, at least until then. It says whether that opened it.
func (b *breaker) hold(quota *sender.Reason, until time.Time) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if opened = b.cause == nil; opened {
		b.cause = quota
	}
	if until.After(b.until) {
		b.until = until
	}
	b.wake()
	return opened
}

// tryNow lets the next probe through at once.
func (b *breaker) tryNow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause != nil {
		b.until, b.pause = time.Time{}, 0
		b.wake()
	}
}

func (b *breaker) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// breakers keeps one for each app and platform.
type breakers struct {
	mu  sync.Mutex
	all map[sideKey]*breaker
}

type sideKey struct {
	platform jobs.Platform
	app      string
}

func (s *breakers) of(platform jobs.Platform, app string) *breaker {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[sideKey]*breaker{}
	}
	k := sideKey{platform, app}
	if s.all[k] == nil {
		s.all[k] = newBreaker()
	}
	return s.all[k]
}
