package enqueue

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// repeatsAtOnce is how many ids are compared at once, in 32 MiB. A longer list is first dealt out to files by what its ids
// hash to, so that those that are alike meet in one: more disk, not more memory, and each id is still looked at once.
const repeatsAtOnce = 3 << 19

// fingerprint stands for an id: 16 bytes of its SHA-256. Two different ids of a list of five million have the same one, and the
// second would be lost, with a probability below 10^-25.
type fingerprint [16]byte

// dropRepeats skips every record that occurred before, and says how many those are.
func (s *spool) dropRepeats() (int, error) { return s.dropRepeatsBy(repeatsAtOnce) }

func (s *spool) dropRepeatsBy(atOnce int) (int, error) {
	skip := make([]uint64, (s.records+63)/64)
	repeats := 0
	drop := func(i int) {
		skip[i/64] |= 1 << (i % 64)
		repeats++
	}
	var err error
	if s.records <= atOnce {
		seen := newSeen(s.records)
		err = s.eachFingerprint(func(i int, key fingerprint, _ uint64) error {
			if seen.add(key) {
				drop(i)
			}
			return nil
		})
	} else {
		err = s.eachRepeatByFiles((s.records+atOnce-1)/atOnce, drop)
	}
	if err != nil {
		return 0, err
	}
	s.skip = skip
	return repeats, nil
}

// eachRepeatByFiles deals the fingerprints out to so many files and finds the repeats in each.
func (s *spool) eachRepeatByFiles(files int, drop func(i int)) error {
	parts := make([]*spool, files)
	for i := range parts {
		parts[i] = &spool{}
		defer parts[i].close()
	}
	var record []byte
	err := s.eachFingerprint(func(i int, key fingerprint, spread uint64) error {
		record = binary.AppendVarint(append(record[:0], key[:]...), int64(i))
		return parts[scale(spread, files)].add(record)
	})
	if err != nil {
		return err
	}
	largest := 0
	for _, part := range parts {
		largest = max(largest, part.records)
	}
	seen := newSeen(largest)
	for _, part := range parts {
		seen.clear()
		err := part.each(func(record []byte) error {
			i, _ := binary.Varint(record[len(fingerprint{}):])
			if seen.add(fingerprint(record)) {
				drop(int(i))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachFingerprint calls visit with the fingerprint of every record, and with a number that spreads evenly and has nothing to do
// with it.
func (s *spool) eachFingerprint(visit func(i int, key fingerprint, spread uint64) error) error {
	return s.eachIndexed(func(i int, record []byte) error {
		if s.alike != nil {
			record = s.alike(record)
		}
		sum := sha256.Sum256(record)
		return visit(i, fingerprint(sum[:]), binary.LittleEndian.Uint64(sum[len(fingerprint{}):]))
	})
}

// seen is a set of fingerprints. It is made once in its final size and holds no pointers: a map grows by copying itself, and takes
// twice as much.
type seen struct {
	slots []fingerprint
	zero  bool
}

// newSeen makes room for n fingerprints: a third more slots, so that a look-up takes about two and a half of them when it is full.
func newSeen(n int) *seen { return &seen{slots: make([]fingerprint, n+n/3+1)} }

// add says whether the fingerprint is there already, and adds it.
func (s *seen) add(key fingerprint) (repeated bool) {
	if key == (fingerprint{}) { // an empty slot
		repeated, s.zero = s.zero, true
		return repeated
	}
	at := scale(binary.LittleEndian.Uint64(key[:]), len(s.slots))
	for s.slots[at] != (fingerprint{}) {
		if s.slots[at] == key {
			return true
		}
		if at++; at == len(s.slots) {
			at = 0
		}
	}
	s.slots[at] = key
	return false
}

func (s *seen) clear() {
	clear(s.slots)
	s.zero = false
}

// scale maps a number that spreads over all of uint64 evenly to 0 … n-1.
func scale(number uint64, n int) int {
	high, _ := bits.Mul64(number, uint64(n)) //nolint:gosec // a length is not negative
	return int(high)                         //nolint:gosec // less than n
}
