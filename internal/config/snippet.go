package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// snippet shows lines of a configuration file in an error. Of values it shows only those of known settings that hold no
// secret: a misspelt key may be one whose value is.
type snippet struct {
	lines []string
	plain map[string]bool
}

func newSnippet(text string) snippet {
	plain := make(map[string]bool)
	plainKeys(reflect.TypeFor[Config](), plain)
	return snippet{lines: strings.Split(text, "\n"), plain: plain}
}

// plainKeys collects the keys of settings whose values may be shown.
func plainKeys(t reflect.Type, into map[string]bool) {
	switch {
	case t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[URL]():
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Map:
		plainKeys(t.Elem(), into)
	case t.Kind() == reflect.Struct:
		for field := range t.Fields() {
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if field.Type != reflect.TypeFor[Secret]() && field.Type != reflect.TypeFor[URL]() {
				into[key] = true
			}
			plainKeys(field.Type, into)
		}
	}
}

// linePattern takes a line apart: indentation and key, colon, value.
var linePattern = regexp.MustCompile(`^(\s*"?([A-Za-z0-9_.-]+)"?\s*:)(\s*)(.*)$`)

// masked is a line without what may be a secret.
func (s snippet) masked(line string) string {
	line, _, _ = strings.Cut(" "+line, " #")
	line = strings.TrimPrefix(strings.TrimRight(line, " \t\r"), " ")
	if line == "" {
		return line
	}
	parts := linePattern.FindStringSubmatch(line)
	switch {
	case parts == nil:
		return line[:len(line)-len(strings.TrimLeft(line, " \t"))] + "…"
	case parts[4] == "":
		return line
	case s.plain[parts[2]] && !strings.ContainsAny(parts[4][:1], "{[|>&*!#\"'") && !strings.Contains(parts[4], ": "):
		return line
	}
	return parts[1] + parts[3] + "…"
}

// around shows a line with two before and one after it, and a mark under the column. Lines and columns count from 1.
func (s snippet) around(line, column int) string {
	var out strings.Builder
	for n := max(1, line-2); n <= min(len(s.lines), line+1); n++ {
		mark := ' '
		if n == line {
			mark = '>'
		}
		shown := s.masked(s.lines[n-1])
		fmt.Fprintf(&out, "%c %4d | %s\n", mark, n, shown)
		if n == line && column <= len(shown) {
			fmt.Fprintf(&out, "       | %s^\n", strings.Repeat(" ", column-1))
		}
	}
	return out.String()
}
