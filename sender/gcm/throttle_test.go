package gcm

import (
	"net/http"
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/gcm/gcmtest"
	"github.com/volleypush/volley/sender/simulator"
)

// Retry-After in both of its forms, in both protocols, beside every kind of answer that carries it.
func TestRetryAfterOfTheSimulator(t *testing.T) {
	within := func(d, want time.Duration) bool { return d <= want && d > want-5*time.Second }
	for _, row := range []struct {
		name   string
		p      Protocol
		answer simulator.Answer
		want   string
	}{
		{"v1 503", V1, simulator.Answer{Reason: "UNAVAILABLE"}, "transient UNAVAILABLE"},
		{"v1 502 in HTML", V1, simulator.Answer{Reason: "BAD_GATEWAY"}, "transient ServerError"},
		{"v1 500 without details", V1, simulator.Answer{Status: 500, Body: `{"error":{"code":500,"status":"INTERNAL"}}`}, "transient INTERNAL"},
		{"v1 429 of the project", V1, simulator.Answer{Reason: "RATE_LIMIT_EXCEEDED"}, "throttled RATE_LIMIT_EXCEEDED"},
		{"v1 429 of a device", V1, simulator.Answer{Reason: "QUOTA_EXCEEDED"}, "throttled QUOTA_EXCEEDED"},
		{"v1 429 without details", V1, simulator.Answer{Status: 429, Body: "<html>slow down</html>"}, "throttled TooManyRequests"},
		{"legacy 500", Legacy, simulator.Answer{Status: 500}, "transient InternalServerError"},
		{"legacy 502 in HTML", Legacy, simulator.Answer{Status: 502}, "transient ServerError"},
		{"legacy 503", Legacy, simulator.Answer{Status: 503}, "transient Unavailable"},
		{"legacy 200 with a result", Legacy, simulator.Answer{Status: 200, Reason: "Unavailable"}, "transient Unavailable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			seconds, date, none := row.answer, row.answer, row.answer
			seconds.RetryAfter = "90"
			date.RetryAfter = time.Now().Add(120 * time.Second).UTC().Format(http.TimeFormat)
			_, c := simulate(t, row.p,
				simulator.Rule{Token: "seconds", Answer: seconds}, simulator.Rule{Token: "date", Answer: date}, simulator.Rule{Token: "none", Answer: none})
			for token, want := range map[string]time.Duration{"seconds": 90 * time.Second, "date": 120 * time.Second, "none": 0} {
				out := deliver(t, t.Context(), c, token)
				if n := count(out); n[row.want] != 1 {
					t.Error(n)
				}
				if got := out[0].RetryAfter; got != want && !within(got, want) {
					t.Errorf("%s: after %s, want %s", token, got, want)
				}
			}
		})
	}
}

// Beside recipients that are Unavailable, a Retry-After holds for those alone.
func TestUnavailableAmongOthersAtTheSimulator(t *testing.T) {
	_, c := simulate(t, Legacy, simulator.Rule{Token: "busy", Answer: simulator.Answer{Status: 200, Reason: "Unavailable", RetryAfter: "40"}})
	out := deliver(t, t.Context(), c, "a", "busy", "b")
	if n := count(out); n["accepted"] != 2 || n["transient Unavailable"] != 1 || out[1].RetryAfter != 40*time.Second || out[0].RetryAfter != 0 {
		t.Errorf("%v %+v", n, out)
	}
}

// A project that runs into its quota is held back at once; a device that does holds up nobody else.
func TestQuotasOfTheSimulator(t *testing.T) {
	for _, row := range []struct {
		name   string
		quotas gcmtest.Quotas
		ids    []string
		check  func(n map[string]int) bool
	}{
		{"project", gcmtest.Quotas{ProjectPerMinute: 50}, ids(400), func(n map[string]int) bool {
			return n["accepted"] == 50 && n["throttled RATE_LIMIT_EXCEEDED"] > 0 && n["throttled RATE_LIMIT_EXCEEDED"]+n["unsent Held"] == 350
		}},
		{"device", gcmtest.Quotas{DevicePerMinute: 2}, []string{"a", "a", "a", "b", "c"}, func(n map[string]int) bool {
			return n["accepted"] == 4 && n["throttled QUOTA_EXCEEDED"] == 1
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := gcmtest.New(gcmtest.Options{Quotas: row.quotas})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			key, err := s.ServiceAccount("demo")
			if err != nil {
				t.Fatal(err)
			}
			account, err := ParseServiceAccount(key)
			if err != nil {
				t.Fatal(err)
			}
			c, err := New(Config{Credential: account, Endpoint: s.URL(), RootCAs: s.Authority().Pool()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			out := deliver(t, t.Context(), c, row.ids...)
			if n := count(out); !row.check(n) {
				t.Error(n)
			}
			for _, o := range out {
				if o.Class == sender.Throttled && o.Reason.Floor != quotaFloor {
					t.Errorf("%s has no floor", o.Reason.Name)
				}
			}
		})
	}
}
