package jobs

import (
	"fmt"
	"strings"
)

// faultList collects the faults of one job, at most MaxFaults of them: a hostile job has as many as it has bytes, and
// its dead letter's event must fit a message.
type faultList struct {
	faults Faults
	more   int
}

func (l *faultList) add(field, format string, args ...any) {
	if len(l.faults) == MaxFaults {
		l.more++
		return
	}
	l.faults = append(l.faults, Fault{field, fmt.Sprintf(format, args...)})
}

// err returns the Faults, or nil if there are none.
func (l *faultList) err() error {
	switch {
	case len(l.faults) == 0:
		return nil
	case l.more > 0:
		return append(l.faults, Fault{"", fmt.Sprintf("%d more faults are not listed", l.more)})
	}
	return l.faults
}

// shownName is a name from a job as a fault may show it.
func shownName(name string) string {
	switch {
	case name == "":
		return "(an empty name)"
	case len(name) > MaxNameBytes:
		return fmt.Sprintf("(a name of %d bytes)", len(name))
	}
	return name
}

// shownPath joins names from the outside to the inside.
func shownPath(names ...string) string {
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = shownName(name)
	}
	return strings.Join(shown, ".")
}

// oneOf lists words for a fault: "a", "b" or "c".
func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = fmt.Sprintf("%q", word)
	}
	last := len(quoted) - 1
	if last == 0 {
		return quoted[0]
	}
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// nearest returns the known name that somebody who wrote name probably meant, "" if none is near.
func nearest(name string, known []string) string {
	if len(name) > MaxNameBytes {
		return ""
	}
	plain := plainName(name)
	best, bestDistance := "", len(plain)/3+1
	for _, candidate := range known {
		if d := distance(plain, plainName(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// plainName makes the usual spellings of one name equal: thread-id, threadId, thread_id.
func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name))
}

// distance counts the insertions, deletions, replacements and swaps of neighbours between a and b, which are short.
func distance(a, b string) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			replace := previous[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			current[j] = min(previous[j]+1, current[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
