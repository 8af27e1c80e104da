package gcm

import (
	"encoding/json"
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func body(t *testing.T, p Protocol, m *Message, id string) string {
	t.Helper()
	prepared, err := Prepare(p, m, testNow)
	if err != nil {
		t.Fatal(err)
	}
	b := prepared.Body(id)
	if !json.Valid(b) {
		t.Fatalf("not JSON: %s", b)
	}
	return string(b)
}

// Reference gcm-legacy §5.1, row by row.
func TestLegacyBody(t *testing.T) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	for _, row := range []struct {
		name string
		m    Message
		want string
	}{
		{"the reference's own example", Message{Data: map[string]any{}}, `{"data":{},"priority":"high","to":"abc"}`},
		{"text", Message{Data: "hi"}, `{"data":{"message":"hi"},"priority":"high","to":"abc"}`},
		{"null", Message{}, `{"data":{"message":null},"priority":"high","to":"abc"}`},
		{"list", Message{Data: raw(`[1, 2]`)}, `{"data":{"message":[1,2]},"priority":"high","to":"abc"}`},
		{"number", Message{Data: raw(`1.50`)}, `{"data":{"message":1.50},"priority":"high","to":"abc"}`},
		{"boolean", Message{Data: true}, `{"data":{"message":true},"priority":"high","to":"abc"}`},
		{"object", Message{Data: raw(`{"z":1,"a":{"c":null,"b":"x"}}`)}, `{"data":{"a":{"b":"x","c":null},"z":1},"priority":"high","to":"abc"}`},
		{
			"notification option",
			Message{Data: "hi", Notification: map[string]any{"title": "T", "body": "B"}},
			`{"data":{"message":"hi"},"notification":{"body":"B","title":"T"},"priority":"high","to":"abc"}`,
		},
		{"empty notification is kept", Message{Data: "hi", Notification: map[string]any{}}, `{"data":{"message":"hi"},"notification":{},"priority":"high","to":"abc"}`},
		{
			"notification in the object overrides",
			Message{Data: raw(`{"a":1,"notification":{"title":"inner"}}`), Notification: map[string]any{"title": "outer"}},
			`{"data":{"a":1},"notification":{"title":"inner"},"priority":"high","to":"abc"}`,
		},
		{
			"null there removes it",
			Message{Data: raw(`{"a":1,"notification":null}`), Notification: map[string]any{"title": "outer"}},
			`{"data":{"a":1},"priority":"high","to":"abc"}`,
		},
		{"collapse_key", Message{Data: "hi", CollapseKey: new("k")}, `{"collapse_key":"k","data":{"message":"hi"},"priority":"high","to":"abc"}`},
		{"delay_while_idle", Message{Data: "hi", DelayWhileIdle: new(true)}, `{"data":{"message":"hi"},"delay_while_idle":true,"priority":"high","to":"abc"}`},
		{"delay_while_idle false is kept", Message{Data: "hi", DelayWhileIdle: new(false)}, `{"data":{"message":"hi"},"delay_while_idle":false,"priority":"high","to":"abc"}`},
		{"time_to_live 0 is kept", Message{Data: "hi", TimeToLive: new(int64(0))}, `{"data":{"message":"hi"},"priority":"high","time_to_live":0,"to":"abc"}`},
		{"time_to_live at its limit", Message{Data: "hi", TimeToLive: new(int64(2419200))}, `{"data":{"message":"hi"},"priority":"high","time_to_live":2419200,"to":"abc"}`},
		{"low_priority says so", Message{Data: "hi", LowPriority: new(true)}, `{"data":{"message":"hi"},"priority":"normal","to":"abc"}`},
		{"low_priority false", Message{Data: "hi", LowPriority: new(false)}, `{"data":{"message":"hi"},"priority":"high","to":"abc"}`},
		{"restricted_package_name", Message{Data: "hi", RestrictedPackageName: new("a.b")}, `{"data":{"message":"hi"},"priority":"high","restricted_package_name":"a.b","to":"abc"}`},
		{"dry_run", Message{Data: "hi", DryRun: new(true)}, `{"data":{"message":"hi"},"dry_run":true,"priority":"high","to":"abc"}`},
		{"dry_run false is left out", Message{Data: "hi", DryRun: new(false)}, `{"data":{"message":"hi"},"priority":"high","to":"abc"}`},
		{"raw UTF-8, no HTML escaping", Message{Data: "<ä & 😀>\u2028"}, `{"data":{"message":"<ä & 😀>` + "\u2028" + `"},"priority":"high","to":"abc"}`},
		{"topic", Message{Data: "hi", Topic: new("news")}, `{"data":{"message":"hi"},"priority":"high","to":"/topics/news"}`},
		{"topic with its prefix", Message{Data: "hi", Topic: new("/topics/news")}, `{"data":{"message":"hi"},"priority":"high","to":"/topics/news"}`},
		{
			"condition",
			Message{Data: "hi", Condition: new("'a' in topics && 'b' in topics")},
			`{"condition":"'a' in topics && 'b' in topics","data":{"message":"hi"},"priority":"high"}`,
		},
		{"raw payload keeps its bytes", Message{Payload: raw(` {"priority" : "high","data":{"b":1,"a":2}} `)}, `{"to":"abc","priority" : "high","data":{"b":1,"a":2}}`},
		{"empty raw payload", Message{Payload: raw(`{ }`)}, `{"to":"abc" }`},
		{"raw payload with a topic", Message{Payload: raw(`{"a":1}`), Topic: new("t")}, `{"to":"/topics/t","a":1}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := body(t, Legacy, &row.m, "abc"); got != row.want {
				t.Errorf("\n got %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestLegacyBodyForMany(t *testing.T) {
	p, err := Prepare(Legacy, &Message{Data: "hi", RestrictedPackageName: new("a.b"), CollapseKey: new("k")}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"collapse_key":"k","data":{"message":"hi"},"priority":"high","registration_ids":["a","\"b\""],"restricted_package_name":"a.b"}`
	if got := string(p.appendForMany(nil, []string{"a", "x", `"b"`}, []int{0, 2})); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := string(p.Body("c")); got != `{"collapse_key":"k","data":{"message":"hi"},"priority":"high","restricted_package_name":"a.b","to":"c"}` {
		t.Errorf("the body for one has changed: %s", got)
	}
}
