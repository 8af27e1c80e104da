package gcm

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Google's limits on how fast a project may send (FCM, "Throttling and quotas", "Scale FCM").
const (
	// DefaultQuota is how many messages a project may send in a minute unless Google has agreed to more.
	DefaultQuota = 600_000
	// rampTime is how long a project that was silent takes to its full rate; Google asks for at least a minute.
	rampTime = time.Minute
	// coldAfter is how long a project has to be silent to be cold again: Google counts by the minute.
	coldAfter = time.Minute
	// lumpsPerSecond is how finely the rate is portioned: a tenth of a second's messages are let through together.
	lumpsPerSecond = 10
)

// Quota keeps a project below its quota of messages per minute, instead of running into Google's 429. All clients of the same project share
// one; it knows only of this process. After a minute without messages it begins at a sixtieth of the rate and reaches all of it in a minute.
// Safe for concurrent use.
type Quota struct {
	perSecond float64
	now       func() time.Time

	mu      sync.Mutex
	limiter *rate.Limiter
	// warmFrom is when the present ramp began, last when the latest messages were let through.
	warmFrom, last time.Time
}

// NewQuota makes a Quota of so many messages per minute. Less than 1 is taken for 1.
func NewQuota(perMinute int) *Quota {
	perSecond := float64(max(perMinute, 1)) / 60
	return &Quota{perSecond: perSecond, now: time.Now, limiter: rate.NewLimiter(rate.Limit(perSecond), burst(perSecond))}
}

// PerMinute is how many messages a minute are let through once the project is warm.
func (q *Quota) PerMinute() int { return int(q.perSecond*60 + 0.5) }

// burst is how many messages are let through at once.
func burst(perSecond float64) int { return max(int(perSecond/lumpsPerSecond), 1) }

// take lets up to n messages through, at least one, and says how long to wait before the first of them. If that is longer than most, it lets
// none through and says how long it would have been.
func (q *Quota) take(n int, most time.Duration) (let int, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if now.Sub(q.last) >= coldAfter {
		q.warmFrom = now
	}
	share := min(max(now.Sub(q.warmFrom).Seconds(), 1)/rampTime.Seconds(), 1)
	q.limiter.SetLimitAt(now, rate.Limit(q.perSecond*share))
	q.limiter.SetBurstAt(now, burst(q.perSecond*share))
	let = max(min(n, burst(q.perSecond*share)), 1)
	reservation := q.limiter.ReserveN(now, let)
	if wait = reservation.DelayFrom(now); wait > most {
		reservation.CancelAt(now)
		return 0, wait
	}
	q.last = now.Add(wait)
	return let, wait
}
