package provider

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
)

func TestPersonalPayloads(t *testing.T) {
	const body = `{"recipients":[{"id":"aa","vars":{"n":"Ann"}},{"id":"bb"},{"id":"cc","vars":{"n":"\"Bo\"","x":7}},{"id":"dd","vars":{"n":"someone with a long name"}}],`
	type want struct {
		payloads []string
		failures map[int]string
	}
	for name, c := range map[string]struct {
		fields string
		want   want
	}{
		"message, option and extra": {`"message":"Dear {{n}}","thread_id":"{{x|none}}","extra":{"a":["{{n}}"]}`, want{[]string{
			`{"a":["Ann"],"aps":{"alert":"Dear Ann","thread-id":"none"}}`, `{"a":["\"Bo\""],"aps":{"alert":"Dear \"Bo\"","thread-id":"7"}}`,
			`{"a":["someone with a long name"],"aps":{"alert":"Dear someone with a long name","thread-id":"none"}}`,
		}, map[int]string{1: "MissingVariable"}}},
		"raw": {`"payload": {"aps" : {"alert":"{{n}}"}}`, want{
			[]string{`{"aps" : {"alert":"Ann"}}`, `{"aps" : {"alert":"\"Bo\""}}`, `{"aps" : {"alert":"someone with a long name"}}`}, map[int]string{1: "MissingVariable"},
		}},
		"shortened": {`"message":"Dear {{n|you}}","max_payload_length":43,"extra":{"k":1.50}`, want{[]string{
			`{"aps":{"alert":"Dear Ann"},"k":1.50}`, `{"aps":{"alert":"Dear you"},"k":1.50}`, `{"aps":{"alert":"Dear \"Bo\""},"k":1.50}`, `{"aps":{"alert":"Dear someon..."},"k":1.50}`,
		}, map[int]string{}}},
		"nobody has a variable": {`"message":"{{nobody}}"`, want{nil, map[int]string{0: "MissingVariable", 1: "MissingVariable", 2: "MissingVariable", 3: "MissingVariable"}}},
		"can't be shortened so much": {`"title":"{{n|}}","max_payload_length":45`, want{
			[]string{`{"aps":{"alert":{"title":"Ann"}}}`, `{"aps":{"alert":{"title":""}}}`, `{"aps":{"alert":{"title":"\"Bo\""}}}`}, map[int]string{3: "PayloadTooLarge"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			batch, err := prepareAPNS(t, body+c.fields+`}`)
			if err != nil {
				t.Fatal(err)
			}
			out := make([]sender.Outcome, 4)
			sendable, payloads := batch.personal.payloads(batch.seg.Job.Vars, []int{0, 1, 2, 3}, out)
			if diff := cmp.Diff(append([]string{}, c.want.payloads...), payloads); diff != "" {
				t.Error(diff)
			}
			failures := map[int]string{}
			for i, o := range out {
				if o.Reason != nil {
					failures[i] = o.Reason.Name
					if o.Reason.Action != results.ActionFixPayload || o.Status != 0 {
						t.Errorf("%d: %+v", i, o)
					}
				}
			}
			if diff := cmp.Diff(c.want.failures, failures); diff != "" || len(sendable) != len(payloads) || len(sendable)+len(failures) != 4 {
				t.Error(diff, sendable)
			}
		})
	}
}

// TestPersonalPushType: what the push type follows from is seen behind a placeholder.
func TestPersonalPushType(t *testing.T) {
	for fields, want := range map[string]string{
		`"message":"{{n|}}"`:                              apns.PushTypeAlert,
		`"content_available":true,"extra":{"a":"{{n|}}"}`: apns.PushTypeBackground,
	} {
		batch, err := prepareAPNS(t, `{"recipients":[{"id":"aa"}],`+fields+`}`)
		if err != nil {
			t.Fatal(err)
		}
		if got := apns.PushTypeOf(batch.request.Payload); got != want {
			t.Errorf("%s is of type %s", batch.request.Payload, got)
		}
	}
}

func TestPersonalMessages(t *testing.T) {
	const body = `{"recipients":[{"id":"aa","vars":{"n":"Ann"}},{"id":"bb"},{"id":"cc","vars":{"n":"Ann"}}],"message":{"a":"{{n}}"},"delay_while_idle":true}`
	for _, protocol := range []gcm.Protocol{gcm.V1, gcm.Legacy} {
		batch, err := prepareGCM(t, protocol, published, body)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]sender.Outcome, 3)
		sendable, messages := batch.personalise([]int{1, 2}, out)
		if diff := cmp.Diff([]int{2}, sendable); diff != "" || out[1].Reason == nil || out[1].Reason.Description != "Missing variable: n" {
			t.Errorf("%s %+v", diff, out[1])
		}
		if got := string(messages[0].Body("cc")); !strings.Contains(got, `"data":{"a":"Ann"}`) {
			t.Error(got)
		}
		_, messages = batch.personalise([]int{0, 2}, out)
		if (messages[0] == messages[1]) != (protocol == gcm.Legacy) {
			t.Errorf("%s: equal messages are %p and %p", protocol, messages[0], messages[1])
		}
	}
}

func TestPreviewIsPersonal(t *testing.T) {
	for platform, fields := range map[jobs.Platform]string{jobs.APNS: `"message":"Dear {{n}}"`, jobs.GCM: `"message":{"a":"Dear {{n}}"}`} {
		for vars, want := range map[string]string{`{"n":"Ann"}`: "Dear Ann", `{}`: "MissingVariable"} {
			job, err := jobs.Decode(platform, []byte(`{"recipients":[{"id":"aa","vars":`+vars+`}],`+fields+`}`))
			if err != nil {
				t.Fatal(err)
			}
			text, err := Preview(job, published)
			if err != nil {
				text = err.Error()
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s", platform, text)
			}
		}
	}
}

func BenchmarkPersonalPayloads(b *testing.B) {
	p := &personal{template: jobs.CompileTemplate(`{"aps":{"alert":{"body":"Your order {{order}} is on its way.","title":"Dear {{name|customer}}"}}}`)}
	job, err := jobs.Decode(jobs.APNS, []byte(`{"message":"m","recipients":[`+strings.TrimSuffix(strings.Repeat(`{"id":"aa","vars":{"name":"Ann","order":4711}},`, 1000), ",")+`]}`))
	if err != nil {
		b.Fatal(err)
	}
	recipients, out := make([]int, 1000), make([]sender.Outcome, 1000)
	for i := range recipients {
		recipients[i] = i
	}
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(recipients) {
		p.payloads(job.Vars, recipients, out)
	}
}
