package provider

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// uuidText is how long a UUID is in its text form.
const uuidText = 36

// apnsIDs makes the apns-id of each recipient of a job: a UUID of the kind that everybody may fill as they like (version 8, RFC 9562
// 5.8), with bits of a hash of app and job in front and the recipient's index in its last four bytes. It is the same in every
// round and on every worker, so that a notification that had to be sent again can be recognised. Only the index differs within a job, because a
// hash for each recipient costs (docs/decisions/002-apns-id.md).
func apnsIDs(app, job string, positions []int) []string {
	front := newAPNSIDs(app, job)
	text := make([]byte, 0, len(positions)*uuidText)
	for _, position := range positions {
		text = front.append(text, position)
	}
	// One text for all of them: an allocation each would be most of what is allocated for a notification.
	ids, all := make([]string, len(positions)), string(text)
	for i := range ids {
		ids[i] = all[i*uuidText : (i+1)*uuidText]
	}
	return ids
}

// apnsID makes one of them.
func apnsID(app, job string, position int) string {
	front := newAPNSIDs(app, job)
	var text [uuidText]byte
	return string(front.append(text[:0], position))
}

// apnsIDFront is what the ids of a job have in common: their text without the last eight digits.
type apnsIDFront [uuidText - 8]byte

func newAPNSIDs(app, job string) (front apnsIDFront) {
	var room [112]byte
	id := sha256.Sum256(append(append(append(room[:0], app...), 0), job...))
	id[6] = id[6]&0x0f | 8<<4
	id[8] = id[8]&0x3f | 2<<6
	text := front[:0]
	from := 0
	for _, to := range [...]int{4, 6, 8, 10} {
		text = append(hex.AppendEncode(text, id[from:to]), '-')
		from = to
	}
	hex.AppendEncode(text, id[from:12])
	return front
}

func (f *apnsIDFront) append(text []byte, position int) []byte {
	var index [4]byte
	binary.BigEndian.PutUint32(index[:], uint32(position)) //nolint:gosec // a job has far fewer recipients
	return hex.AppendEncode(append(text, f[:]...), index[:])
}
