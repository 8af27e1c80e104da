package simulator

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Scripts holds the script in force, and what was posted beside it. It can be replaced while the simulators run. The
// zero value has no rules. Safe for concurrent use; no lock is held while an answer waits.
type Scripts struct {
	current atomic.Pointer[state]

	mu sync.Mutex
	// endpoints are told of changes, and tell how they are.
	endpoints []*Endpoint
}

// NewScripts returns Scripts without rules.
func NewScripts() *Scripts { return new(Scripts) }

// Set validates the script, puts it in force and forgets how often the old rules have answered. What old faults and
// posted ones did ends: what was held back is released, what is broken is cut. The time of phases begins now.
func (s *Scripts) Set(script Script) error {
	if err := script.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(newState(script, time.Now()))
	return nil
}

// put makes a state the one in force. The caller holds mu.
func (s *Scripts) put(next *state) {
	s.current.Store(next)
	for _, e := range s.endpoints {
		e.changed()
	}
}

// Post puts a phase in force from now on, beside the script and until Set.
func (s *Scripts) Post(p Phase) error {
	if err := p.validate(true); err != nil {
		return err
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.state()
	s.put(old.with(phaseEntry(number(posted, old.posted), p, now), now))
	return nil
}

// Clear ends everything that was posted.
func (s *Scripts) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(s.state().without())
}

// posted is how entries are called that no script has.
const posted = "posted"

func isPosted(n *entry) bool { return strings.HasPrefix(n.name, posted+" ") }

func number(what string, i int) string { return what + " " + strconv.Itoa(i+1) }

// state is never nil.
func (s *Scripts) state() *state {
	if current := s.current.Load(); current != nil {
		return current
	}
	return newState(Script{}, time.Time{})
}

// Script is the one in force. It must not be changed.
func (s *Scripts) Script() Script { return s.state().rules.script }

// Habits are those of the script in force; ok is false if it has none.
func (s *Scripts) Habits() (habits Habits, ok bool) {
	current := s.current.Load()
	if current == nil || current.habits == nil {
		return Habits{}, false
	}
	return *current.habits, true
}

// Answer picks the answer for a recipient, of the phase or of a rule, and counts it against the rule's Times. ok is false
// if there is none.
func (s *Scripts) Answer(platform, token string) (answer Answer, ok bool) {
	return s.answer(platform, token, true)
}

// Peek is Answer without counting: what the recipient would get.
func (s *Scripts) Peek(platform, token string) (answer Answer, ok bool) {
	return s.answer(platform, token, false)
}

func (s *Scripts) answer(platform, token string, count bool) (answer Answer, ok bool) {
	current := s.current.Load()
	if current == nil {
		return Answer{}, false
	}
	if answer, ok := current.phaseAnswer(platform); ok {
		return answer, true
	}
	return current.rules.answer(platform, token, count)
}

// Early is Answer for a request of which only the header is here. It picks only answers that are given so early.
func (s *Scripts) Early(platform, token string) (answer Answer, ok bool) {
	current := s.current.Load()
	if current == nil || !current.rules.early && !current.answers {
		return Answer{}, false
	}
	if answer, ok := s.answer(platform, token, false); !ok || !answer.Early {
		return answer, false
	}
	return s.answer(platform, token, true)
}

// compiled is a script prepared for look-ups: exact tokens by hash, so that a script may name a hundred thousand of
// them, and the other rules in order.
type compiled struct {
	script  Script
	byToken map[string][]int
	others  []int
	early   bool // some rule answers early

	mu   sync.Mutex
	used map[use]int
}

type use struct {
	rule  int
	token string
}

func compile(script Script) *compiled {
	c := &compiled{script: script, byToken: map[string][]int{}, used: map[use]int{}}
	c.script.Rules = slices.Clone(script.Rules)
	if c.script.Rules == nil {
		c.script.Rules = []Rule{}
	}
	for i, rule := range c.script.Rules {
		c.early = c.early || rule.Answer.Early
		if rule.Token != "" {
			c.byToken[rule.Token] = append(c.byToken[rule.Token], i)
		} else {
			c.others = append(c.others, i)
		}
	}
	return c
}

func (c *compiled) answer(platform, token string, count bool) (Answer, bool) {
	exact, others := c.byToken[token], c.others
	for len(exact) > 0 || len(others) > 0 { // both ascend: the lower number is the earlier rule
		var i int
		if len(others) == 0 || len(exact) > 0 && exact[0] < others[0] {
			i, exact = exact[0], exact[1:]
		} else {
			i, others = others[0], others[1:]
		}
		rule := &c.script.Rules[i]
		if rule.matches(platform, token) && c.take(i, rule, token, count) {
			return rule.Answer, true
		}
	}
	return Answer{}, false
}

func (r *Rule) matches(platform, token string) bool {
	switch {
	case r.Platform != "" && r.Platform != platform:
		return false
	case r.Token != "":
		return r.Token == token
	}
	return strings.HasPrefix(token, r.Prefix) && (r.Percent == 0 || Selected(token, r.Salt, r.Percent))
}

// take reports whether the rule has an answer left for the token.
func (c *compiled) take(i int, rule *Rule, token string, count bool) bool {
	if rule.Times == 0 {
		return true
	}
	key := use{rule: i, token: token}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used[key] >= rule.Times {
		return false
	}
	if count {
		c.used[key]++
	}
	return true
}
