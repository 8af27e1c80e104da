package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxShown is the longest value that an error quotes. Google's server keys have 39 characters or more.
const maxShown = 38

// The tree is walked by its yaml tags, both for the file and for the environment, so that a new setting is one field.

// child is one key of a section.
type child struct {
	key   string
	value reflect.Value
	// path is set for a setting that names a file or folder.
	path bool
}

// children lists the keys of a section in order.
func children(section reflect.Value) []child {
	var out []child
	for field, value := range section.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		_, path := field.Tag.Lookup("path")
		out = append(out, child{key: key, value: value, path: path})
	}
	return out
}

// isSection says whether a value has keys of its own.
func isSection(v reflect.Value) bool {
	if _, scalar := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); scalar {
		return false
	}
	return v.Kind() == reflect.Struct
}

// newSection makes what a pointer in the tree points to, with its defaults.
func newSection(pointer reflect.Type) reflect.Value {
	switch pointer {
	case reflect.TypeFor[*App]():
		return reflect.ValueOf(DefaultApp())
	case reflect.TypeFor[*APNS]():
		return reflect.ValueOf(DefaultAPNS())
	case reflect.TypeFor[*GCM]():
		return reflect.ValueOf(DefaultGCM())
	}
	return reflect.New(pointer.Elem())
}

// set gives a scalar the value that text stands for. The error says what is expected. It may show the text, but
// never that of a Secret or URL, which take every text.
func set(v reflect.Value, text string) error {
	switch target := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(text))
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%s is not a duration; write a number with its unit: 500ms, 30s, 5m or 24h", brief(text))
		}
		*target = d
	case *string:
		*target = text
	case *bool:
		switch text {
		case "true", "1":
			*target = true
		case "false", "0":
			*target = false
		default:
			return fmt.Errorf("%s is neither true nor false", brief(text))
		}
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s is not a whole number", brief(text))
		}
		*target = n
	case *int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is not a whole number", brief(text))
		}
		*target = n
	case *float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%s is not a number", brief(text))
		}
		*target = f
	case *map[string]string:
		return setLevels(target, text)
	default:
		return fmt.Errorf("a setting of the type %s can't be read", v.Type())
	}
	return nil
}

// setLevels reads "volley.apns=debug,volley.gcm=warn".
func setLevels(levels *map[string]string, text string) error {
	out := make(map[string]string)
	for pair := range strings.SplitSeq(text, ",") {
		name, level, ok := strings.Cut(pair, "=")
		if name, level = strings.TrimSpace(name), strings.TrimSpace(level); !ok || name == "" || level == "" {
			return errors.New("it is not a list like volley.apns=debug,volley.gcm=warn")
		}
		out[name] = level
	}
	*levels = out
	return nil
}

// brief quotes a value in an error, unless it looks like a key or password that was put in the wrong place.
func brief(text string) string {
	if len(text) > maxShown || strings.Contains(text, "\n") {
		return fmt.Sprintf("a text of %d characters", len(text))
	}
	return strconv.Quote(text)
}

// suggest is "; did you mean …?" if a known key is close to the unknown one, else the list of the known ones.
func suggest(unknown string, known []child) string {
	var keys []string
	best, least := "", 3
	for _, c := range known {
		keys = append(keys, c.key)
		if d := distance(unknown, c.key); d < least {
			best, least = c.key, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known here: " + strings.Join(keys, ", ")
}

// distance is how many letters must be changed, added or left out to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{change, diagonal + 1, row[j] + 1})
		}
	}
	return row[len(b)]
}
