// This file models how Google's JSON layer reads a request: the mapping of proto3 JSON ("ProtoJSON Format") and the
// texts that layer answers with. Enums are taken in lower case too, as the documentation of android.priority has it.

package gcmtest

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// values are the fields of a message that were given, by snake_case name: string, []string, map[string]string, bool,
// json.RawMessage for a structure, values for a message within.
type values map[string]any

// reader reads a request and collects what is wrong with it.
type reader struct {
	faults []violation
}

func (r *reader) fault(path, format string, args ...any) {
	r.faults = append(r.faults, violation{Field: path, Description: fmt.Sprintf(format, args...)})
}

// wrong is the complaint about a value of the wrong type.
func (r *reader) wrong(path, protoType string, value json.RawMessage) {
	r.fault(path, "Invalid value at '%s' (%s), %s", path, protoType, value)
}

func (r *reader) object(raw json.RawMessage, path string, shape shape) values {
	all, err := members(raw)
	if err != nil {
		r.wrong(path, "message", raw)
		return nil
	}
	out := values{}
	for _, m := range all {
		name := snake(m.name)
		f, known := shape[name]
		if !known || m.name != name && m.name != camel(name) {
			at := ""
			if path != "" {
				at = " at '" + path + "'"
			}
			r.fault(path, "Invalid JSON payload received. Unknown name %q%s: Cannot find field.", m.name, at)
			continue
		}
		if isNull(m.value) {
			delete(out, name)
			continue
		}
		if value := r.value(m.value, join(path, name), f); value != nil {
			out[name] = value
		}
	}
	return out
}

func (r *reader) value(raw json.RawMessage, path string, f field) any {
	switch f.kind {
	case text:
		if value, ok := asText(raw); ok {
			return value
		}
		r.wrong(path, "TYPE_STRING", raw)
	case boolean:
		var value bool
		if json.Unmarshal(raw, &value) == nil {
			return value
		}
		r.wrong(path, "TYPE_BOOL", raw)
	case integer:
		// proto3 JSON takes a number in quotes as well, and one with a fraction of zero.
		value, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
		if err == nil && value == math.Trunc(value) && math.Abs(value) <= math.MaxInt32 {
			return int64(value)
		}
		r.wrong(path, "TYPE_INT32", raw)
	case number:
		if value, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64); err == nil {
			return value
		}
		r.wrong(path, "TYPE_FLOAT", raw)
	case duration:
		return r.duration(raw, path)
	case timestamp:
		if value, ok := asText(raw); ok {
			if _, err := time.Parse(time.RFC3339, value); err == nil {
				return value
			}
		}
		r.wrong(path, "type.googleapis.com/google.protobuf.Timestamp", raw)
	case enum:
		if value, ok := asText(raw); ok && slices.Contains(f.names, strings.ToUpper(value)) {
			return strings.ToUpper(value)
		}
		r.wrong(path, "TYPE_ENUM", raw)
	case structure:
		if _, err := members(raw); err == nil {
			return raw
		}
		r.wrong(path, "type.googleapis.com/google.protobuf.Struct", raw)
	case inner:
		return r.object(raw, path, f.shape)
	case textMap:
		return r.textMap(raw, path)
	case texts, durations:
		return r.list(raw, path, f.kind)
	}
	return nil
}

// duration takes seconds with up to nine digits of fraction and the suffix s.
func (r *reader) duration(raw json.RawMessage, path string) any {
	value, ok := asText(raw)
	seconds, suffixed := strings.CutSuffix(value, "s")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(seconds, "-"), ".")
	if ok && suffixed && whole != "" && len(fraction) <= 9 && strings.Trim(whole+fraction, "0123456789") == "" && !strings.HasSuffix(seconds, ".") {
		return value
	}
	r.fault(path, "Invalid value at '%s' (type.googleapis.com/google.protobuf.Duration), Illegal duration format; duration must end with 's'", path)
	return nil
}

func (r *reader) textMap(raw json.RawMessage, path string) any {
	all, err := members(raw)
	if err != nil {
		r.wrong(path, "TYPE_MAP", raw)
		return nil
	}
	out := map[string]string{}
	for i, m := range all {
		value, ok := asText(m.value)
		if !ok {
			r.wrong(fmt.Sprintf("%s[%d].value", path, i), "TYPE_STRING", m.value)
		}
		out[m.name] = value
	}
	return out
}

func (r *reader) list(raw json.RawMessage, path string, k kind) any {
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		r.wrong(path, "TYPE_LIST", raw)
		return nil
	}
	out := []string{}
	for i, element := range all {
		at := fmt.Sprintf("%s[%d]", path, i)
		if k == durations {
			r.duration(element, at)
			continue
		}
		value, ok := asText(element)
		if !ok {
			r.wrong(at, "TYPE_STRING", element)
		}
		out = append(out, value)
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// snake and camel turn names of fields into each other.
func snake(name string) string {
	var out strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			out.WriteByte('_')
			c += 'a' - 'A'
		}
		out.WriteRune(c)
	}
	return out.String()
}

func camel(name string) string {
	first, rest, found := strings.Cut(name, "_")
	for found && rest != "" {
		var word string
		word, rest, found = strings.Cut(rest, "_")
		if word != "" {
			first += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return first
}
