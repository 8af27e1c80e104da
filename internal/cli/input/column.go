package input

import (
	"fmt"
	"strconv"
	"strings"
)

// idColumns are the column names that are understood, the most telling one first: a list with both "id" and
// "device_token" means the latter. Case, spaces and hyphens don't matter.
var idColumns = [...]string{
	"device_token", "registration_id", "registration_token", "push_token", "apns_token", "fcm_token", "gcm_token",
	"fcm_registration_id", "gcm_registration_id", "reg_id", "fid", "installation_id", "token", "device_id",
	"registration_ids", "device_tokens", "tokens", "ids", "id",
}

// maxMistyped is how many characters somebody may have left out of a column's name.
const maxMistyped = 3

// place is where the ids of a table are.
type place struct {
	column int
	header bool
}

// idColumn finds the ids by the first record of a table.
func (r *Recipients) idColumn(line int, record []string) (place, error) {
	width := len(record)
	if r.Header == nil || *r.Header {
		switch found, repeated, header := findColumn(record, r.Column); {
		case repeated:
			return place{}, Errorf("line %d has two columns called %q; rename one of them", line, columnName(record[found]))
		case header:
			return place{found, true}, nil
		}
	}
	if r.Column != "" {
		number, err := strconv.Atoi(r.Column)
		switch {
		case err == nil && (number < 1 || number > width):
			return place{}, Errorf("line %d has no column %d, but %d", line, number, width)
		case err == nil:
			// Which column it is has been said; whether the line has names, only the names can say.
			_, _, usual := findColumn(record, "")
			return place{number - 1, r.named(usual)}, nil
		case r.Header != nil && !*r.Header:
			return place{}, Errorf("without a line of names --column takes a number, counted from 1")
		}
		return place{}, Errorf("line %d names no column %q%s", line, r.Column, r.near(record))
	}
	if width > 1 {
		return place{}, Errorf("line %d has %d columns and none is called token, device_token, registration_id, id …; "+
			"add a line with the names, or say which one with --column NAME, or --column NUMBER without such a line", line, width)
	}
	return place{0, r.named(false)}, nil
}

// near is a question for somebody who misspelt a column. Of the other names nothing is said, nor of one that is much longer: the line may be one
// of ids.
func (r *Recipients) near(record []string) string {
	if r.Nearest == nil {
		return ""
	}
	names := make([]string, len(record))
	for i, name := range record {
		names[i] = columnName(name)
	}
	if found := r.Nearest(columnName(r.Column), names); found != "" && len(found) <= len(r.Column)+maxMistyped {
		return fmt.Sprintf("; did you mean %q?", found)
	}
	return ""
}

// named says whether the first record has the names: what was said, else what was found.
func (r *Recipients) named(found bool) bool {
	if r.Header != nil {
		return *r.Header
	}
	return found
}

// findColumn says which of the names is that of the ids, whether another one is the same, and whether any is.
func findColumn(names []string, wanted string) (column int, repeated, found bool) {
	places := make(map[string][]int, len(names))
	for i, name := range names {
		name = columnName(name)
		places[name] = append(places[name], i)
	}
	candidates := idColumns[:]
	if wanted != "" {
		candidates = []string{columnName(wanted)}
	}
	for _, name := range candidates {
		if at := places[name]; len(at) > 0 {
			return at[0], len(at) > 1, true
		}
	}
	return 0, false, false
}

func columnName(name string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(name)))
}
