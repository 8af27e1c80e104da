package simulator

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSelectedIsStable(t *testing.T) {
	// Computed by another program: int.from_bytes(sha256(salt+b"\0"+token)[:8],"big")>>11, /2**53*100.
	tests := []struct {
		token, salt string
		position    float64
	}{
		{"token-0", "", 35.194251},
		{"token-1", "", 25.042285},
		{"token-0", "late", 25.864713},
	}
	for _, test := range tests {
		if Selected(test.token, test.salt, test.position-0.001) || !Selected(test.token, test.salt, test.position+0.001) {
			t.Errorf("%q with salt %q is not at %v", test.token, test.salt, test.position)
		}
	}
}

func TestSelectedShare(t *testing.T) {
	const all = 100_000
	hits := map[float64]int{0: 0, 0.5: 0, 10: 0, 99.5: 0, 100: 0}
	both := 0
	for i := range all {
		token := fmt.Sprintf("%064x", i)
		for percent := range hits {
			if Selected(token, "", percent) {
				hits[percent]++
			}
		}
		if Selected(token, "", 10) && Selected(token, "other", 10) {
			both++
		}
	}
	for percent, n := range hits {
		if share := float64(n) / all * 100; math.Abs(share-percent) > 0.3 || (percent == 0 || percent == 100) && share != percent {
			t.Errorf("%v percent hit %v percent", percent, share)
		}
	}
	if share := float64(both) / all * 100; math.Abs(share-1) > 0.3 {
		t.Errorf("two salts of 10 percent share %v percent, want about 1: they are not independent", share)
	}
}

func TestValidate(t *testing.T) {
	pick := Rule{Token: "t"}
	with := func(change func(*Rule)) Rule { r := pick; change(&r); return r }
	tests := []struct {
		name  string
		rules []Rule
		want  string
	}{
		{"empty", nil, ""},
		{"token", []Rule{pick}, ""},
		{"prefix and percent", []Rule{{Prefix: "a", Percent: 5, Salt: "s"}}, ""},
		{"everybody", []Rule{{Percent: 100}}, ""},
		{"second is bad", []Rule{pick, {}}, "rule 2: it picks nobody"},
		{"platform", []Rule{with(func(r *Rule) { r.Platform = "apple" })}, `rule 1: platform "apple"`},
		{"percent low", []Rule{{Percent: -0.1}}, "percent -0.1 is not within"},
		{"percent high", []Rule{{Percent: 100.1}}, "percent 100.1 is not within"},
		{"percent no number", []Rule{{Percent: math.NaN()}}, "percent NaN is not within"},
		{"token and prefix", []Rule{with(func(r *Rule) { r.Prefix = "p" })}, "one exact recipient"},
		{"token and percent", []Rule{with(func(r *Rule) { r.Percent = 1 })}, "one exact recipient"},
		{"salt without percent", []Rule{with(func(r *Rule) { r.Salt = "s" })}, "salt goes with a percent"},
		{"times", []Rule{with(func(r *Rule) { r.Times = -1 })}, "times -1"},
		{"status 200", []Rule{with(func(r *Rule) { r.Answer.Status = 200 })}, ""},
		{"status 599", []Rule{with(func(r *Rule) { r.Answer.Status = 599 })}, ""},
		{"status 199", []Rule{with(func(r *Rule) { r.Answer.Status = 199 })}, "answer: status 199"},
		{"status 600", []Rule{with(func(r *Rule) { r.Answer.Status = 600 })}, "answer: status 600"},
		{"status 204", []Rule{with(func(r *Rule) { r.Answer.Status = 204 })}, "answer: status 204"},
		{"latency most", []Rule{with(func(r *Rule) { r.Answer.Latency = Duration(time.Hour) })}, ""},
		{"latency too much", []Rule{with(func(r *Rule) { r.Answer.Latency = Duration(time.Hour + 1) })}, "latency 1h0m0.000000001s"},
		{"latency negative", []Rule{with(func(r *Rule) { r.Answer.Latency = -1 })}, "latency -1ns"},
		{"timestamp", []Rule{with(func(r *Rule) { r.Answer.TimestampMS = -1 })}, "timestamp_ms -1"},
		{"retry after", []Rule{with(func(r *Rule) { r.Answer.RetryAfter = "1\r\nX: y" })}, "retry_after"},
		{"header name", []Rule{with(func(r *Rule) { r.Answer.Headers = map[string]string{"a b": ""} })}, "headers:"},
		{"header value", []Rule{with(func(r *Rule) { r.Answer.Headers = map[string]string{"a": "\n"} })}, "headers:"},
		{"shadowed", []Rule{{Percent: 10}, {Percent: 10}}, "rule 2 can never answer: rule 1"},
		{"wider after narrower", []Rule{{Percent: 10}, {Percent: 25}}, ""},
		{"other salt", []Rule{{Percent: 10}, {Percent: 10, Salt: "b"}}, ""},
		{"limited times", []Rule{{Percent: 10, Times: 1}, {Percent: 10}}, ""},
		{"other platform", []Rule{{Percent: 10, Platform: GCM}, {Percent: 10, Platform: APNS}}, ""},
		{"wider platform first", []Rule{{Percent: 10}, {Percent: 10, Platform: APNS}}, "can never answer"},
		{"other prefix", []Rule{{Percent: 10, Prefix: "a"}, {Percent: 10, Prefix: "b"}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Script{Rules: test.rules}.Validate()
			if (test.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestAnswerAccepts(t *testing.T) {
	tests := []struct {
		answer Answer
		want   bool
	}{
		{Answer{}, true},
		{Answer{Status: 200, Latency: 1, CanonicalID: "new"}, true},
		{Answer{Reason: "Unregistered"}, false},
		{Answer{Status: 503}, false},
		{Answer{Body: "<html>"}, false},
	}
	for _, test := range tests {
		if got := test.answer.Accepts(); got != test.want {
			t.Errorf("%+v accepts: %v", test.answer, got)
		}
	}
}

func setScript(t *testing.T, scripts *Scripts, rules ...Rule) {
	t.Helper()
	if err := scripts.Set(Script{Rules: rules}); err != nil {
		t.Fatal(err)
	}
}

func TestFirstMatchWins(t *testing.T) {
	scripts := NewScripts()
	setScript(t, scripts,
		Rule{Token: "aa", Platform: GCM, Answer: Answer{Reason: "gcm only"}},
		Rule{Prefix: "a", Answer: Answer{Reason: "prefix"}},
		Rule{Token: "aa", Answer: Answer{Reason: "too late"}},
		Rule{Token: "b", Answer: Answer{Reason: "exact"}},
		Rule{Percent: 100, Answer: Answer{Reason: "rest"}},
	)
	tests := []struct{ platform, token, want string }{
		{GCM, "aa", "gcm only"}, {APNS, "aa", "prefix"}, {APNS, "ab", "prefix"}, {APNS, "b", "exact"}, {APNS, "c", "rest"},
	}
	for _, test := range tests {
		if answer, ok := scripts.Answer(test.platform, test.token); !ok || answer.Reason != test.want {
			t.Errorf("%s %s: %q %v, want %q", test.platform, test.token, answer.Reason, ok, test.want)
		}
	}
}

func TestNoRuleNoAnswer(t *testing.T) {
	scripts := NewScripts()
	if _, ok := scripts.Answer(APNS, "a"); ok {
		t.Error("a rule without a script")
	}
	if _, ok := scripts.Peek(APNS, "a"); ok {
		t.Error("a rule without a script")
	}
	setScript(t, scripts, Rule{Token: "b"})
	if _, ok := scripts.Answer(APNS, "a"); ok {
		t.Error("a rule for another token")
	}
}

func TestTimesArePerToken(t *testing.T) {
	scripts := NewScripts()
	setScript(t, scripts,
		Rule{Prefix: "a", Times: 2, Answer: Answer{Reason: "first"}},
		Rule{Token: "a1", Times: 1, Answer: Answer{Reason: "then"}},
	)
	var got []string
	for _, token := range []string{"a1", "a2", "a1", "a1", "a1", "a2", "a2"} {
		if answer, _ := scripts.Peek(APNS, token); true { // a peek does not count
			got = append(got, answer.Reason)
		}
		answer, _ := scripts.Answer(APNS, token)
		if got[len(got)-1] != answer.Reason {
			t.Errorf("%s: peek %q, answer %q", token, got[len(got)-1], answer.Reason)
		}
	}
	if diff := cmp.Diff([]string{"first", "first", "first", "then", "", "first", ""}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	setScript(t, scripts, scripts.Script().Rules...)
	if answer, _ := scripts.Answer(APNS, "a1"); answer.Reason != "first" {
		t.Error("a new script did not begin to count anew")
	}
}

func TestSetRefusesABadScript(t *testing.T) {
	scripts := NewScripts()
	setScript(t, scripts, Rule{Token: "a", Answer: Answer{Reason: "kept"}})
	if err := scripts.Set(Script{Rules: []Rule{{}}}); err == nil {
		t.Fatal("a bad script was set")
	}
	if answer, _ := scripts.Answer(APNS, "a"); answer.Reason != "kept" {
		t.Error("a bad script replaced the good one")
	}
}

func TestSetCopiesTheRules(t *testing.T) {
	scripts := NewScripts()
	rules := []Rule{{Token: "a", Answer: Answer{Reason: "kept"}}}
	setScript(t, scripts, rules...)
	rules[0].Answer.Reason = "changed"
	if answer, _ := scripts.Answer(APNS, "a"); answer.Reason != "kept" {
		t.Error("the script in force is the caller's slice")
	}
}

// Before the body is here, only answers that are given so early are picked, and only those count.
func TestEarlyAnswers(t *testing.T) {
	scripts := NewScripts()
	if _, ok := scripts.Early(APNS, "a"); ok {
		t.Error("an answer without a script")
	}
	setScript(t, scripts,
		Rule{Token: "a", Platform: APNS, Times: 1, Answer: Answer{Reason: "early", Early: true}},
		Rule{Percent: 100, Times: 1, Answer: Answer{Reason: "late"}},
	)
	for _, want := range []bool{true, false} {
		if answer, ok := scripts.Early(APNS, "a"); ok != want || want && answer.Reason != "early" {
			t.Errorf("%+v %v, want %v", answer, ok, want)
		}
	}
	if answer, _ := scripts.Answer(APNS, "a"); answer.Reason != "late" {
		t.Errorf("asking early has used up %+v", answer)
	}
}
