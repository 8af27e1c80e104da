package simulator

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Scripts holds the script in force. It can be replaced while the simulators run. The zero value has no rules. Safe
// for concurrent use; no lock is held while an answer waits.
type Scripts struct {
	current atomic.Pointer[compiled]
}

// NewScripts returns Scripts without rules.
func NewScripts() *Scripts { return new(Scripts) }

// Set validates the script, puts it in force and forgets how often the old rules have answered.
func (s *Scripts) Set(script Script) error {
	if err := script.Validate(); err != nil {
		return err
	}
	s.current.Store(compile(script))
	return nil
}

// Script is the one in force. It must not be changed.
func (s *Scripts) Script() Script {
	if c := s.current.Load(); c != nil {
		return c.script
	}
	return Script{Rules: []Rule{}}
}

// Answer picks the answer for a recipient and counts it against the rule's Times. ok is false if no rule applies.
func (s *Scripts) Answer(platform, token string) (answer Answer, ok bool) {
	c := s.current.Load()
	if c == nil {
		return Answer{}, false
	}
	return c.answer(platform, token, true)
}

// Peek is Answer without counting: what the recipient would get.
func (s *Scripts) Peek(platform, token string) (answer Answer, ok bool) {
	c := s.current.Load()
	if c == nil {
		return Answer{}, false
	}
	return c.answer(platform, token, false)
}

// compiled is a script prepared for look-ups: exact tokens by hash, so that a script may name a hundred thousand of
// them, and the other rules in order.
type compiled struct {
	script  Script
	byToken map[string][]int
	others  []int

	mu   sync.Mutex
	used map[use]int
}

type use struct {
	rule  int
	token string
}

func compile(script Script) *compiled {
	c := &compiled{script: Script{Rules: slices.Clone(script.Rules)}, byToken: map[string][]int{}, used: map[use]int{}}
	if c.script.Rules == nil {
		c.script.Rules = []Rule{}
	}
	for i, rule := range c.script.Rules {
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
