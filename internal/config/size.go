package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. Its text form is a whole number with an optional unit: 512MiB, 10GiB, 100GB, 1073741824.
type Size int64

// sizeUnits are the units; B comes last, because the others end with it too.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

// ParseSize reads the text form.
func ParseSize(text string) (Size, error) {
	number, factor := strings.TrimSpace(text), int64(1)
	for _, unit := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, unit.name); ok {
			number, factor = strings.TrimSpace(rest), unit.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("%s is not a size; write for example 512MiB or 10GiB", brief(text))
	}
	return Size(n * factor), nil
}

// String returns the text form, exactly, in the unit with the smallest number.
func (s Size) String() string {
	number, name := int64(s), ""
	for _, unit := range sizeUnits {
		if n := int64(s) / unit.bytes; int64(s)%unit.bytes == 0 && n < number {
			number, name = n, unit.name
		}
	}
	return strconv.FormatInt(number, 10) + name
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; see ParseSize.
func (s *Size) UnmarshalText(text []byte) error {
	parsed, err := ParseSize(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}
