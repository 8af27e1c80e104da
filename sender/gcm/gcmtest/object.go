package gcmtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// member is one key of a JSON object with its value as it was written.
type member struct {
	name  string
	value json.RawMessage
}

var errNotObject = errors.New("not a JSON object")

// members takes a JSON object apart, in order. Of repeated keys both are there; Google's parsers let the last win.
func members(raw []byte) ([]member, error) {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, errors.New("not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotObject
	}
	var all []member
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		text, _ := name.(string) // a key is always a string
		all = append(all, member{name: text, value: value})
	}
	if _, err := decoder.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return all, nil
}

// object puts members together again.
func object(all []member) []byte {
	out := []byte{'{'}
	for i, m := range all {
		if i > 0 {
			out = append(out, ',')
		}
		name, _ := json.Marshal(m.name) // a string can always be marshalled
		out = append(append(append(out, name...), ':'), m.value...)
	}
	return append(out, '}')
}

// asText reads a JSON string; ok is false for anything else.
func asText(value json.RawMessage) (text string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(value, &text) == nil
}

// weight is what a payload's value counts: a text its bytes, anything else its JSON.
func weight(value json.RawMessage) int {
	if text, ok := asText(value); ok {
		return len(text)
	}
	return len(value)
}

func isNull(value json.RawMessage) bool { return string(value) == "null" }
