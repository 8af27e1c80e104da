package apns

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
)

func TestOutcomeOfAnAnswer(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	failed := func(name string, status int) sender.Outcome { return sender.Failed(Reason(name), status) }
	unknown := func(name string, status int) sender.Outcome { return sender.Failed(Unknown(name, status), status) }
	with := func(o sender.Outcome, change func(*sender.Outcome)) sender.Outcome { change(&o); return o }
	for name, test := range map[string]struct {
		reply reply
		own   bool
		want  sender.Outcome
	}{
		"accepted":   {reply: reply{status: 200, id: "A-B"}, want: sender.Outcome{Class: sender.Accepted, Status: 200, ProviderID: "A-B"}},
		"known":      {reply: reply{status: 400, body: []byte(`{"reason":"BadDeviceToken"}`)}, want: failed("BadDeviceToken", 400)},
		"empty body": {reply: reply{status: 503}, want: unknown("", 503)},
		"html":       {reply: reply{status: 502, body: []byte("<html>bad gateway</html>")}, want: unknown("", 502)},
		"other json": {reply: reply{status: 400, body: []byte(`["reason"]`)}, want: unknown("", 400)},
		"new reason": {reply: reply{status: 400, body: []byte(`{"reason":"BrandNew"}`)}, want: unknown("BrandNew", 400)},
		"our own word is not the provider's": {
			reply: reply{status: 400, body: []byte(`{"reason":"ConnectionFailed"}`)}, want: unknown("", 400),
		},
		"410 keeps milliseconds": {
			reply: reply{status: 410, body: []byte(`{"reason":"Unregistered","timestamp":1795430000123}`)},
			want:  with(failed("Unregistered", 410), func(o *sender.Outcome) { o.Timestamp = time.UnixMilli(1795430000123) }),
		},
		"410 without a time": {reply: reply{status: 410, body: []byte(`{"reason":"ExpiredToken"}`)}, want: failed("ExpiredToken", 410)},
		"a time that is none": {
			reply: reply{status: 410, body: []byte(`{"reason":"Unregistered","timestamp":"soon"}`)}, want: failed("Unregistered", 410),
		},
		"a time beside another reason": {
			reply: reply{status: 400, body: []byte(`{"reason":"BadTopic","timestamp":1795430000123}`)}, want: failed("BadTopic", 400),
		},
		"retry after": {
			reply: reply{status: 429, body: []byte(`{"reason":"TooManyRequests"}`), retryAfter: "7"},
			want:  with(failed("TooManyRequests", 429), func(o *sender.Outcome) { o.RetryAfter = 7 * time.Second }),
		},
		"topic of the app": {
			reply: reply{status: 400, body: []byte(`{"reason":"TopicDisallowed"}`)}, want: failed("TopicDisallowed", 400),
		},
		"topic of the job": {
			reply: reply{status: 400, body: []byte(`{"reason":"TopicDisallowed"}`)}, own: true,
			want: sender.Failed(jobTopicDisallowed, 400),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.reply.outcome(&headers{ownTopic: test.own}, now)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if jobTopicDisallowed.Class != sender.BadJob || jobTopicDisallowed.Wide {
		t.Error("a job's own topic must not condemn the app")
	}
}

// TestOurNamesAreOurs keeps isOurs complete: a provider must not be able to say that nothing was sent.
func TestOurNamesAreOurs(t *testing.T) {
	for name, reason := range table {
		if reason.Class == sender.Unsent || reason.Class == sender.Uncertain {
			if !isOurs(name) {
				t.Errorf("%s is ours, and a provider could say it", name)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"-7":                            0,
		"7.5":                           0,
		"soon":                          0,
		"86400":                         24 * time.Hour,
		"86401":                         24 * time.Hour,
		"99999999999999999999":          0,
		"Mon, 23 Nov 2026 10:00:30 GMT": 30 * time.Second,
		"Mon, 23 Nov 2026 09:00:00 GMT": 0,
		"Wed, 25 Nov 2026 10:00:00 GMT": 24 * time.Hour,
	} {
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte(`{"reason":"Unregistered","timestamp":1795430000123}`))
	f.Add([]byte(`{"reason":5}`))
	f.Add([]byte(`{"timestamp":1e99}`))
	f.Add([]byte("<html>"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, status := range []int{400, 410, 503} {
			got := reply{status: status, body: body}.outcome(&headers{}, time.Unix(0, 0))
			if got.Reason == nil || got.Class == sender.Accepted || got.Class == sender.Unsent || got.Class == sender.Uncertain {
				t.Errorf("%q became %+v", body, got)
			}
			if !isWord(got.Reason.Name) {
				t.Errorf("%q gave the reason %q", body, got.Reason.Name)
			}
		}
	})
}
