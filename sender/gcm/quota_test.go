package gcm

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/volleypush/volley/sender"
)

// spend takes from a quota for so long and returns how many messages were let through in each second.
func spend(t *testing.T, q *Quota, seconds int) []int {
	t.Helper()
	counts := make([]int, seconds)
	for began := time.Now(); time.Since(began) < time.Duration(seconds)*time.Second; {
		let, wait := q.take(1_000_000, time.Hour)
		<-time.After(wait)
		if second := int(time.Since(began) / time.Second); second < seconds {
			counts[second] += let
		}
	}
	return counts
}

func sum(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// A cold project is brought to its rate within a minute, from a sixtieth of it on; then the rate holds, and no minute has more.
func TestQuotaRampsUpAndHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 1000
		q := NewQuota(60 * perSecond)
		counts := spend(t, q, 180)
		for second, n := range counts {
			most := min(perSecond*(second+2)/60, perSecond) + perSecond/lumpsPerSecond
			if least := min(perSecond*second/60, perSecond) * 8 / 10; n > most || n < least {
				t.Errorf("%d messages in second %d, want %d to %d", n, second, least, most)
			}
		}
		for from := 0; from+60 <= len(counts); from++ {
			if n := sum(counts[from : from+60]); n > 60*perSecond+perSecond/lumpsPerSecond {
				t.Errorf("%d messages in the minute from second %d", n, from)
			}
		}
		if n := sum(counts[60:120]); n < 59*perSecond {
			t.Errorf("only %d messages in a minute at the full rate", n)
		}
		<-time.After(coldAfter - time.Second)
		if n := sum(spend(t, q, 1)); n < perSecond {
			t.Errorf("%d messages after less than a minute of silence: it is not cold yet", n)
		}
		<-time.After(coldAfter)
		if n := sum(spend(t, q, 1)); n > perSecond/20 {
			t.Errorf("%d messages at once after a minute of silence", n)
		}
	})
}

// The least quota lets one message through, and never more than asked for.
func TestQuotaAtItsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if let, wait := NewQuota(0).take(5, 0); let != 1 || wait != 0 {
			t.Errorf("%d after %s", let, wait)
		}
		q := NewQuota(DefaultQuota)
		spend(t, q, 61)
		if let, _ := q.take(3, time.Hour); let != 3 {
			t.Errorf("%d were let through, 3 asked for", let)
		}
		q = NewQuota(60)
		q.take(1, time.Hour)
		let, wait := q.take(1, time.Minute-time.Millisecond)
		if let != 0 || wait != time.Minute {
			t.Errorf("%d after %s, want none for a minute at the cold rate of one a minute", let, wait)
		}
		// What was not let through was not taken either.
		if let, wait := q.take(1, time.Minute); let != 1 || wait != time.Minute {
			t.Errorf("%d after %s", let, wait)
		}
	})
}

// warm is a quota that has its full rate: the clock of its ramp began long ago.
func warm(perSecond int) *Quota {
	q := NewQuota(60 * perSecond)
	q.warmFrom, q.last = time.Now().Add(-time.Hour), time.Now()
	q.limiter.SetBurst(burst(q.perSecond))
	return q
}

// owe has others take so many messages in advance, beside what would go at once.
func owe(q *Quota, n int) {
	lump := burst(q.perSecond)
	for range (n + lump) / lump {
		q.limiter.ReserveN(time.Now(), lump)
	}
}

// Two clients of one project share its quota, and who has to wait for it waits in Deliver, within the rate.
func TestDeliveryIsPaced(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	q := warm(1000)
	began := time.Now()
	var wg sync.WaitGroup
	for range 2 {
		c := newClient(t, s, V1, func(c *Config) { c.Quota = q })
		wg.Go(func() {
			if n := count(deliver(t, t.Context(), c, ids(200)...)); n["accepted"] != 200 {
				t.Error(n)
			}
		})
	}
	wg.Wait()
	// The first lump of 100 goes at once, 300 more at 1,000 a second.
	if took := time.Since(began); took < 290*time.Millisecond {
		t.Errorf("400 messages took %s", took)
	}
}

// Whoever would have to wait longer than a delivery waits is given back with the time it takes; the others are sent to.
func TestLongWaitForTheQuotaIsGivenBack(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	q := warm(20)
	owe(q, 20*60) // others have taken the next minute
	c := newClient(t, s, V1, func(c *Config) { c.Quota = q })
	began := time.Now()
	out := deliver(t, t.Context(), c, ids(50)...)
	if n := count(out); n["unsent Paced"] != 50 || !out[49].Reason.Unasked {
		t.Error(n)
	}
	if after := out[0].RetryAfter; after < maxPacing || after > time.Minute+time.Second {
		t.Errorf("to be tried again after %s", after)
	}
	if took := time.Since(began); took > maxPacing || len(s.requests()) > 0 {
		t.Errorf("%s, %d requests", took, len(s.requests()))
	}
	// A topic is one message.
	one := make([]sender.Outcome, 1)
	c.Deliver(t.Context(), &Request{Message: prepare(t, c, &Message{Data: "x", Topic: new("news")})}, one)
	if n := count(one); n["unsent Paced"] != 1 {
		t.Error(n)
	}
}

// The wait ends with the caller's context, and the caller's leave is asked for again after it: the lease may be over by then.
func TestWaitForTheQuotaEndsWithItsDelivery(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	t.Run("context", func(t *testing.T) {
		q := warm(20)
		owe(q, 20*4) // four seconds are to be waited for, which a delivery does
		c := newClient(t, s, V1, func(c *Config) { c.Quota = q })
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
		out := make([]sender.Outcome, 40)
		began := time.Now()
		c.Deliver(ctx, &Request{Tokens: ids(40), Message: prepare(t, c, &Message{Data: "x"})}, out)
		if n := count(out); n["unsent Cancelled"] != 40 || len(s.requests()) > 0 {
			t.Error(n)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("lease", func(t *testing.T) {
		q := warm(50)
		q.limiter.ReserveN(time.Now(), 10)
		c := newClient(t, s, V1, func(c *Config) { c.Quota = q })
		before := len(s.requests())
		var asked atomic.Int32
		request := &Request{Tokens: ids(1), Message: prepare(t, c, &Message{Data: "x"}), Proceed: func() bool { return asked.Add(1) == 1 }}
		out := make([]sender.Outcome, 1)
		c.Deliver(t.Context(), request, out)
		if n := count(out); n["unsent Cancelled"] != 1 || len(s.requests()) != before {
			t.Error(n, "a request went out after the lease had ended")
		}
	})
}

// The legacy protocol has no project, and so no quota of one.
func TestLegacyHasNoQuota(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		_, _ = io.WriteString(w, `{"results":[{"message_id":"1"}]}`)
	})
	q := NewQuota(1)
	q.take(1, 0)
	c := newClient(t, s, Legacy, func(c *Config) { c.Quota = q })
	if n := count(deliver(t, t.Context(), c, "abc")); n["accepted"] != 1 {
		t.Error(n)
	}
}
