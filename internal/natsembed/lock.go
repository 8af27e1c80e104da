package natsembed

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// lockName is the file in the store's folder that a running server holds a lock on. Its text says who holds it, for the
// error of the one that comes too late; the lock itself is the kernel's, so a killed process leaves none behind.
const lockName = "volley.lock"

// storeLock is a lock that is held.
type storeLock struct{ file *os.File }

// lockStore takes the lock of the folder, or says who has it.
func lockStore(dir, listen string) (*storeLock, error) {
	name := filepath.Join(dir, lockName)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: make %s writable or choose another --store-dir: %w", ErrStore, dir, err)
	}
	locked, err := TryLock(file)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%w: %s can't be locked, put the store on a local disk: %w", ErrStore, name, err)
	}
	if !locked {
		holder := readHolder(file)
		_ = file.Close()
		return nil, alreadyLocked(dir, listen, holder)
	}
	l := &storeLock{file: file}
	l.describe("")
	return l, nil
}

// alreadyLocked is the sentence for a store that somebody else has open.
func alreadyLocked(dir, listen, holder string) error {
	pid, url, _ := strings.Cut(holder, " ")
	who := "another Volley worker"
	if pid != "" {
		who += " (process " + pid + ")"
	}
	switch {
	case url != "":
	case listen != "" && pid == "": // not even described yet: it is just starting, with settings like ours most likely
		url = "nats://" + listen
	default:
		return fmt.Errorf("%w: %s has the store %s open and serves only itself: give this worker its own --store-dir, or one NATS server for both with --nats-url", ErrLocked, who, dir)
	}
	return fmt.Errorf("%w: %s has the store %s open: join it with --nats-url %s, or give this worker its own --store-dir", ErrLocked, who, dir, url)
}

// describe writes who holds the lock. It is for people, so a failure does not matter.
func (l *storeLock) describe(url string) {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", os.Getpid(), url)) + "\n"
	if err := l.file.Truncate(0); err == nil {
		_, _ = l.file.WriteAt([]byte(text), 0)
	}
}

// readHolder returns the first line of the lock file.
func readHolder(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 256))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// release frees the store. The file stays: removing it would let two others lock two different files of the same name.
func (l *storeLock) release() {
	_ = l.file.Truncate(0)
	_ = l.file.Close() // closing frees the lock
}
