package apns

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clockTolerance is how far our clock may be from Apple's before that is worth a word: a provider token whose iat is an hour off is
// refused, and an answer takes seconds at most.
const clockTolerance = time.Minute

// skew is how far our clock is ahead of Apple's, in nanoseconds; negative is behind. Safe for concurrent use.
type skew struct{ ahead atomic.Int64 }

// note takes the Date of an answer, which came at now by our clock. Apple documents no such header; it counts if it is there.
func (s *skew) note(date string, now time.Time) {
	if s == nil || date == "" {
		return
	}
	if at, err := http.ParseTime(date); err == nil {
		s.ahead.Store(int64(now.Sub(at)))
	}
}

// ClockSkew is how far our clock was ahead of Apple's when a refusal last told Apple's time, to the second; negative is behind, 0
// if none has. Safe for concurrent use.
func (c *Client) ClockSkew() time.Duration {
	return time.Duration(c.skew.ahead.Load()).Round(time.Second)
}
