package jobs

import (
	"fmt"
	"strconv"
	"strings"
)

// Indexes is an ascending list of positions in a job's original ids. Its text form, used in JSON and headers, is
// comma-separated ranges: "12,17-20". The empty list is "".
type Indexes []int

// String returns the text form.
func (x Indexes) String() string { return string(x.AppendText(nil)) }

// AppendText appends the text form to b.
func (x Indexes) AppendText(b []byte) []byte {
	for i := 0; i < len(x); {
		j := i + 1
		for j < len(x) && x[j] == x[j-1]+1 {
			j++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(x[i]), 10)
		if j > i+1 {
			b = append(b, '-')
			b = strconv.AppendInt(b, int64(x[j-1]), 10)
		}
		i = j
	}
	return b
}

// MarshalText implements encoding.TextMarshaler.
func (x Indexes) MarshalText() ([]byte, error) { return x.AppendText(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler; see ParseIndexes.
func (x *Indexes) UnmarshalText(text []byte) error {
	parsed, err := ParseIndexes(string(text))
	if err != nil {
		return err
	}
	*x = parsed
	return nil
}

// maxIndexes bounds what a hostile text can make ParseIndexes allocate: more than any job of 1 MiB can have.
const maxIndexes = 1 << 20

// ParseIndexes reads the text form. It refuses anything that is not strictly ascending, signs, spaces, leading
// zeros, and lists of more than 2^20 positions.
func ParseIndexes(text string) (Indexes, error) { return parseIndexes(text, maxIndexes) }

// parseIndexes reads at most limit positions, and allocates for no more.
func parseIndexes(text string, limit int) (Indexes, error) {
	if text == "" {
		return Indexes{}, nil
	}
	var out Indexes
	last := -1
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		lo, err := parseIndex(from)
		if err != nil {
			return nil, err
		}
		hi := lo
		if isRange {
			if hi, err = parseIndex(to); err != nil {
				return nil, err
			}
			if hi <= lo {
				return nil, fmt.Errorf("range %q is not ascending", shortened(part))
			}
		}
		if lo <= last {
			return nil, fmt.Errorf("indexes are not ascending at %q", shortened(part))
		}
		if len(out)+hi-lo+1 > limit {
			return nil, fmt.Errorf("more than %d indexes", limit)
		}
		for i := lo; i <= hi; i++ {
			out = append(out, i)
		}
		last = hi
	}
	return out, nil
}

func parseIndex(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || (len(text) > 1 && text[0] == '0') {
		return 0, fmt.Errorf("%q is not an index", shortened(text))
	}
	return int(n), nil
}

// shortened keeps a hostile text from filling a log.
func shortened(text string) string {
	if len(text) > 24 {
		return text[:24] + "…"
	}
	return text
}
