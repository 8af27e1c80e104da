package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/natsembed"
)

const (
	// scratchLock is the file in a scratch folder that its process holds a lock on: kill -9 takes the lock, not the folder.
	scratchLock = "lock"
	// scratchYoung is how long a folder may be without its lock, because its process is about to take it.
	scratchYoung = time.Minute
)

// Scratch makes a folder in the system's temporary folder for what is needed only while this process lives, after it has removed
// those of the same name that killed processes left. remove removes it with all that is in it.
func Scratch(name string) (dir string, remove func() error, err error) {
	prefix := "volley-" + name + "-"
	sweepScratch(os.TempDir(), prefix, time.Now())
	if dir, err = os.MkdirTemp("", prefix+"*"); err != nil {
		return "", nil, fmt.Errorf("making a temporary folder (TMPDIR says where): %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, scratchLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		_, err = natsembed.TryLock(lock)
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return "", nil, fmt.Errorf("locking the temporary folder %s: %w", dir, err)
	}
	return dir, func() error { return errors.Join(lock.Close(), os.RemoveAll(dir)) }, nil
}

// sweepScratch removes the folders whose processes are dead. One that is not ours, or can't be removed, stays.
func sweepScratch(in, prefix string, now time.Time) {
	entries, err := os.ReadDir(in)
	if err != nil {
		return
	}
	for _, entry := range entries {
		dir := filepath.Join(in, entry.Name())
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), prefix) {
			continue
		}
		if info, err := entry.Info(); err != nil || now.Sub(info.ModTime()) < scratchYoung {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(dir, scratchLock), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		free, err := natsembed.TryLock(lock)
		_ = lock.Close()
		if err == nil && free {
			_ = os.RemoveAll(dir)
		}
	}
}
