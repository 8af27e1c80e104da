package provider

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/google/uuid"
)

const (
	// uuidText is how long a UUID is in its text form, and indexText how much of it says which recipient it is.
	uuidText  = 36
	indexText = 8
)

// apnsIDs makes the apns-id of each recipient of a job: a UUID of the kind that everybody may fill as they like (version 8, RFC 9562
// 5.8), with bits of a hash of app and job in front and the recipient's index in its last four bytes. It is the same in every
// round and on every worker, so that a notification that had to be sent again can be recognised. Only the index differs within a job:
// a hash for each recipient would be a tenth of what sending costs.
func apnsIDs(app, job string, positions []int) []string {
	hash := sha256.Sum256(append(append([]byte(app), 0), job...))
	id := uuid.UUID(hash[:16])
	id[6] = id[6]&0x0f | 8<<4
	id[8] = id[8]&0x3f | 2<<6
	front := id.String()[:uuidText-indexText]
	text := make([]byte, 0, len(positions)*uuidText)
	for _, position := range positions {
		binary.BigEndian.PutUint32(id[12:], uint32(position)) //nolint:gosec // a job has far fewer recipients
		text = hex.AppendEncode(append(text, front...), id[12:])
	}
	// One text for all of them: an allocation each would be most of what is allocated for a notification.
	ids, all := make([]string, len(positions)), string(text)
	for i := range ids {
		ids[i] = all[i*uuidText : (i+1)*uuidText]
	}
	return ids
}
