package jobs

import (
	"encoding/json"
	"slices"
	"strings"
)

// canonical returns the value in the one form that everything behind the codec sees: no spaces, keys sorted, raw
// UTF-8 instead of escapes, numbers as they were written. So sizes are counted on what is sent, and equal jobs give
// equal bytes.
func (v value) canonical() json.RawMessage {
	simple := v.kind != kindObject && v.kind != kindArray
	if simple && !strings.Contains(v.raw, `\`) {
		return json.RawMessage(v.raw)
	}
	decoder := json.NewDecoder(strings.NewReader(v.raw))
	decoder.UseNumber()
	var tree any
	// The scanner has accepted the text, so there is no error to see here.
	_ = decoder.Decode(&tree)
	return appendTree(make([]byte, 0, len(v.raw)), tree)
}

func appendTree(b []byte, tree any) []byte {
	switch t := tree.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		if t {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case json.Number:
		return append(b, t...)
	case string:
		return appendString(b, t)
	case []any:
		b = append(b, '[')
		for i, element := range t {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendTree(b, element)
		}
		return append(b, ']')
	case map[string]any:
		names := make([]string, 0, len(t))
		for name := range t {
			names = append(names, name)
		}
		slices.Sort(names)
		b = append(b, '{')
		for i, name := range names {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, name), ':')
			b = appendTree(b, t[name])
		}
		return append(b, '}')
	}
	return b
}

// appendString appends the text as a JSON string: raw UTF-8, escapes only where JSON demands them and the short ones
// where there are any, so that no text grows. encoding/json would escape U+2028 and U+2029 whatever it is told.
func appendString(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, text[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		default:
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		}
	}
	b = append(b, text[start:]...)
	return append(b, '"')
}
