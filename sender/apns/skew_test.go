package apns

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// TestClockSkewIsNamed: where a refusal tells Apple's time, the sentence says how wrong ours is.
func TestClockSkewIsNamed(t *testing.T) { onEngines(t, testClockSkewIsNamed) }

func testClockSkewIsNamed(t *testing.T, e Engine) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		ahead time.Duration
		date  string
		want  string
	}{
		"ahead":              {2 * time.Hour, "", "it shows 2026-11-23 10:00:00 UTC, 2h0m0s ahead of Apple's"},
		"behind":             {-90 * time.Minute, "", "it shows 2026-11-23 10:00:00 UTC, 1h30m0s behind Apple's"},
		"within a minute":    {time.Minute, "", "it shows 2026-11-23 10:00:00 UTC"},
		"not within it":      {61 * time.Second, "", "it shows 2026-11-23 10:00:00 UTC, 1m1s ahead of Apple's"},
		"no time":            {0, "soon", "it shows 2026-11-23 10:00:00 UTC"},
		"time of its own":    {0, "Mon, 23 Nov 2026 09:00:00 GMT", "it shows 2026-11-23 10:00:00 UTC, 1h0m0s ahead of Apple's"},
		"an older HTTP date": {0, "Monday, 23-Nov-26 09:00:00 GMT", "it shows 2026-11-23 10:00:00 UTC, 1h0m0s ahead of Apple's"},
	} {
		date := test.date
		if date == "" {
			date = now.Add(-test.ahead).Format(http.TimeFormat)
		}
		s := simulate(t, func(o *apnstest.Options, c *Config) {
			setScript(t, o, simulator.Script{Rules: []simulator.Rule{{Percent: 100, Answer: simulator.Answer{Reason: "InvalidProviderToken", Headers: map[string]string{"date": date}}}}})
			c.Now, c.Engine = func() time.Time { return now }, e
		})
		err := s.Probe(t.Context())
		if err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
