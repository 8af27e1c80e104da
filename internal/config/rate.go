package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how many notifications may be sent in a time. Its text form is a whole number and the time: 5000/s, 300/m, 100/h. The zero Rate,
// "" as a text, is no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// rateUnits are the times, by their letters.
var rateUnits = []struct {
	letter string
	per    time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// PerSecond is the rate in notifications a second; 0 is no limit.
func (r Rate) PerSecond() float64 {
	if r.Count == 0 {
		return 0
	}
	return float64(r.Count) / r.Per.Seconds()
}

// ParseRate reads the text form.
func ParseRate(text string) (Rate, error) {
	if text == "" {
		return Rate{}, nil
	}
	number, letter, _ := strings.Cut(text, "/")
	for _, unit := range rateUnits {
		if strings.TrimSpace(letter) != unit.letter {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(number)); err == nil && n > 0 {
			return Rate{n, unit.per}, nil
		}
	}
	return Rate{}, fmt.Errorf("%s is not a rate; write a whole number and its time: 5000/s, 300/m or 100/h", brief(text))
}

// String returns the text form.
func (r Rate) String() string {
	for _, unit := range rateUnits {
		if r.Count > 0 && r.Per == unit.per {
			return strconv.Itoa(r.Count) + "/" + unit.letter
		}
	}
	return ""
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; see ParseRate.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
