package queue

import (
	"fmt"
	"time"
)

// stuckAfter is how many times its pause, and a second, the ticker of heartbeats may take to come round. It waits for the broker once
// that long at most, so a connection that is gone or slow does not keep it from coming round; only we can.
const stuckAfter = 4

// Alive says why the connection's own work does not go on; nil if it does. That the broker is away is no reason. Safe for concurrent
// use; it blocks for as long as somebody keeps a lock.
func (c *Conn) Alive() error { return c.leases.alive(c.now()) }

func (l *leases) alive(now time.Time) error {
	l.mu.Lock()
	every := l.every
	l.mu.Unlock()
	last := l.turned.Load()
	if last == nil {
		return nil // about to begin
	}
	if late := now.Sub(*last); late > stuckAfter*every+time.Second {
		return fmt.Errorf("no heartbeat was due for %s, though one is each %s", late.Round(time.Second), every)
	}
	return nil
}

func (l *leases) turn() {
	now := l.now()
	l.turned.Store(&now)
}
