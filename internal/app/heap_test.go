package app

import (
	"context"
	"math"
	"runtime/debug"
	"testing"
)

func TestHeapSettings(t *testing.T) {
	const mb = 1 << 20
	for _, test := range []struct {
		live    uint64
		percent int
		limit   int64
	}{
		{0, 400, 88 * mb},
		{1 * mb, 2000, 88 * mb},
		{8 * mb, 400, 88 * mb},
		{40 * mb, 100, 104 * mb},
		{400 * mb, 100, 824 * mb},
	} {
		if percent, limit := heapPercent(test.live), heapLimit(test.live); percent != test.percent || limit != test.limit {
			t.Errorf("with %d MB in use: %d %% and %d MB, want %d %% and %d MB", test.live/mb, percent, limit/mb, test.percent, test.limit/mb)
		}
	}
}

// What the process had is in force again at the end, and whoever sets GOGC decides.
func TestTendHeapLeavesNothingBehind(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	settings := func() (int, int64) {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent, debug.SetMemoryLimit(-1)
	}
	percent, limit := settings()
	TendHeap(ctx)
	if p, l := settings(); p != percent || l != limit || l != math.MaxInt64 {
		t.Errorf("%d %% and %d bytes are left in force", p, l)
	}
	t.Setenv("GOGC", "50")
	TendHeap(context.WithoutCancel(t.Context())) // returns, though nobody ends it
}
