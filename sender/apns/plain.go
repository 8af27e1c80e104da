package apns

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Jobs of one recipient have a payload each, so the usual message is rendered without maps: a text or none, options, and extra keys. It is
// byte for byte what renderAny makes; a test compares them.

// renderPlain renders the usual message; false for any other, and for one that has a problem.
func (m *Message) renderPlain(limit int) (payload []byte, ok bool) {
	if m.Raw != nil || m.Alert != nil || m.APS != nil || m.MaxPayloadLength > 0 {
		return nil, false
	}
	var room [12]option
	aps := m.apsOptions(room[:0])
	if m.hasAlert() {
		aps = append(aps, option{key: "alert"})
	}
	sortOptions(aps)
	if m.extraHas("aps") || m.Extra != nil && m.ExtraJSON != nil {
		return nil, false
	}
	var names [8]string
	keys := append(names[:0], "aps")
	for key := range m.Extra {
		keys = append(keys, key)
	}
	for key := range m.ExtraJSON {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	payload = append(make([]byte, 0, 256), '{')
	var err error
	for i, key := range keys {
		if i > 0 {
			payload = append(payload, ',')
		}
		payload = append(appendString(payload, key), ':')
		switch raw, isJSON := m.ExtraJSON[key]; {
		case key == "aps":
			payload, err = m.appendAPS(payload, aps)
		case isJSON && isCanonical(raw, 1):
			payload = append(payload, raw...)
		case isJSON:
			payload, err = appendJSON(payload, raw, 1)
		default:
			payload, err = appendJSON(payload, m.Extra[key], 1)
		}
		if err != nil {
			return nil, false
		}
	}
	payload = append(payload, '}')
	return payload, limit <= 0 || len(payload) <= limit
}

// hasAlert says whether a message that has a text or none has an alert.
func (m *Message) hasAlert() bool { return m.Text != nil || m.alertIsObject() }

func (m *Message) alertIsObject() bool {
	var room [10]option
	return slices.ContainsFunc(m.alertOptions(room[:0]), func(o option) bool { return o.says })
}

// appendAPS appends the aps dictionary: the options, which are sorted, and the alert where its key stands among them.
func (m *Message) appendAPS(dst []byte, aps []option) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i, o := range aps {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, o.key), ':')
		if o.key == "alert" {
			dst, err = m.appendAlert(dst)
		} else {
			dst, err = appendJSON(dst, o.value, 2)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// appendAlert appends the alert: a text, or an object if an option says so.
func (m *Message) appendAlert(dst []byte) ([]byte, error) {
	if !m.alertIsObject() {
		return appendString(dst, *m.Text), nil
	}
	var room [11]option
	all := m.alertOptions(room[:0])
	if m.Text != nil {
		all = append(all, option{key: "body", value: m.Text})
	}
	sortOptions(all)
	dst = append(dst, '{')
	var err error
	for i, o := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(append(appendString(dst, o.key), ':'), o.value, 3); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// sortOptions sorts by key. No two options have the same.
func sortOptions(all []option) {
	slices.SortFunc(all, func(a, b option) int { return strings.Compare(a.key, b.key) })
}

// isCanonical says whether a JSON text is, as it stands, what appendJSON would make of it. It may say no where that is so.
func isCanonical(raw json.RawMessage, depth int) bool {
	n := canonicalValue(raw, depth)
	return n == len(raw) && n > 0 && utf8.Valid(raw)
}

// canonicalValue is the length of the canonical value that text begins with; 0 for none, and where it would be too much to tell.
func canonicalValue(text []byte, depth int) int {
	if len(text) == 0 || depth > maxDepth {
		return 0
	}
	switch c := text[0]; {
	case c == '"':
		return canonicalString(text)
	case c == '{' || c == '[':
		return canonicalList(text, depth)
	case c == 't':
		return wordAt(text, "true")
	case c == 'f':
		return wordAt(text, "false")
	case c == 'n':
		return wordAt(text, "null")
	case c >= '1' && c <= '9':
		n := 1
		for n < len(text) && text[n] >= '0' && text[n] <= '9' {
			n++
		}
		if n < len(text) && strings.IndexByte(".eE", text[n]) >= 0 {
			return 0
		}
		return n
	}
	return 0
}

func wordAt(text []byte, word string) int {
	if len(text) < len(word) || string(text[:len(word)]) != word {
		return 0
	}
	return len(word)
}

// canonicalString knows strings without escapes.
func canonicalString(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i + 1
		case c < ' ' || c == '\\':
			return 0
		}
	}
	return 0
}

// canonicalList knows objects, whose names must be in order, and lists.
func canonicalList(text []byte, depth int) int {
	end, before := byte(']'), ""
	if text[0] == '{' {
		end = '}'
	}
	if len(text) > 1 && text[1] == end {
		return 2
	}
	for i, first := 1, true; i < len(text); first = false {
		if end == '}' {
			n := canonicalString(text[i:])
			if text[i] != '"' || n == 0 || i+n >= len(text) || text[i+n] != ':' {
				return 0
			}
			name := string(text[i+1 : i+n-1])
			if !first && name <= before {
				return 0
			}
			before = name
			i += n + 1
		}
		n := canonicalValue(text[i:], depth+1)
		if i += n; n == 0 || i >= len(text) {
			return 0
		}
		switch text[i] {
		case end:
			return i + 1
		case ',':
			i++
		default:
			return 0
		}
	}
	return 0
}
