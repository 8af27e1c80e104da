package dash

import (
	"fmt"
	"math"
	"slices"
)

// maxBounds is how many bounds a histogram of others may have.
const maxBounds = 64

// Histogram counts durations in seconds by size: Counts[i] are those of at most Bounds[i], and not of a smaller bound; the last
// count, one more than there are bounds, has the rest. The zero Histogram is empty.
type Histogram struct {
	Bounds []float64 `json:"bounds,omitempty"`
	Counts []uint64  `json:"counts,omitempty"`
}

// check says what is wrong with a histogram of others.
func (h Histogram) check() error {
	if len(h.Bounds) == 0 && len(h.Counts) == 0 {
		return nil
	}
	if len(h.Bounds) > maxBounds || len(h.Counts) != len(h.Bounds)+1 || !slices.IsSorted(h.Bounds) || slices.ContainsFunc(h.Bounds, math.IsNaN) {
		return fmt.Errorf("%w: it has a histogram of %d bounds and %d counts", errNotRead, len(h.Bounds), len(h.Counts))
	}
	return nil
}

// total is how many were counted.
func (h Histogram) total() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// since is what was counted after an earlier reading of the same sums; all of it if the bounds were others.
func (h Histogram) since(before Histogram) Histogram {
	if !slices.Equal(h.Bounds, before.Bounds) || len(h.Counts) != len(before.Counts) {
		return h
	}
	d := Histogram{Bounds: h.Bounds, Counts: make([]uint64, len(h.Counts))}
	for i := range h.Counts {
		d.Counts[i] = less(h.Counts[i], before.Counts[i])
	}
	return d
}

// add adds another histogram. The first that is added gives the bounds; those of others (another release, on another worker) are
// counted at the next larger bound.
func (h *Histogram) add(d Histogram) {
	if len(d.Counts) == 0 {
		return
	}
	if len(h.Counts) == 0 {
		h.Bounds, h.Counts = d.Bounds, slices.Clone(d.Counts)
		return
	}
	for i, n := range d.Counts {
		at := len(h.Bounds)
		if i < len(d.Bounds) {
			at, _ = slices.BinarySearch(h.Bounds, d.Bounds[i])
		}
		h.Counts[at] += n
	}
}

// quantile is the duration in seconds that a share q of what was counted did not exceed, interpolated within its bucket; false if
// nothing was counted. What lies above the largest bound is said to be that bound.
func (h Histogram) quantile(q float64) (float64, bool) {
	total := h.total()
	if total == 0 || len(h.Bounds) == 0 {
		return 0, false
	}
	rank := q * float64(total)
	var below uint64
	for i, n := range h.Counts {
		if n == 0 || float64(below+n) < rank {
			below += n
			continue
		}
		if i == len(h.Bounds) {
			break
		}
		low := 0.0
		if i > 0 {
			low = h.Bounds[i-1]
		}
		return low + (h.Bounds[i]-low)*(rank-float64(below))/float64(n), true
	}
	return h.Bounds[len(h.Bounds)-1], true
}
