//go:build unix

package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// processorTime is the user and system time that this process has used; 0 if the system does not say.
func processorTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// peakMemory is the most that was resident, in bytes. On Linux the process's own account is read: getrusage's began before this program
// did, with the one that started it.
func peakMemory() int64 {
	if text, err := os.ReadFile("/proc/self/status"); err == nil {
		var kilobytes int64
		if _, line, found := strings.Cut(string(text), "VmHWM:"); found {
			if _, err := fmt.Sscan(line, &kilobytes); err == nil {
				return kilobytes << 10
			}
		}
	}
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	peak := int64(used.Maxrss) //nolint:unconvert // 32 bits on some systems
	if runtime.GOOS != "darwin" {
		peak <<= 10 // kilobytes everywhere else
	}
	return peak
}
