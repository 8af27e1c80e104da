package simulator

import (
	"slices"
	"sync/atomic"
	"time"
)

// entry is a fault, or a phase's answer, with the time in which it holds. Entries are compared by identity: the same
// fault in a new script is another one.
type entry struct {
	// name says where it stands: "fault 2", "phase 1", "posted 3".
	name     string
	platform string
	fault    *Fault  // or
	answer   *Answer // with what a Phase is about
	phase    bool
	from     time.Time
	until    time.Time // zero for ever
	strikes  atomic.Int64
}

// holds says whether the entry is about the platform, and it is its time.
func (n *entry) holds(platform string, now time.Time) bool {
	return (n.platform == "" || n.platform == platform) && !now.Before(n.from) && (n.until.IsZero() || now.Before(n.until))
}

// take counts a strike, unless the fault has had all of its times.
func (n *entry) take() bool {
	if n.fault.Times == 0 {
		n.strikes.Add(1)
		return true
	}
	for {
		had := n.strikes.Load()
		if had >= int64(n.fault.Times) {
			return false
		}
		if n.strikes.CompareAndSwap(had, had+1) {
			return true
		}
	}
}

// stage is when the entry's fault strikes; "" if it has none.
func (n *entry) stage() string {
	if n.fault == nil {
		return ""
	}
	return n.fault.stage(n.phase)
}

// catch is how many requests the fault catches; 0 is any number.
func (n *entry) catch() int {
	if n.phase && n.fault.Kind == RefuseStream {
		return n.fault.Catch
	}
	return max(1, n.fault.Catch)
}

// strikesOpen says whether open connections are struck when the entry's time begins.
func (n *entry) strikesOpen() bool {
	return n.fault != nil && (n.fault.At > 0 || n.phase) && n.stage() != onRequest
}

// strikesNew says whether new connections are struck when they reach the stage.
func (n *entry) strikesNew(stage string) bool {
	return n.fault != nil && n.fault.At == 0 && n.stage() == stage
}

// course is everything that a script says will happen, by the clock.
func course(script Script, began time.Time) []*entry {
	var entries []*entry
	for i := range script.Faults {
		f := &script.Faults[i]
		n := &entry{name: number("fault", i), platform: f.Platform, fault: f, from: began.Add(time.Duration(f.At))}
		if f.At > 0 && f.For > 0 {
			n.until = n.from.Add(time.Duration(f.For))
		}
		entries = append(entries, n)
	}
	at := began
	for i := range script.Phases {
		entries = append(entries, phaseEntry(number("phase", i), script.Phases[i], at))
		at = at.Add(time.Duration(script.Phases[i].For))
	}
	return entries
}

func phaseEntry(name string, p Phase, at time.Time) *entry {
	n := &entry{name: name, platform: p.Platform, fault: p.Fault, answer: p.Answer, phase: true, from: at}
	if p.For > 0 {
		n.until = at.Add(time.Duration(p.For))
	}
	return n
}

// state is what is in force: a script and what was posted since.
type state struct {
	rules   *compiled
	habits  *Habits
	began   time.Time
	entries []*entry
	answers bool // some entry has an answer
	faults  bool // some entry has a fault
	posted  int
}

func newState(script Script, began time.Time) *state {
	s := &state{rules: compile(script), habits: script.Habits, began: began, entries: course(script, began)}
	s.index()
	return s
}

// with is the state with one entry more, without those whose time is over. A script's own stay, to be looked at.
func (s *state) with(n *entry, now time.Time) *state {
	next := *s
	next.entries = append(slices.DeleteFunc(slices.Clone(s.entries), func(old *entry) bool {
		return isPosted(old) && !old.until.IsZero() && !now.Before(old.until)
	}), n)
	next.posted++
	next.index()
	return &next
}

// without is the state without what was posted.
func (s *state) without() *state {
	next := *s
	next.entries = slices.DeleteFunc(slices.Clone(s.entries), isPosted)
	next.index()
	return &next
}

func (s *state) index() {
	s.answers = slices.ContainsFunc(s.entries, func(n *entry) bool { return n.answer != nil })
	s.faults = slices.ContainsFunc(s.entries, func(n *entry) bool { return n.fault != nil })
}

// next is the first moment after now when something begins or ends; zero for none.
func (s *state) next(now time.Time) time.Time {
	var first time.Time
	for _, n := range s.entries {
		for _, at := range []time.Time{n.from, n.until} {
			if at.After(now) && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
	}
	return first
}

// phaseAnswer is the answer of the phase that holds, if it has one.
func (s *state) phaseAnswer(platform string) (Answer, bool) {
	if !s.answers {
		return Answer{}, false
	}
	now := time.Now()
	for _, n := range s.entries {
		if n.answer != nil && n.holds(platform, now) {
			return *n.answer, true
		}
	}
	return Answer{}, false
}
