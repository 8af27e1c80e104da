package gcm

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
)

func TestPrepareFaults(t *testing.T) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	for _, row := range []struct {
		name   string
		p      Protocol
		m      Message
		fields []string
	}{
		{"not JSON", V1, Message{Data: raw(`{`)}, []string{"message"}},
		{"can't be JSON", V1, Message{Data: func() {}}, []string{"message"}},
		{
			"wrong types", V1,
			Message{Notification: "x", Android: raw(`1`), APNS: raw(`[]`), Webpush: "w", FCMOptions: true},
			[]string{"notification", "android", "apns", "webpush", "fcm_options"},
		},
		{"payload not an object", Legacy, Message{Payload: raw(`[]`)}, []string{"payload"}},
		{"time_to_live below", V1, Message{TimeToLive: new(int64(-1))}, []string{"time_to_live"}},
		{"time_to_live above", Legacy, Message{TimeToLive: new(int64(2419201))}, []string{"time_to_live"}},
		{
			"v1 fields with legacy", Legacy,
			Message{FID: new(true), Android: raw(`{}`), APNS: raw(`{}`), Webpush: raw(`{}`), FCMOptions: raw(`{}`)},
			[]string{"fid", "android", "apns", "webpush", "fcm_options"},
		},
		{"two targets", V1, Message{Topic: new("a"), Condition: new("b")}, []string{"condition"}},
		{"fid and topic", V1, Message{Topic: new("a"), FID: new(true)}, []string{"fid"}},
		{"topic empty", V1, Message{Topic: new("/topics/")}, []string{"topic"}},
		{"topic with a space", V1, Message{Topic: new("a b")}, []string{"topic"}},
		{"topic too long", V1, Message{Topic: new(strings.Repeat("a", 901))}, []string{"topic"}},
		{"condition empty", V1, Message{Condition: new(" ")}, []string{"condition"}},
		{
			"reserved data keys", V1,
			Message{Data: raw(`{"from":1,"message_type":1,"google.x":1,"gcm.notification.y":1,"googly":1}`)},
			[]string{"message", "message", "message", "message"},
		},
		{
			"options set twice", V1,
			Message{
				TimeToLive: new(int64(1)), LowPriority: new(false), CollapseKey: new("k"), RestrictedPackageName: new("p"),
				Android: raw(`{"ttl":"1s","priority":"HIGH","collapseKey":"k","restricted_package_name":"p"}`),
			},
			[]string{"time_to_live", "low_priority", "collapse_key", "restricted_package_name"},
		},
		{"two spellings", V1, Message{Android: raw(`{"collapse_key":"a","collapseKey":"b"}`)}, []string{"android"}},
		{
			"notification keys", V1,
			Message{Notification: raw(`{"badge":"x","title":{},"title_loc_args":"x","body_loc_args":[{}],"android_channel_id":"a","channel_id":"b"}`)},
			[]string{"notification", "notification", "notification", "notification", "notification"},
		},
		{"notification inside is no object", V1, Message{Data: raw(`{"notification":"x"}`)}, []string{"notification"}},
		{
			"payload stands alone", V1,
			Message{
				Payload: raw(`{}`), Data: "x", Notification: raw(`{}`), CollapseKey: new("k"), DelayWhileIdle: new(false), TimeToLive: new(int64(1)),
				LowPriority: new(true), RestrictedPackageName: new("p"), Android: raw(`{}`), APNS: raw(`{}`), Webpush: raw(`{}`), FCMOptions: raw(`{}`),
			},
			[]string{"message", "notification", "collapse_key", "delay_while_idle", "time_to_live", "low_priority", "restricted_package_name", "android", "apns", "webpush", "fcm_options"},
		},
		{"payload with dry_run", Legacy, Message{Payload: raw(`{}`), DryRun: new(true)}, []string{"dry_run"}},
		{
			"payload with a v1 target", V1,
			Message{Payload: raw(`{"token":"x","fid":"x","topic":"x","condition":"x","name":"x"}`)},
			[]string{"payload", "payload", "payload", "payload", "payload"},
		},
		{
			"payload with a legacy target", Legacy,
			Message{Payload: raw(`{"to":"x","registration_ids":[],"condition":"x","notification_key":"x"}`)},
			[]string{"payload", "payload", "payload", "payload"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Prepare(row.p, &row.m, testNow)
			var faults jobs.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("%v is no jobs.Faults", err)
			}
			var fields []string
			for _, f := range faults {
				fields = append(fields, f.Field)
			}
			if diff := cmp.Diff(row.fields, fields); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestPayloadLimits(t *testing.T) {
	text := func(n int) map[string]any {
		return map[string]any{"k": strings.Repeat("ä", n/2) + strings.Repeat("x", n%2)}
	}
	raw := func(v string) json.RawMessage { return json.RawMessage(v) }
	for _, row := range []struct {
		name string
		max  int // most bytes of text beside the keys
		m    func(text map[string]any, n int) Message
	}{
		{"data", 4095, func(text map[string]any, _ int) Message { return Message{Data: text} }},
		{"message", 4089, func(text map[string]any, _ int) Message { return Message{Data: text["k"]} }},
		{"data and notification", 4092, func(text map[string]any, _ int) Message {
			return Message{Data: text, Notification: map[string]any{"tag": ""}}
		}},
		{"topic", 2047, func(text map[string]any, _ int) Message { return Message{Data: text, Topic: new("t")} }},
		{"condition", 2047, func(text map[string]any, _ int) Message { return Message{Data: text, Condition: new("t")} }},
		{"raw payload", 4095, func(text map[string]any, _ int) Message { return Message{Payload: map[string]any{"data": text}} }},
	} {
		for _, p := range []Protocol{V1, Legacy} {
			t.Run(string(p)+" "+row.name, func(t *testing.T) {
				m := row.m(text(row.max), row.max)
				prepared, err := Prepare(p, &m, testNow)
				if err != nil {
					t.Fatalf("at the limit: %v", err)
				}
				if limit := prepared.Size(); limit != MaxPayload && limit != MaxTopicPayload {
					t.Errorf("size is %d", limit)
				}
				m = row.m(text(row.max+1), row.max+1)
				_, err = Prepare(p, &m, testNow)
				var faults jobs.Faults
				if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Field != "message" || !strings.Contains(faults[0].Problem, "limit") {
					t.Errorf("one over the limit: %v", err)
				}
			})
		}
	}
	// A platform's own block counts instead of, or beside, what is shared.
	for _, row := range []struct {
		m    Message
		want int
	}{
		{Message{Data: map[string]any{"a": "12345"}, Android: raw(`{"data":{"a":"1"}}`)}, 6},
		{Message{Data: map[string]any{"a": "1"}, Android: raw(`{"data":{"a":"12345"}}`)}, 6},
		{Message{Data: map[string]any{"a": "1"}, Android: raw(`{"notification":{"tag":"12"}}`)}, 7},
		{Message{Data: map[string]any{"a": "1"}, Webpush: raw(`{"notification":{"n":1}}`)}, 4},
		{Message{Data: map[string]any{"a": "1"}, APNS: raw(`{"payload":{"aps":{"badge":1}}}`)}, 2 + len(`{"aps":{"badge":1}}`)},
	} {
		prepared, err := Prepare(V1, &row.m, testNow)
		if err != nil || prepared.Size() != row.want {
			t.Errorf("%+v: %v, %v; want %d", row.m, prepared.Size(), err, row.want)
		}
	}
}

func TestDefaultProtocol(t *testing.T) {
	if p, err := Prepare("", &Message{}, testNow); err != nil || p.Protocol() != V1 {
		t.Error(p, err)
	}
}

func TestTopicNameAtItsLimit(t *testing.T) {
	p, err := Prepare(V1, &Message{Topic: new(strings.Repeat("a", 900))}, testNow)
	if err != nil || len(p.Target()) != 900 {
		t.Error(err)
	}
}

func TestNotices(t *testing.T) {
	for _, row := range []struct {
		p    Protocol
		m    Message
		want string
	}{
		{V1, Message{DelayWhileIdle: new(false)}, "delay_while_idle"},
		{V1, Message{CollapseKey: new(strings.Repeat("k", 65))}, "collapse_key"},
		{V1, Message{CollapseKey: new(strings.Repeat("k", 64))}, ""},
		{Legacy, Message{DelayWhileIdle: new(true)}, ""},
	} {
		p, err := Prepare(row.p, &row.m, testNow)
		if err != nil {
			t.Fatal(err)
		}
		notices := strings.Join(p.Notices(), " ")
		if (row.want == "") != (notices == "") || !strings.Contains(notices, row.want) {
			t.Errorf("%q, want %q", notices, row.want)
		}
	}
}
