package simulator

import (
	"crypto/sha256"
	"encoding/binary"
)

// Selected reports whether a percent rule with this salt hits the token. It depends on nothing else, so every program
// in any language can compute who is hit: take the first eight bytes of SHA-256(salt + "\x00" + token) as a big-endian
// number, shift it right by 11, divide by 2^53, multiply by 100; hit if that is below percent. 100 hits all, 0 nobody.
//
// The same salt orders tokens the same way: whoever is hit at 10 percent is also hit at 20.
func Selected(token, salt string, percent float64) bool {
	if percent >= 100 {
		return true
	}
	if percent <= 0 {
		return false
	}
	input := make([]byte, 0, 256)
	input = append(input, salt...)
	input = append(input, 0)
	input = append(input, token...)
	sum := sha256.Sum256(input)
	position := float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
	return position*100 < percent
}
