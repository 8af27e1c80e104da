package obs

import (
	"testing"
	"time"
)

func TestBurst(t *testing.T) {
	now := noon()
	b := &Burst{Most: 2, Period: time.Minute, Now: func() time.Time { return now }}
	type answer struct {
		ok   bool
		held int
	}
	ask := func(kind string, want answer) {
		t.Helper()
		if ok, held := b.Allow(kind); ok != want.ok || held != want.held {
			t.Errorf("%s: %v and %d held, want %+v", kind, ok, held, want)
		}
	}
	ask("dead", answer{true, 0})
	ask("dead", answer{true, 0})
	ask("dead", answer{false, 0})
	ask("dead", answer{false, 0})
	ask("trouble", answer{true, 0}) // another kind has a burst of its own
	now = now.Add(time.Minute - time.Nanosecond)
	ask("dead", answer{false, 0})
	now = now.Add(time.Nanosecond)
	ask("dead", answer{true, 3})
	ask("dead", answer{true, 0})
	ask("dead", answer{false, 0})
}
