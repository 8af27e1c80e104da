package provider

import (
	"encoding/binary"

	"github.com/google/uuid"
)

// apnsIDs makes the apns-id of each recipient of a job: a version 5 UUID of app, job and index, in a name space of our own. It is
// the same in every round and on every worker, so that a notification that had to be sent again can be recognised.
func apnsIDs(app, job string, positions []int) []string {
	space := uuid.UUID{0x5d, 0x1f, 0x6a, 0x0c, 0x8e, 0x27, 0x4b, 0x43, 0x9a, 0x51, 0x3e, 0xc4, 0x70, 0xb2, 0x19, 0xd6}
	name := append(append(append([]byte(app), 0), job...), 0)
	ids := make([]string, len(positions))
	for i, position := range positions {
		ids[i] = uuid.NewSHA1(space, binary.BigEndian.AppendUint32(name[:len(name):len(name)], uint32(position))).String() //nolint:gosec // a job has far fewer recipients
	}
	return ids
}
