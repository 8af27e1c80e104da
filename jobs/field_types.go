package jobs

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The functions …At make the set functions of simple fields; at says where in the job the value belongs.

func textAt(at func(*Job) **string) func(*decoder, string, value) {
	return func(d *decoder, name string, v value) {
		if v.kind != kindString {
			d.wrongType(name, "a string", v)
			return
		}
		*at(d.job) = d.keepText(v.text())
	}
}

func wordAt(known []string, at func(*Job) **string) func(*decoder, string, value) {
	return func(d *decoder, name string, v value) {
		if s, ok := d.word(name, v, known); ok {
			*at(d.job) = d.keepText(s)
		}
	}
}

// headerText is a text that travels in an HTTP header.
func headerAt(limit int, at func(*Job) **string) func(*decoder, string, value) {
	return func(d *decoder, name string, v value) {
		if v.kind != kindString {
			d.wrongType(name, "a string", v)
			return
		}
		s := v.text()
		switch {
		case s == "" || len(s) > limit:
			d.add(name, "must be 1 to %d bytes long, is %d", limit, len(s))
		case strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
			d.add(name, "must not hold control characters, nor begin or end with a space: it travels in a header")
		default:
			*at(d.job) = d.keepText(s)
		}
	}
}

func nonEmptyAt(at func(*Job) **string) func(*decoder, string, value) {
	return func(d *decoder, name string, v value) {
		switch {
		case v.kind != kindString:
			d.wrongType(name, "a string", v)
		case v.text() == "":
			d.add(name, "must not be empty")
		default:
			*at(d.job) = d.keepText(v.text())
		}
	}
}

func flagAt(at func(*Job) **bool) func(*decoder, string, value) {
	return func(d *decoder, name string, v value) {
		if v.kind != kindBool {
			d.wrongType(name, "true or false", v)
			return
		}
		b := v.raw == "true"
		*at(d.job) = &b
	}
}

func integerAt[T int | int64](low, high int64, at func(*Job) **T) func(*decoder, string, value) {
	return func(d *decoder, name string, v value) {
		if n, ok := d.whole(name, v, low, high); ok {
			t := T(n)
			*at(d.job) = &t
		}
	}
}

// whole reads a whole number within limits. A fraction or an exponent is refused even where it is 0: who writes 5.0
// has a number of another type in mind.
func (d *decoder) whole(name string, v value, low, high int64) (int64, bool) {
	if v.kind != kindNumber {
		d.wrongType(name, "a whole number", v)
		return 0, false
	}
	n, err := strconv.ParseInt(v.raw, 10, 64)
	if strings.ContainsAny(v.raw, ".eE") {
		d.add(name, "must be a whole number, written without a fraction or exponent")
		return 0, false
	}
	switch {
	case err == nil && n >= low && n <= high:
		return n, true
	case high != math.MaxInt64:
		d.add(name, "must be from %d to %d", low, high)
	case v.raw[0] == '-':
		d.add(name, "must be %d or more", low)
	default:
		d.add(name, "is too large, must be at most %d", high)
	}
	return 0, false
}

// number reads a number that fits a float64.
func (d *decoder) number(name string, v value) (float64, bool) {
	if v.kind != kindNumber {
		d.wrongType(name, "a number", v)
		return 0, false
	}
	n, err := strconv.ParseFloat(v.raw, 64)
	if err != nil {
		d.add(name, "is too large a number")
		return 0, false
	}
	return n, true
}

func stringsAt(at func(*Job) *[]string) func(*decoder, string, value) {
	return func(d *decoder, name string, v value) {
		if v.kind != kindArray {
			d.wrongType(name, "a list of strings", v)
			return
		}
		list := []string{}
		v.elements(func(i int, element value) {
			if element.kind != kindString {
				d.wrongType(name+"["+strconv.Itoa(i)+"]", "a string", element)
				return
			}
			list = append(list, element.text())
		})
		*at(d.job) = list
	}
}

// object keeps an object as canonical JSON.
func objectAt(at func(*Job) *json.RawMessage) func(*decoder, string, value) {
	return func(d *decoder, name string, v value) {
		if v.kind != kindObject {
			d.wrongType(name, "an object", v)
			return
		}
		*at(d.job) = v.canonical()
	}
}

// objectMap keeps the members of an object as canonical JSON each.
func (d *decoder) objectMap(name string, v value) map[string]json.RawMessage {
	if v.kind != kindObject {
		d.wrongType(name, "an object", v)
		return nil
	}
	m := make(map[string]json.RawMessage)
	v.members(func(key string, member value) { m[key] = member.canonical() })
	return m
}

// rawPayload keeps a raw payload exactly as it was written.
func payloadAt(at func(*Job) *json.RawMessage) func(*decoder, string, value) {
	return func(d *decoder, name string, v value) {
		if v.kind != kindObject {
			d.wrongType(name, "an object", v)
			return
		}
		*at(d.job) = json.RawMessage(v.raw)
	}
}

// word reads a string from a closed set.
func (d *decoder) word(name string, v value, known []string) (string, bool) {
	if v.kind != kindString {
		d.wrongType(name, "a string", v)
		return "", false
	}
	word := v.text()
	if !slices.Contains(known, word) {
		if near := nearest(word, known); near != "" {
			d.add(name, "must be %s; did you mean %q?", oneOf(known), near)
		} else {
			d.add(name, "must be %s", oneOf(known))
		}
		return "", false
	}
	return word, true
}
