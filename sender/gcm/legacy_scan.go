package gcm

import (
	"bytes"

	"github.com/volleypush/volley/sender"
)

// commonResult begins nearly every result: an acceptance with nothing else in it.
const commonResult = `{"message_id":"`

// scanResults sets the outcomes from a 200 answer in its usual form, and says whether it had that: an object whose members are results, once,
// and counters; results that are objects of strings; nothing escaped and nothing but ASCII. What it leaves for decodeLegacy may
// have set some outcomes. Whatever it reads means the same to decodeLegacy, which takes ten times as long.
func (d *delivery) scanResults(a answer, positions []int) bool {
	s := scanner{text: a.body, reader: d, answer: a, positions: positions}
	if !d.request.NoProviderIDs {
		s.ids = string(a.body) // one copy for all of them
	}
	if !s.take('{') {
		return false
	}
	seen := false
	for first := true; !s.take('}'); first = false {
		if !first && !s.take(',') {
			return false
		}
		from, to, ok := s.word()
		if !ok || !s.take(':') {
			return false
		}
		switch string(s.text[from:to]) {
		case "results":
			if seen || !s.results() {
				return false
			}
			seen = true
		case "multicast_id", "success", "failure", "canonical_ids":
			if !s.counter() {
				return false
			}
		default:
			return false
		}
	}
	s.space()
	return seen && s.at == len(s.text)
}

// scanner reads one answer. Its methods leave the rest unread when they say that something is not in the usual form.
type scanner struct {
	text      []byte
	at        int
	ids       string // the text again, where provider ids are cut from; "" if nobody wants them
	reader    *delivery
	answer    answer
	positions []int
}

// space skips what may stand between tokens.
func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// take reads one sign, if it is the next.
func (s *scanner) take(sign byte) bool {
	s.space()
	if s.at >= len(s.text) || s.text[s.at] != sign {
		return false
	}
	s.at++
	return true
}

// word reads a string that stands for itself, and says where its text is.
func (s *scanner) word() (from, to int, ok bool) {
	if !s.take('"') {
		return 0, 0, false
	}
	from = s.at
	to = from + unescaped(s.text[from:])
	if to >= len(s.text) || s.text[to] != '"' {
		return 0, 0, false
	}
	s.at = to + 1
	return from, to, true
}

// counter reads a whole number.
func (s *scanner) counter() bool {
	s.space()
	from := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	n := s.at - from
	return n == 1 || n > 1 && s.text[from] != '0'
}

// results reads the list and settles recipients by position.
func (s *scanner) results() bool {
	d := s.reader
	if !s.take('[') {
		return false
	}
	n := 0
	for ; !s.take(']'); n++ {
		if n > 0 && !s.take(',') {
			return false
		}
		if !s.result(n) {
			return false
		}
	}
	if n < len(s.positions) {
		missing := sender.Failed(reasonsByName[reasonAnswerMissing], s.answer.status)
		for _, at := range s.positions[n:] {
			d.out[at] = missing
		}
	}
	return true
}

// result reads the n-th result.
func (s *scanner) result(n int) bool {
	s.space()
	if bytes.HasPrefix(s.text[s.at:], []byte(commonResult)) {
		from := s.at + len(commonResult)
		to := from + unescaped(s.text[from:])
		if to+1 < len(s.text) && s.text[to] == '"' && s.text[to+1] == '}' {
			s.at = to + 2
			s.accept(n, from, to)
			return true
		}
	}
	return s.uncommon(n)
}

// accept settles the n-th recipient. Nobody is there for a result too many.
func (s *scanner) accept(n, from, to int) {
	if n >= len(s.positions) {
		return
	}
	o := sender.Outcome{Class: sender.Accepted, Status: s.answer.status}
	if s.ids != "" {
		o.ProviderID = s.ids[from:to]
	}
	s.reader.out[s.positions[n]] = o
}

// uncommon reads a result with other members than a message_id alone. Of a member that is there twice the last one counts.
func (s *scanner) uncommon(n int) bool {
	if !s.take('{') {
		return false
	}
	var id, failure, canonical struct{ from, to int }
	for first := true; !s.take('}'); first = false {
		if !first && !s.take(',') {
			return false
		}
		from, to, ok := s.word()
		if !ok || !s.take(':') {
			return false
		}
		value := &id
		switch string(s.text[from:to]) {
		case "message_id":
		case "error":
			value = &failure
		case "registration_id":
			value = &canonical
		default:
			return false
		}
		if value.from, value.to, ok = s.word(); !ok {
			return false
		}
	}
	s.accept(n, id.from, id.to)
	if n >= len(s.positions) {
		return true
	}
	at := s.positions[n]
	if failure.from < failure.to {
		s.reader.out[at] = s.reader.legacyFailure(string(s.text[failure.from:failure.to]), s.answer, at)
	}
	if canonical.from < canonical.to {
		s.reader.renew(at, string(s.text[canonical.from:canonical.to]))
	}
	return true
}
