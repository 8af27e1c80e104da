//go:build unix

package natsembed

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free is how many bytes the disk of a folder has left for this user.
func Free(dir string) (int64, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, fmt.Errorf("asking how much room is left in %s: %w", dir, err)
	}
	return int64(disk.Bavail) * int64(disk.Bsize), nil //nolint:gosec,unconvert // no disk has 8 EiB; the types differ by system
}
