package bench

import (
	"runtime"
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

// meter measures this process.
type meter struct {
	began   time.Time
	cpu     time.Duration
	mallocs uint64
}

func newMeter() *meter {
	m := &meter{}
	m.reset()
	return m
}

func (m *meter) reset() {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	m.mallocs, m.cpu, m.began = memory.Mallocs, processorTime(), time.Now()
}

func (m *meter) read() Usage {
	u := Usage{CPU: processorTime() - m.cpu, Wall: time.Since(m.began), Peak: peakMemory()}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	u.Mallocs = memory.Mallocs - m.mallocs
	return u
}
