package natsembed

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Free is how many bytes the disk of a folder has left for this user.
func Free(dir string) (int64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, fmt.Errorf("asking how much room is left in %s: %w", dir, err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("asking how much room is left in %s: %w", dir, err)
	}
	return int64(free), nil //nolint:gosec // no disk has 8 EiB
}
