package bench

import (
	"testing"
	"time"
)

// A steady flow is on time, one that is a tenth too fast is a tenth too early, and one that pauses is late by the pause.
func TestDeviations(t *testing.T) {
	flow := func(perSecond float64, pause time.Duration) (counts []count) {
		for at := time.Duration(0); at < 20*time.Second; at += 5 * time.Millisecond {
			active := at
			if at > 5*time.Second {
				active = max(5*time.Second, at-pause)
			}
			counts = append(counts, count{at, int(perSecond * active.Seconds())})
		}
		return counts
	}
	for name, row := range map[string]struct {
		counts      []count
		least, most time.Duration
	}{
		"steady":   {flow(1000, 0), 0, 10 * time.Millisecond},
		"too fast": {flow(1111.2, 0), 990 * time.Millisecond, 1010 * time.Millisecond},
		"paused":   {flow(1000, 400*time.Millisecond), 0, 410 * time.Millisecond},
	} {
		off := deviations(row.counts, 1000)
		if len(off) < 80 {
			t.Fatalf("%s: %d windows", name, len(off))
		}
		worst, best := off[0], off[0]
		for _, d := range off {
			worst, best = max(worst, d), min(best, d)
		}
		if best < row.least || worst > row.most || name == "paused" && worst < 390*time.Millisecond {
			t.Errorf("%s: %s to %s", name, best, worst)
		}
	}
	if off := deviations(flow(100, 0), 1000); len(off) != 0 {
		t.Errorf("windows that never end: %v", off)
	}
}
