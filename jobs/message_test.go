package jobs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormsOfTheMessage(t *testing.T) {
	for _, c := range []struct {
		platform Platform
		message  string
		want     Message
	}{
		{APNS, `null`, Message{}},
		{APNS, `""`, Message{Kind: MessageText}},
		{APNS, `"caf\u00e9"`, Message{Kind: MessageText, Text: "café"}},
		{APNS, `{}`, Message{}},
		{APNS, `{"title":null}`, Message{}},
		{APNS, `{"body":"b","title":null}`, Message{Kind: MessageAlert, Object: rawMap("body", `"b"`)}},
		{APNS, `{"badge":1,"title":null}`, Message{Kind: MessageAPS, Object: rawMap("badge", "1")}},
		{APNS, `{"alert":{ "title":"\u00e9"}}`, Message{Kind: MessageAPS, Object: rawMap("alert", `{"title":"é"}`)}},
		{GCM, `null`, Message{Kind: MessageData, Value: raw("null")}},
		{GCM, `""`, Message{Kind: MessageText}},
		{GCM, `[1, "\u00e9"]`, Message{Kind: MessageData, Value: raw(`[1,"é"]`)}},
		{GCM, `1.50`, Message{Kind: MessageData, Value: raw("1.50")}},
		{GCM, `false`, Message{Kind: MessageData, Value: raw("false")}},
		{GCM, `{"a":null}`, Message{Kind: MessageData, Object: rawMap("a", "null")}},
		{GCM, `{"a":1,"notification":{"title":"t"}}`, Message{Kind: MessageData, Object: rawMap("a", "1")}},
	} {
		t.Run(string(c.platform)+c.message, func(t *testing.T) {
			job := mustDecode(t, c.platform, `{"ids":"ab","message":`+c.message+`}`)
			if diff := cmp.Diff(c.want, job.Message); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := mustDecode(t, GCM, `{"ids":"ab","android":{}}`).Message; got.Kind != MessageNone {
		t.Errorf("an absent message is %+v", got)
	}
	if got := mustDecode(t, GCM, `{"ids":"ab","message":null,"payload":{}}`).Message; got.Kind != MessageNone {
		t.Errorf("a null message beside a payload is %+v", got)
	}
}

// Reference §5.1: the message's own notification wins, whichever field stands first; null removes the option's.
func TestNotificationOfTheMessageOverridesTheOption(t *testing.T) {
	const option = `"notification":{"title":"option"}`
	for message, want := range map[string]map[string]string{
		`{}`:                                  {"title": `"option"`},
		`{"notification":{"body":"message"}}`: {"body": `"message"`},
		`{"notification":null}`:               nil,
	} {
		for _, body := range []string{
			`{"ids":"x",` + option + `,"message":` + message + `}`, `{"ids":"x","message":` + message + `,` + option + `}`,
		} {
			job := mustDecode(t, GCM, body)
			again := mustDecode(t, GCM, string(job.encode()))
			for _, j := range []*Job{job, again} {
				got := make(map[string]string)
				for k, v := range j.GCM.Notification {
					got[k] = string(v)
				}
				if len(want) == 0 && j.GCM.Notification == nil {
					continue
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: %s", body, diff)
				}
			}
		}
	}
}

func TestTopicLosesItsPrefix(t *testing.T) {
	job := mustDecode(t, GCM, `{"topic":"/topics/news","message":"m"}`)
	if target, ok := job.Target(); target != "news" || !ok || job.Recipients() != 1 || job.Recipient(0) != "news" {
		t.Errorf("target %q", target)
	}
	job = mustDecode(t, GCM, `{"condition":"'a' in topics","message":"m"}`)
	if target, ok := job.Target(); target != "'a' in topics" || !ok || job.Recipients() != 1 {
		t.Errorf("target %q", target)
	}
	if target, ok := mustDecode(t, APNS, `{"ids":"ab","topic":"com.example.app"}`).Target(); ok {
		t.Errorf("an apns-topic became the target %q", target)
	}
}
