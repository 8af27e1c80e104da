package provider

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/volleypush/volley/sender"
)

const (
	// maxRatePacing is the longest that one Send waits for the app's rate altogether. A delivery has a lease to keep and a drain to heed; whom it
	// can't send to soon it gives back, with the time to come back.
	maxRatePacing = 5 * time.Second
	// portionsPerSecond is how finely a rate is portioned: a tenth of a second's notifications are let through together.
	portionsPerSecond = 10
	// burstsPerSecond is how much is let through at once after a silence if nothing is said: a quarter of a second's, which keeps any ten
	// seconds within three in a hundred of the rate.
	burstsPerSecond = 4
)

// Rate keeps an app below its own rate, on both platforms together. It knows only of this process. nil is no limit. Safe for
// concurrent use.
type Rate struct {
	mu      sync.Mutex
	limiter *rate.Limiter
	turns   int // how many have begun to wait for it
}

// NewRate makes a Rate without a limit; see Set.
func NewRate() *Rate { return &Rate{limiter: rate.NewLimiter(rate.Inf, 0)} }

// Set changes the rate to so many notifications a second, of which burst may go at once after a silence; 0 a second is no limit, a burst
// of 0 a quarter of a second's. It holds from now on, also for who waits for it already, from their next portion on.
func (r *Rate) Set(perSecond float64, burst int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if perSecond <= 0 {
		r.limiter.SetLimitAt(now, rate.Inf)
		return
	}
	if burst <= 0 {
		burst = int(perSecond / burstsPerSecond)
	}
	if r.limiter.Limit() == rate.Inf {
		r.limiter = rate.NewLimiter(rate.Limit(perSecond), max(burst, 1))
		return
	}
	r.limiter.SetLimitAt(now, rate.Limit(perSecond))
	r.limiter.SetBurstAt(now, max(burst, 1))
}

// PerSecond is the rate; 0 is no limit.
func (r *Rate) PerSecond() float64 {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limiter.Limit() == rate.Inf {
		return 0
	}
	return float64(r.limiter.Limit())
}

// patience is how long the next Send may wait: half of maxRatePacing to all of it. The golden ratio keeps them apart, or deliveries that began together would end together and all await their last
// answers while nobody uses the rate.
func (r *Rate) patience() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, part := math.Modf(float64(r.turns) / math.Phi)
	r.turns++
	return maxRatePacing - time.Duration(part*float64(maxRatePacing)/2)
}

// book takes room for n notifications if there is room for all of them now.
func (r *Rate) book(n int) bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limiter.AllowN(time.Now(), n)
}

// booking is room that a batch has booked for its recipients; its next sending asks for none. It belongs to who handles the batch.
type booking struct{ booked bool }

// ask books room for n recipients.
func (b *booking) ask(r *Rate, n int) bool {
	b.booked = r.book(n)
	return b.booked
}

// spread is Rate.spread, unless room is booked.
func (b *booking) spread(ctx context.Context, r *Rate, recipients []int, proceed func() bool, out []sender.Outcome, held *sender.Reason, deliver func(part []int)) {
	if b.booked {
		r = nil
	}
	b.booked = false
	r.spread(ctx, recipients, proceed, out, held, deliver)
}

// take lets up to n notifications through, at least one, and says how long to wait before the first of them. If that is longer than most, it
// lets none through and says how long it would have been.
func (r *Rate) take(n int, most time.Duration) (let int, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit, now := float64(r.limiter.Limit()), time.Now()
	if r.limiter.Limit() == rate.Inf {
		return n, 0
	}
	let = max(min(n, int(limit/portionsPerSecond), r.limiter.Burst()), 1)
	if lacking := float64(let) - r.limiter.TokensAt(now); lacking > 0 {
		if wait = time.Duration(lacking / limit * float64(time.Second)); wait > most {
			return 0, wait
		}
	}
	r.limiter.ReserveN(now, let)
	return let, wait
}

// spread sends to the recipients as the rate lets them through, and sets out[i] for each: deliver sends to a part of them and is called by
// several goroutines, one for each portion, so that nobody waits for another portion's answers. After an answer about the whole app nothing
// more is begun, and nothing once proceed says no. held is the outcome of those that are given back.
func (r *Rate) spread(ctx context.Context, recipients []int, proceed func() bool, out []sender.Outcome, held *sender.Reason, deliver func(part []int)) {
	if r == nil {
		deliver(recipients)
		return
	}
	var parts sync.WaitGroup
	var stopped atomic.Bool
	var waited time.Duration
	most := r.patience()
	giveBack := func(rest []int, after time.Duration) {
		for _, i := range rest {
			out[i] = sender.Failed(held, 0)
			out[i].RetryAfter = after
		}
	}
	for begun := 0; begun < len(recipients); {
		rest := recipients[begun:]
		let, wait := r.take(len(rest), most-waited)
		if let == 0 {
			giveBack(rest, wait)
			break
		}
		if !waitFor(ctx, wait) || stopped.Load() || proceed != nil && !proceed() {
			giveBack(rest, 0)
			break
		}
		waited += wait
		if let == len(recipients) {
			deliver(recipients)
			return
		}
		part, before := rest[:let], uint32(begun)
		begun += let
		parts.Go(func() {
			deliver(part)
			for _, i := range part {
				if out[i].Rank > 0 {
					out[i].Rank += before // portions are answered in about the order in which they were begun
				}
			}
			if slices.ContainsFunc(part, func(i int) bool { return out[i].Reason != nil && out[i].Reason.Wide }) {
				stopped.Store(true)
			}
		})
	}
	parts.Wait()
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
