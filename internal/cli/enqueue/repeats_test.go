package enqueue

import (
	"encoding/binary"
	"math"
	"testing"
)

// TestSeenFindsItsPlaces fills a set whose fingerprints all want the last slot: they go on at the front.
func TestSeenFindsItsPlaces(t *testing.T) {
	t.Parallel()
	const n = 6
	s := newSeen(n)
	var all []fingerprint
	for i := range n {
		var key fingerprint
		binary.LittleEndian.PutUint64(key[:8], math.MaxUint64)
		key[15] = byte(i)
		all = append(all, key)
	}
	all = append(all, fingerprint{})
	for round := range 2 {
		for i, key := range all {
			if repeated := s.add(key); repeated != (round == 1) {
				t.Errorf("round %d, fingerprint %d: repeated %t", round, i, repeated)
			}
		}
	}
	s.clear()
	for i, key := range all {
		if s.add(key) {
			t.Errorf("fingerprint %d is there after clear", i)
		}
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		number  uint64
		n, want int
	}{{0, 7, 0}, {math.MaxUint64, 7, 6}, {1 << 63, 8, 4}, {1<<63 - 1, 8, 3}, {math.MaxUint64, 1, 0}} {
		if got := scale(test.number, test.n); got != test.want {
			t.Errorf("scale(%d, %d) = %d, want %d", test.number, test.n, got, test.want)
		}
	}
}
