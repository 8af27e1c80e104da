package provider

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
)

// record is when how many notifications went out.
type record struct {
	mu    sync.Mutex
	times []time.Duration
	began time.Time
}

func (r *record) add(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range n {
		r.times = append(r.times, time.Since(r.began))
	}
}

// within counts what went out from a moment on, in so long a time.
func (r *record) within(from, long time.Duration) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.times {
		if at >= from && at < from+long {
			n++
		}
	}
	return n
}

func after(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Whatever the rate, the answers' latency and the number of deliveries under way: any ten seconds hold the rate within three in a hundred. A
// rate that changes holds from then on.
func TestRateHoldsInAnyTenSeconds(t *testing.T) {
	const window = 10 * time.Second
	for _, row := range []struct {
		perSecond float64
		slots     int
		latency   time.Duration
		segment   int
	}{
		{100, 2, 50 * time.Millisecond, 1000},
		{100, 2, 50 * time.Millisecond, 7},
		{400, 3, 400 * time.Millisecond, 1000},
		{1000, 4, 900 * time.Millisecond, 1000},
		{5000, 4, 200 * time.Millisecond, 1000},
		{20_000, 4, 20 * time.Millisecond, 1000},
		{50, 8, 0, 1},
		{133.3, 4, time.Second, 1000},
	} {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rate := NewRate()
				rate.Set(row.perSecond, 0)
				sent := record{began: time.Now()}
				ctx, stop := context.WithCancel(t.Context())
				var slots sync.WaitGroup
				for range row.slots {
					slots.Go(func() {
						for ctx.Err() == nil {
							recipients, out := make([]int, row.segment), make([]sender.Outcome, row.segment)
							for i := range recipients {
								recipients[i] = i
							}
							rate.spread(ctx, recipients, nil, out, apns.Reason(apns.Paced), func(part []int) {
								sent.add(len(part))
								after(ctx, row.latency)
							})
							after(ctx, 10*time.Millisecond) // its event, its acknowledgement, the next pull
						}
					})
				}
				check := func(from time.Duration, perSecond float64) {
					t.Helper()
					for at := from; at <= from+20*time.Second; at += 700 * time.Millisecond {
						want := perSecond * window.Seconds()
						if n := float64(sent.within(at, window)); n > want*1.03+1 || n < want*0.97-1 {
							t.Errorf("%.0f in the ten seconds from %s, want %.0f", n, at, want)
						}
					}
				}
				after(ctx, 31*time.Second)
				rate.Set(row.perSecond/2, 0)
				after(ctx, 37*time.Second)
				stop()
				slots.Wait()
				check(0, row.perSecond)
				check(37*time.Second, row.perSecond/2)
			})
		})
	}
}

// Nobody waits longer than maxRatePacing: the rest comes back unsent, with the time to come back. Booked room is not waited for.
func TestSpread(t *testing.T) {
	recipients := make([]int, 100)
	for i := range recipients {
		recipients[i] = i
	}
	accept := func(out []sender.Outcome) func([]int) {
		return func(part []int) {
			for k, i := range part {
				out[i] = sender.Outcome{Class: sender.Accepted, Rank: uint32(k + 1)}
			}
		}
	}
	sent := func(out []sender.Outcome) (n int) {
		for _, o := range out {
			if o.Class == sender.Accepted {
				n++
			}
		}
		return n
	}
	run := func(name string, test func(t *testing.T, out []sender.Outcome)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, make([]sender.Outcome, len(recipients))) })
		})
	}
	run("slow", func(t *testing.T, out []sender.Outcome) {
		r, began := NewRate(), time.Now()
		r.Set(10, 2)
		r.spread(t.Context(), recipients, nil, out, apns.Reason(apns.Paced), accept(out))
		if n, took := sent(out), time.Since(began); n != 52 || took != maxRatePacing {
			t.Errorf("%d sent in %s", n, took)
		}
		if last := out[99]; last.Class != sender.Unsent || !last.Reason.Unasked || last.RetryAfter <= 0 || last.RetryAfter > time.Second {
			t.Errorf("%+v", last)
		}
		for i := range 51 {
			if out[i].Rank >= out[i+1].Rank {
				t.Fatalf("ranks %d and %d", out[i].Rank, out[i+1].Rank)
			}
		}
	})
	run("no rate", func(t *testing.T, out []sender.Outcome) {
		calls := 0
		NewRate().spread(t.Context(), recipients, nil, out, apns.Reason(apns.Paced), func(part []int) { calls++; accept(out)(part) })
		if sent(out) != 100 || calls != 1 {
			t.Errorf("%d sent in %d calls", sent(out), calls)
		}
	})
	run("slower than a delivery waits", func(t *testing.T, out []sender.Outcome) {
		r, began := NewRate(), time.Now()
		r.Set(1.0/60, 1)
		r.spread(t.Context(), recipients, nil, out, apns.Reason(apns.Paced), accept(out))
		if sent(out) != 1 || time.Since(began) != 0 || out[1].RetryAfter < 59*time.Second {
			t.Errorf("%d sent in %s, %s", sent(out), time.Since(began), out[1].RetryAfter)
		}
	})
	run("not ours any more", func(t *testing.T, out []sender.Outcome) {
		r, began := NewRate(), time.Now()
		r.Set(10, 2)
		proceed := func() bool { return time.Since(began) < time.Second }
		r.spread(t.Context(), recipients, proceed, out, apns.Reason(apns.Paced), accept(out))
		if n := sent(out); n != 11 || out[99].Class != sender.Unsent {
			t.Errorf("%d sent", n)
		}
	})
	run("cancelled", func(t *testing.T, out []sender.Outcome) {
		ctx, cancel := context.WithTimeout(t.Context(), 950*time.Millisecond)
		defer cancel()
		r := NewRate()
		r.Set(10, 2)
		r.spread(ctx, recipients, nil, out, apns.Reason(apns.Paced), accept(out))
		if n := sent(out); n != 11 || out[99].Class != sender.Unsent {
			t.Errorf("%d sent", n)
		}
	})
	run("an answer about the whole app", func(t *testing.T, out []sender.Outcome) {
		r := NewRate()
		r.Set(10, 2)
		var calls atomic.Int32
		r.spread(t.Context(), recipients, nil, out, apns.Reason(apns.Paced), func(part []int) {
			calls.Add(1)
			for _, i := range part {
				out[i] = sender.Failed(apns.Reason("InvalidProviderToken"), 403)
			}
		})
		if calls.Load() > 3 || out[99].Class != sender.Unsent || !out[99].Reason.Unasked {
			t.Errorf("%d calls, %+v", calls.Load(), out[99])
		}
	})
	run("booked", func(t *testing.T, out []sender.Outcome) {
		r, began := NewRate(), time.Now()
		r.Set(200, 100)
		var b booking
		if !b.ask(r, 100) || r.book(1) {
			t.Error("there was room for a hundred and no more")
		}
		b.spread(t.Context(), r, recipients, nil, out, apns.Reason(apns.Paced), accept(out))
		if sent(out) != 100 || time.Since(began) != 0 {
			t.Errorf("%d sent in %s", sent(out), time.Since(began))
		}
		b.spread(t.Context(), r, recipients, nil, out, apns.Reason(apns.Paced), accept(out))
		if took := time.Since(began); took < 490*time.Millisecond {
			t.Errorf("what was not booked took %s", took)
		}
	})
	if none := (*Rate)(nil); !none.book(1<<20) || none.PerSecond() != 0 {
		t.Error("no rate is a limit")
	}
	r := NewRate()
	r.Set(100, 0)
	if r.book(26) || !r.book(25) {
		t.Error("the default burst is a quarter of a second's")
	}
	if r.Set(0, 0); r.PerSecond() != 0 || !r.book(1000) {
		t.Error("a limit that was lifted holds")
	}
}
