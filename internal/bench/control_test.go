package bench

import (
	"testing"
	"time"
)

func TestMeasured(t *testing.T) {
	ms := time.Millisecond
	few := []time.Duration{3 * ms, 1 * ms, 2 * ms}
	if m := measured("s", "f", few, 3*ms); m.P50 != 2 || m.Max != 3 || m.Samples != 3 || !m.Held {
		t.Errorf("%+v", m)
	}
	if m := measured("s", "f", few, 3*ms-1); m.Held {
		t.Errorf("%+v", m)
	}
	if m := measured("s", "f", few, 0); !m.Held {
		t.Errorf("a figure without a bound: %+v", m)
	}
	// With enough samples the 99th percentile counts, and not the worst.
	many := make([]time.Duration, enoughForP99)
	for i := range many {
		many[i] = ms
	}
	many[7] = time.Hour
	if m := measured("s", "f", many, ms); !m.Held || m.P99 != 1 {
		t.Errorf("%+v", m)
	}
	if m := measured("s", "f", append(many[:enoughForP99-2:enoughForP99-2], time.Hour), ms); m.Held {
		t.Errorf("%+v", m)
	}
}
