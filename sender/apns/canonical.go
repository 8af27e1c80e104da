package apns

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The payload's JSON is written here and not by encoding/json, because every byte counts against Apple's limit and
// equal messages must have equal bytes: compact, keys sorted at every level, raw UTF-8, and no escape that JSON does not
// demand. encoding/json escapes U+2028, U+2029 and, inside a json.RawMessage, whatever its author escaped.

// maxDepth bounds nesting; a payload of 5 KiB has no use for more, and unbounded recursion is a way to be killed.
const maxDepth = 64

var errTooDeep = fmt.Errorf("nested deeper than %d levels", maxDepth)

// appendJSON appends v. Maps, slices, strings, numbers, booleans, nil and json.RawMessage are written directly; anything
// else goes through encoding/json first.
func appendJSON(dst []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendString(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case *string:
		return appendString(dst, *v), nil
	case *int64:
		return strconv.AppendInt(dst, *v, 10), nil
	case json.Number:
		if v == "" || (v[0] != '-' && (v[0] < '0' || v[0] > '9')) || !json.Valid([]byte(v)) {
			return nil, errors.New("not a number")
		}
		return append(dst, v...), nil
	case []string:
		return appendArray(dst, v, depth)
	case []any:
		return appendArray(dst, v, depth)
	case map[string]any:
		return appendObject(dst, v, depth)
	case map[string]json.RawMessage:
		return appendObject(dst, v, depth)
	case json.RawMessage:
		if isCanonical(v, depth) {
			return append(dst, v...), nil
		}
		decoded, err := decode(v)
		if err != nil {
			return nil, err
		}
		return appendJSON(dst, decoded, depth)
	default:
		encoded, err := json.Marshal(v)
		if err != nil {
			return nil, errors.New("can't be written as JSON") // the library's text may quote the value
		}
		return appendJSON(dst, json.RawMessage(encoded), depth)
	}
}

func appendArray[T any](dst []byte, items []T, depth int) ([]byte, error) {
	if items == nil {
		return append(dst, "null"...), nil
	}
	dst = append(dst, '[')
	var err error
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, item, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendObject[T any](dst []byte, object map[string]T, depth int) ([]byte, error) {
	if object == nil {
		return append(dst, "null"...), nil
	}
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	var err error
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, key), ':')
		if dst, err = appendJSON(dst, object[key], depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// decode reads exactly one JSON value; numbers keep their text.
func decode(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("not valid JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

const hexDigits = "0123456789abcdef"

// appendString appends s quoted: only the quote, the backslash and control characters are escaped, and bytes that are not
// UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if !utf8.ValidString(s) {
		for _, r := range s {
			dst = appendRune(dst, r)
		}
		return append(dst, '"')
	}
	from := 0
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			dst = appendRune(append(dst, s[from:i]...), rune(c))
			from = i + 1
		}
	}
	return append(append(dst, s[from:]...), '"')
}

func appendRune(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r >= ' ':
		return utf8.AppendRune(dst, r)
	case r == '\n':
		return append(dst, '\\', 'n')
	case r == '\r':
		return append(dst, '\\', 'r')
	case r == '\t':
		return append(dst, '\\', 't')
	case r == '\b':
		return append(dst, '\\', 'b')
	case r == '\f':
		return append(dst, '\\', 'f')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&0xf])
	}
}

// stringSize is how many bytes appendString writes for s, without the quotes.
func stringSize(s string) int {
	n := 0
	var scratch [8]byte
	for _, r := range s {
		n += len(appendRune(scratch[:0], r))
	}
	return n
}
