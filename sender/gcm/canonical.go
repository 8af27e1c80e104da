package gcm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// decodeValue turns anything that encodes to JSON into nil, bool, json.Number, string, []any and map[string]any. Numbers keep
// the digits they were written with. A json.RawMessage that is empty is null.
func decodeValue(v any) (any, error) {
	raw, ok := v.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			return nil, errors.New("can't be encoded as JSON")
		}
	}
	if len(raw) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var out any
	if err := decoder.Decode(&out); err != nil {
		return nil, errors.New("is not JSON")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("has data after the JSON value")
	}
	return out, nil
}

// jsonInt is an integer in the form that decodeValue gives numbers.
func jsonInt(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// appendJSON appends v, as decodeValue returns it: compact, keys sorted, raw UTF-8. encoding/json would escape U+2028 and
// U+2029 even with HTML escaping off, and keeps the order of keys in raw values.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		return append(b, v...)
	case string:
		return appendString(b, v)
	case []any:
		b = append(b, '[')
		for i, element := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, element)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, key), ':')
			b = appendJSON(b, v[key])
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// appendString appends a JSON string that escapes only what JSON demands. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := len(b)
	b = append(b, s...)
	if unescaped(b[start:]) < len(s) {
		b = appendEscaped(b[:start], strings.ToValidUTF8(s, "\uFFFD"))
	}
	return append(b, '"')
}

// unescaped counts the bytes at the beginning that stand for themselves in a JSON string and are ASCII, eight at a time.
func unescaped(b []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	at := 0
	for ; at+8 <= len(b); at += 8 {
		x := binary.LittleEndian.Uint64(b[at:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		// The lowest top bit that is set belongs to the first byte below 0x20, equal to one of the two, or above 0x7f: a borrow only goes upwards.
		if found := (x | (x - ones*0x20) | (quote-ones)&^quote | (slash-ones)&^slash) & tops; found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for ; at < len(b); at++ {
		if c := b[at]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			break
		}
	}
	return at
}

func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(b, s[from:]...)
}

// stringValue is the rule by which a value of any type becomes a string of FCM v1's data: a string as it is, true and false, a
// number in its shortest decimal form (see shortestDecimal), an array or object as compact JSON with sorted keys. null has no
// string form (ok is false): the key is left out, because an app reads an absent key as "nothing" and would show "null".
func stringValue(v any) (text string, ok bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case json.Number:
		return shortestDecimal(string(v)), true
	}
	return string(appendJSON(nil, v)), true
}

// maxPlainDigits bounds how far an exponent is written out.
const maxPlainDigits = 32

// shortestDecimal writes a JSON number as the shortest plain decimal that means exactly the same: 1.50 is 1.5, 1e3 is 1000, -0 is 0,
// 12345678901234567890 is itself. No digit is ever rounded. A number that would need more than 32 places is left as given.
func shortestDecimal(literal string) string {
	number, negative := strings.CutPrefix(literal, "-")
	mantissa, exponent := number, 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(number[i+1:]); err != nil {
			return literal
		}
		mantissa = number[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	// The decimal point stands after this many of the digits.
	point := len(whole) + exponent - (len(whole) + len(fraction) - len(digits))
	if point > max(maxPlainDigits, len(whole)) || point < -maxPlainDigits {
		return literal
	}
	digits = strings.TrimRight(digits, "0")
	switch {
	case point <= 0:
		number = "0." + strings.Repeat("0", -point) + digits
	case point >= len(digits):
		number = digits + strings.Repeat("0", point-len(digits))
	default:
		number = digits[:point] + "." + digits[point:]
	}
	if negative {
		return "-" + number
	}
	return number
}
