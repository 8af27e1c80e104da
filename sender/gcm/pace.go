package gcm

import (
	"context"
	"sync"
	"time"

	"github.com/volleypush/volley/sender"
)

// maxPacing is how long one delivery waits for the project's quota altogether. Waiting belongs here, between two requests, because only here
// is it known that one is about to be sent; but whoever calls Deliver has other apps to send for and a lease to keep, so a delivery gives
// back whom it can't send to soon.
const maxPacing = 5 * time.Second

// pace is how far a delivery has got with the project's quota.
type pace struct {
	mu sync.Mutex
	// begun counts requests that were let through, allowed those that the quota let through beyond them.
	begun, allowed int
	waited         time.Duration
}

// paced waits until the project's quota allows one more request. The quota is asked, and waited for, once for many requests: all others wait
// for the one that does. It answers false if the delivery has ended, or ends it if the wait would be too long.
func (d *delivery) paced() bool {
	p := &d.pace
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.allowed == 0 {
		let, wait := d.client.config.Quota.take(len(d.out)-p.begun, maxPacing-p.waited)
		if let == 0 {
			o := sender.Failed(reasonsByName[reasonPaced], 0)
			o.RetryAfter = wait
			d.stop(o)
			return false
		}
		if !waitFor(d.open, wait) {
			return false
		}
		p.allowed, p.waited = let, p.waited+wait
	}
	p.begun++
	p.allowed--
	return true
}

// waitFor waits; false if the context ended first.
func waitFor(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
