package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// heapRoom is how much may be allocated between two collections while little is in use. Go's default is as much as is in use, which with
	// jobs of one recipient and a heap of 8 MB is a collection every few thousand jobs: an eighth of the worker's time.
	heapRoom = 32 << 20
	// heapLook is how often the heap is looked at.
	heapLook = time.Second
	// maxPercent bounds what a heap of nearly nothing would come to.
	maxPercent = 2000
)

// TendHeap has the garbage collector run when heapRoom was allocated since it ran last, or as much as is in use if that is more. It is for
// whoever owns the process, until the context ends; GOGC and GOMEMLIMIT in the environment leave the decision to whoever set them.
func TendHeap(ctx context.Context) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if os.Getenv(name) != "" {
			return
		}
	}
	percent, limit := debug.SetGCPercent(heapPercent(0)), debug.SetMemoryLimit(heapLimit(0))
	defer debug.SetGCPercent(percent)
	defer debug.SetMemoryLimit(limit)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	ticker := time.NewTicker(heapLook)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			metrics.Read(live)
			debug.SetGCPercent(heapPercent(live[0].Value.Uint64()))
			debug.SetMemoryLimit(heapLimit(live[0].Value.Uint64()))
		case <-ctx.Done():
			return
		}
	}
}

// heapPercent is the GOGC for so many bytes in use.
func heapPercent(live uint64) int {
	const least = 100
	if live == 0 {
		return 4 * least
	}
	return int(min(max(heapRoom*100/live, least), maxPercent))
}

// heapLimit is the GOMEMLIMIT for so many bytes in use: a heap that grows between two looks is collected before it is as large as the
// percentage of a small one would let it become.
func heapLimit(live uint64) int64 {
	const others = 24 << 20                        // stacks, and what the runtime has for itself
	return int64(max(2*heapRoom, 2*live) + others) //nolint:gosec // no machine has so much memory
}
