package bench

import (
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

// Usage is what a process has used since its last reset.
type Usage struct {
	CPU     time.Duration
	Wall    time.Duration
	Mallocs uint64
	// Peak is the most memory that it ever had resident, in bytes; 0 where the system does not say.
	Peak int64
}

// meter measures this process. With a profile it also samples where the processor's time goes, from each reset to the next read.
type meter struct {
	profile string // a file; "" for none
	file    *os.File

	began   time.Time
	cpu     time.Duration
	mallocs uint64
}

func newMeter(profile string) *meter {
	m := &meter{profile: profile}
	m.reset()
	return m
}

func (m *meter) reset() {
	m.sample()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	m.mallocs, m.cpu, m.began = memory.Mallocs, processorTime(), time.Now()
}

// sample begins a profile, over one that was begun before. One that can't be written is missing: figures don't depend on it.
func (m *meter) sample() {
	if m.profile == "" {
		return
	}
	m.stop()
	file, err := os.Create(m.profile)
	if err != nil {
		return
	}
	if pprof.StartCPUProfile(file) != nil {
		_ = file.Close()
		return
	}
	m.file = file
}

func (m *meter) stop() {
	if m.file != nil {
		pprof.StopCPUProfile()
		_ = m.file.Close()
		m.file = nil
	}
}

func (m *meter) read() Usage {
	u := Usage{CPU: processorTime() - m.cpu, Wall: time.Since(m.began), Peak: peakMemory()}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	u.Mallocs = memory.Mallocs - m.mallocs
	m.stop()
	return u
}
