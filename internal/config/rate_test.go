package config

import (
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"": {}, "5000/s": {5000, time.Second}, "300/m": {300, time.Minute}, "1/h": {1, time.Hour}, " 10 / s ": {10, time.Second},
	} {
		got, err := ParseRate(text)
		if err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
		if again, err := ParseRate(got.String()); err != nil || again != got {
			t.Errorf("%q is printed as %q", text, got)
		}
	}
	for _, text := range []string{"5000", "0/s", "-1/s", "1.5/s", "5/d", "5/ms", "/s", "s", "5/s/s", "99999999999999999999/s"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	if r := (Rate{90, time.Minute}).PerSecond(); r != 1.5 {
		t.Errorf("90/m is %v a second", r)
	}
}
