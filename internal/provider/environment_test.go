package provider

import (
	"strings"
	"testing"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
)

// answers are n times a reason as Apple gives it; "" is an acceptance.
func answers(reason string, n int) []sender.Outcome {
	out := make([]sender.Outcome, n)
	for i := range out {
		out[i] = sender.Outcome{Class: sender.Accepted, Status: 200}
		if reason != "" {
			out[i] = sender.Failed(apns.Reason(reason), 400)
		}
	}
	return out
}

// TestWrongEnvironmentIsSuspected above a fifth of at least 200 answers, told once, and over below a tenth.
func TestWrongEnvironmentIsSuspected(t *testing.T) {
	type step struct {
		reason string
		n      int
	}
	for name, test := range map[string]struct {
		steps     []step
		told      int
		suspected bool
	}{
		"a fifth is not above it":    {[]step{{"", 160}, {"BadDeviceToken", 40}}, 0, false},
		"one more":                   {[]step{{"", 159}, {"BadDeviceToken", 41}}, 1, true},
		"too few answers":            {[]step{{"BadDeviceToken", 198}}, 0, false},
		"enough":                     {[]step{{"BadDeviceToken", 200}}, 1, true},
		"other refusals":             {[]step{{"DeviceTokenNotForTopic", 100}, {"Unregistered", 200}}, 0, false},
		"what we refused ourselves":  {[]step{{"", 100}, {"MalformedToken", 200}}, 0, false},
		"what was no answer":         {[]step{{"BadDeviceToken", 100}, {"ServiceUnavailable", 100}, {"AnswerLost", 100}}, 0, false},
		"told once":                  {[]step{{"BadDeviceToken", 200}, {"BadDeviceToken", 200}, {"BadDeviceToken", 200}}, 1, true},
		"still above a tenth":        {[]step{{"BadDeviceToken", 200}, {"", 1799}}, 1, true},
		"over":                       {[]step{{"BadDeviceToken", 200}, {"", 2000}}, 1, false},
		"old answers do not hide it": {[]step{{"", 100_000}, {"BadDeviceToken", 600}}, 1, true},
		"and it comes back":          {[]step{{"BadDeviceToken", 200}, {"", 5000}, {"BadDeviceToken", 1000}}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			app := &apnsApp{environment: newEnvironment(), APNSParams: APNSParams{Name: "shop"}}
			told := 0
			app.WrongEnvironment = func(detail string) {
				told++
				for _, part := range []string{`app "shop"`, "BadDeviceToken", "wrong environment", "delete no recipients"} {
					if !strings.Contains(detail, part) {
						t.Errorf("%q does not say %q", detail, part)
					}
				}
			}
			for _, s := range test.steps {
				out := answers(s.reason, s.n)
				if s.reason == "MalformedToken" || s.reason == "AnswerLost" {
					for i := range out {
						out[i].Status = 0
					}
				}
				app.judge(out)
			}
			if told != test.told || app.environment.suspected != test.suspected {
				t.Errorf("told %d times, suspected %t", told, app.environment.suspected)
			}
			gone := answers("Unregistered", 1)
			app.judge(gone)
			want := results.ActionDeleteToken
			if test.suspected {
				want = results.ActionCheckEnvironment
			}
			if gone[0].Reason.Action != want || gone[0].Reason.Name != "Unregistered" || gone[0].Class != sender.Expired {
				t.Errorf("a token that is gone: %+v", gone[0].Reason)
			}
			if apns.Reason("Unregistered").Action != results.ActionDeleteToken {
				t.Error("the shared row has changed")
			}
		})
	}
}
