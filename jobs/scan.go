package jobs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// encoding/json takes the last of two equal keys, replaces broken Unicode and matches names in any case, all without
// a word. A job that says two things must not be sent as one of them, so the codec reads JSON itself, in one pass.

// kind is the JSON type of a value.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

var kindNames = [...]string{"null", "true or false", "a number", "a string", "a list", "an object"}

// String names the kind with its article, as faults use it.
func (k kind) String() string { return kindNames[k] }

// value is one JSON value as it stands in the body.
type value struct {
	kind kind
	raw  string
}

// text returns what a string value says.
func (v value) text() string {
	if !strings.Contains(v.raw, `\`) {
		return v.raw[1 : len(v.raw)-1]
	}
	var s string
	// The scanner has accepted the literal, so there is no error to see here.
	_ = json.Unmarshal([]byte(v.raw), &s)
	return s
}

// members calls each for the members of an object value in order.
func (v value) members(each func(name string, member value)) {
	s := scanner{text: v.raw}
	_ = s.object(each)
}

// elements calls each for the elements of an array value in order.
func (v value) elements(each func(i int, element value)) {
	s := scanner{text: v.raw}
	_ = s.array(each)
}

// syntaxError is a place where the text stops being JSON.
type syntaxError struct {
	at      int
	problem string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("byte %d: %s", e.at, e.problem) }

// scanner reads JSON strictly: RFC 8259, and no lone surrogates, no equal names in one object (reported, not
// fatal), no more than MaxDepth levels. The text is valid UTF-8.
type scanner struct {
	text  string
	pos   int
	depth int
	// faults gets the names that their objects have already; nil says nothing.
	faults *faultList

	// The names of the objects' members around the current position: within how many, the first of them, and the others.
	within int
	outer  [4]string
	inner  []string
}

func (s *scanner) open(name string) {
	if s.within < len(s.outer) {
		s.outer[s.within] = name
	} else {
		s.inner = append(s.inner[:s.within-len(s.outer)], name)
	}
	s.within++
}

// path is the names around the current position, and one more.
func (s *scanner) path(name string) []string {
	path := append([]string(nil), s.outer[:min(s.within, len(s.outer))]...)
	if s.within > len(s.outer) {
		path = append(path, s.inner[:s.within-len(s.outer)]...)
	}
	return append(path, name)
}

func (s *scanner) fail(problem string) error {
	if s.pos >= len(s.text) {
		return &syntaxError{len(s.text), "the text ends too early"}
	}
	return &syntaxError{s.pos, problem}
}

// peek returns the byte at the position, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value reads the value at the position, spaces before it included.
func (s *scanner) value() (value, error) {
	s.space()
	start := s.pos
	var k kind
	var err error
	switch c := s.peek(); {
	case c == '"':
		k, err = kindString, s.str()
	case c == '{':
		k, err = kindObject, s.object(nil)
	case c == '[':
		k, err = kindArray, s.array(nil)
	case c == '-' || isDigit(c):
		k, err = kindNumber, s.number()
	case c == 't':
		k, err = kindBool, s.literal("true")
	case c == 'f':
		k, err = kindBool, s.literal("false")
	case c == 'n':
		k, err = kindNull, s.literal("null")
	default:
		err = s.fail("a value is expected here")
	}
	return value{k, s.text[start:s.pos]}, err
}

func (s *scanner) enter() error {
	if s.depth == MaxDepth {
		return s.fail(fmt.Sprintf("values are nested more than %d levels deep", MaxDepth))
	}
	s.depth++
	s.pos++
	s.space()
	return nil
}

func (s *scanner) leave() {
	s.depth--
	s.pos++
}

// object reads the object at the position. each, if not nil, gets every member whose name is new.
func (s *scanner) object(each func(name string, member value)) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.leave()
		return nil
	}
	var seen nameSet
	for {
		s.space()
		if s.peek() != '"' {
			return s.fail("a name in double quotes is expected here")
		}
		start := s.pos
		if err := s.str(); err != nil {
			return err
		}
		name := value{kindString, s.text[start:s.pos]}.text()
		s.space()
		if s.peek() != ':' {
			return s.fail("a colon is expected here")
		}
		s.pos++
		fresh := seen.add(name)
		if !fresh && s.faults != nil {
			s.faults.add(shownPath(s.path(name)...), "is there twice")
		}
		s.open(name)
		member, err := s.value()
		if err != nil {
			return err
		}
		s.within--
		if each != nil && fresh {
			each(name, member)
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.leave()
			return nil
		default:
			return s.fail("a comma or the end of the object is expected here")
		}
	}
}

// array reads the array at the position. each, if not nil, gets every element.
func (s *scanner) array(each func(i int, element value)) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.leave()
		return nil
	}
	for i := 0; ; i++ {
		element, err := s.value()
		if err != nil {
			return err
		}
		if each != nil {
			each(i, element)
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.leave()
			return nil
		default:
			return s.fail("a comma or the end of the list is expected here")
		}
	}
}

func (s *scanner) literal(word string) error {
	if !strings.HasPrefix(s.text[s.pos:], word) {
		return s.fail("a value is expected here")
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) digits() error {
	if !isDigit(s.peek()) {
		return s.fail("a digit is expected here")
	}
	for isDigit(s.peek()) {
		s.pos++
	}
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.pos++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		return s.digits()
	}
	return nil
}

// str reads the string literal at the position.
func (s *scanner) str() error {
	for s.pos++; s.pos < len(s.text); {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.fail("a control character stands in a string without an escape")
		default:
			s.pos++
		}
	}
	return s.fail("")
}

func (s *scanner) escape() error {
	rest := s.text[s.pos:]
	if len(rest) < 2 {
		s.pos = len(s.text)
		return s.fail("")
	}
	if strings.IndexByte(`"\/bfnrt`, rest[1]) >= 0 {
		s.pos += 2
		return nil
	}
	unit, ok := hexUnit(rest)
	if !ok {
		return s.fail("an escape in a string is not one of JSON's")
	}
	s.pos += 6
	if unit < 0xD800 || unit > 0xDFFF {
		return nil
	}
	low, ok := hexUnit(rest[6:])
	if unit > 0xDBFF || !ok || low < 0xDC00 || low > 0xDFFF {
		s.pos -= 6
		return s.fail("an escape in a string is half a character (a lone surrogate)")
	}
	s.pos += 6
	return nil
}

// hexUnit reads a \uXXXX escape at the start of text.
func hexUnit(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var unit rune
	for _, c := range []byte(text[2:6]) {
		digit := hexDigit(c)
		if digit < 0 {
			return 0, false
		}
		unit = unit<<4 | rune(digit) //nolint:gosec // one hex digit
	}
	return unit, true
}

// hexDigit returns the worth of a hexadecimal digit, -1 for any other byte.
func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// nameSet holds the names of one object: most have few, a hostile one a hundred thousand.
type nameSet struct {
	few  [8]string
	n    int
	many map[string]struct{}
}

// add reports whether the name is new.
func (s *nameSet) add(name string) bool {
	if slices.Contains(s.few[:s.n], name) {
		return false
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return true
	}
	if _, have := s.many[name]; have {
		return false
	}
	if s.many == nil {
		s.many = make(map[string]struct{})
	}
	s.many[name] = struct{}{}
	return true
}
