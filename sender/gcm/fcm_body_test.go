package gcm

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFCMBody(t *testing.T) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	const (
		android = `"android":{"priority":"HIGH"},`
		silent  = android + `"apns":{"headers":{"apns-priority":"5"}},`
		visible = android + `"apns":{"headers":{"apns-priority":"10"}},`
	)
	for _, row := range []struct {
		name string
		m    Message
		want string // the message
	}{
		{"text", Message{Data: "hi"}, `{` + silent + `"data":{"message":"hi"},"token":"abc"}`},
		{"null has no string", Message{}, `{` + silent + `"token":"abc"}`},
		{
			"every type becomes a string",
			Message{Data: raw(`{"s":"x","t":true,"f":false,"i":12345678901234567890,"d":1.50,"e":1e3,"o":{"b":1,"a":"ä"},"l":[1,"2"],"n":null}`)},
			`{` + silent + `"data":{"d":"1.5","e":"1000","f":"false","i":"12345678901234567890","l":"[1,\"2\"]","o":"{\"a\":\"ä\",\"b\":1}","s":"x","t":"true"},"token":"abc"}`,
		},
		{"number message", Message{Data: raw(`1.0`)}, `{` + silent + `"data":{"message":"1"},"token":"abc"}`},
		{
			"low priority",
			Message{Data: "hi", LowPriority: new(true)},
			`{"android":{"priority":"NORMAL"},"apns":{"headers":{"apns-priority":"5"}},"data":{"message":"hi"},"token":"abc"}`,
		},
		{
			"low priority of a notification",
			Message{Notification: map[string]any{"title": "T"}, LowPriority: new(true)},
			`{"android":{"priority":"NORMAL"},"apns":{"headers":{"apns-priority":"5"}},"notification":{"title":"T"},"token":"abc"}`,
		},
		{
			"time_to_live",
			Message{Data: "hi", TimeToLive: new(int64(3600))},
			`{"android":{"priority":"HIGH","ttl":"3600s"},"apns":{"headers":{"apns-expiration":"1795431600","apns-priority":"5"}},"data":{"message":"hi"},"token":"abc","webpush":{"headers":{"TTL":"3600"}}}`,
		},
		{
			"time_to_live 0",
			Message{Data: "hi", TimeToLive: new(int64(0))},
			`{"android":{"priority":"HIGH","ttl":"0s"},"apns":{"headers":{"apns-expiration":"0","apns-priority":"5"}},"data":{"message":"hi"},"token":"abc","webpush":{"headers":{"TTL":"0"}}}`,
		},
		{
			"collapse_key",
			Message{Data: "hi", CollapseKey: new("scores")},
			`{"android":{"collapse_key":"scores","priority":"HIGH"},"apns":{"headers":{"apns-collapse-id":"scores","apns-priority":"5"}},"data":{"message":"hi"},"token":"abc","webpush":{"headers":{"Topic":"scores"}}}`,
		},
		{
			"collapse_key that no web topic can be",
			Message{Data: "hi", CollapseKey: new("a b")},
			`{"android":{"collapse_key":"a b","priority":"HIGH"},"apns":{"headers":{"apns-collapse-id":"a b","apns-priority":"5"}},"data":{"message":"hi"},"token":"abc"}`,
		},
		{
			"restricted_package_name",
			Message{Data: "hi", RestrictedPackageName: new("a.b")},
			`{"android":{"priority":"HIGH","restricted_package_name":"a.b"},"apns":{"headers":{"apns-priority":"5"}},"data":{"message":"hi"},"token":"abc"}`,
		},
		{"delay_while_idle is ignored", Message{Data: "hi", DelayWhileIdle: new(true)}, `{` + silent + `"data":{"message":"hi"},"token":"abc"}`},
		{
			"notification",
			Message{Data: "hi", Notification: raw(`{"title":"T","body":"B","image":"https://x/i.png"}`)},
			`{` + visible + `"data":{"message":"hi"},"notification":{"body":"B","image":"https://x/i.png","title":"T"},"token":"abc"}`,
		},
		{
			"notification in the object overrides",
			Message{Data: raw(`{"k":"v","notification":{"title":"in"}}`), Notification: raw(`{"title":"out"}`)},
			`{` + visible + `"data":{"k":"v"},"notification":{"title":"in"},"token":"abc"}`,
		},
		{"fid", Message{Data: "hi", FID: new(true)}, `{` + silent + `"data":{"message":"hi"},"fid":"abc"}`},
		{"topic", Message{Data: "hi", Topic: new("/topics/news")}, `{` + silent + `"data":{"message":"hi"},"topic":"news"}`},
		{"condition", Message{Data: "hi", Condition: new("'a' in topics")}, `{` + silent + `"condition":"'a' in topics","data":{"message":"hi"}}`},
		{"fcm_options", Message{Data: "hi", FCMOptions: raw(`{"analytics_label":"x"}`)}, `{` + silent + `"data":{"message":"hi"},"fcm_options":{"analytics_label":"x"},"token":"abc"}`},
		{
			"a block's key wins over a default",
			Message{Data: "hi", Android: raw(`{"priority":"NORMAL","direct_boot_ok":true}`)},
			`{"android":{"direct_boot_ok":true,"priority":"NORMAL"},"apns":{"headers":{"apns-priority":"5"}},"data":{"message":"hi"},"token":"abc"}`,
		},
		{
			"in either spelling",
			Message{Notification: raw(`{"title":"T","click_action":"c"}`), Android: raw(`{"notification":{"clickAction":"mine"}}`)},
			`{"android":{"notification":{"clickAction":"mine"},"priority":"HIGH"},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"category":"c"}}},"notification":{"title":"T"},"token":"abc"}`,
		},
		{
			"headers have no case",
			Message{Data: "hi", APNS: raw(`{"headers":{"APNS-Priority":"1"},"payload":{"aps":{"content-available":1},"mine":2}}`)},
			`{` + android + `"apns":{"headers":{"APNS-Priority":"1"},"payload":{"aps":{"content-available":1},"mine":2}},"data":{"message":"hi"},"token":"abc"}`,
		},
		{
			"an alert in the apns block is visible",
			Message{Data: "hi", APNS: raw(`{"payload":{"aps":{"alert":"A"}}}`)},
			`{` + android + `"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"alert":"A"}}},"data":{"message":"hi"},"token":"abc"}`,
		},
		{
			"null takes a default away",
			Message{Data: "hi", Android: raw(`{"priority":null}`), APNS: raw(`{"headers":null}`)},
			`{"data":{"message":"hi"},"token":"abc"}`,
		},
		{
			"web block",
			Message{Data: "hi", TimeToLive: new(int64(60)), Webpush: raw(`{"headers":{"ttl":"5","Urgency":"low"}}`)},
			`{"android":{"priority":"HIGH","ttl":"60s"},"apns":{"headers":{"apns-expiration":"1795428060","apns-priority":"5"}},"data":{"message":"hi"},"token":"abc","webpush":{"headers":{"Urgency":"low","ttl":"5"}}}`,
		},
		{"raw payload", Message{Payload: raw(`{"webpush":{},"data":{"a":"1"}}`)}, `{"token":"abc","webpush":{},"data":{"a":"1"}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, want := body(t, V1, &row.m, "abc"), `{"message":`+row.want+`}`; got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestFCMDryRunStandsOutside(t *testing.T) {
	want := `{"message":{"token":"abc","data":{"a":"1"}},"validate_only":true}`
	if got := body(t, V1, &Message{Payload: json.RawMessage(`{"data":{"a":"1"}}`), DryRun: new(true)}, "abc"); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := body(t, V1, &Message{Data: "hi", DryRun: new(true)}, "abc"); !strings.HasSuffix(got, `"token":"abc"},"validate_only":true}`) {
		t.Error(got)
	}
}

func TestFCMNotificationSplit(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{
			"android keys", `{"icon":"i","color":"#112233","tag":"t","android_channel_id":"c","ticker":"T","sticky":true}`,
			`"android":{"notification":{"channel_id":"c","color":"#112233","icon":"i","sticky":true,"tag":"t","ticker":"T"},"priority":"HIGH"},"apns":{"headers":{"apns-priority":"5"}}`,
		},
		{
			"sound is for both", `{"sound":"ping"}`,
			`"android":{"notification":{"sound":"ping"},"priority":"HIGH"},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"sound":"ping"}}}`,
		},
		{
			"a sound dictionary is for iOS", `{"sound":{"critical":1,"name":"x"}}`,
			`"android":{"priority":"HIGH"},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"sound":{"critical":1,"name":"x"}}}}`,
		},
		{"badge as a string", `{"badge":"7"}`, `"android":{"priority":"HIGH"},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"badge":7}}}`},
		{"badge as a number", `{"badge":0}`, `"android":{"priority":"HIGH"},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"badge":0}}}`},
		{
			"subtitle repeats title and body", `{"title":"T","body":"B","subtitle":"S"}`,
			`"android":{"priority":"HIGH"},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"alert":{"body":"B","subtitle":"S","title":"T"}}}},"notification":{"body":"B","title":"T"}`,
		},
		{
			"loc keys and args", `{"title_loc_key":"tk","title_loc_args":["a",1],"body_loc_key":"bk","body_loc_args":"[\"x\",\"y\"]"}`,
			`"android":{"notification":{"body_loc_args":["x","y"],"body_loc_key":"bk","title_loc_args":["a","1"],"title_loc_key":"tk"},"priority":"HIGH"},` +
				`"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"alert":{"loc-args":["x","y"],"loc-key":"bk","title-loc-args":["a","1"],"title-loc-key":"tk"}}}}`,
		},
		{
			"links", `{"title":"T","icon":"https://x/i.png","click_action":"https://x/"}`,
			`"android":{"notification":{"click_action":"https://x/","icon":"https://x/i.png"},"priority":"HIGH"},` +
				`"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"category":"https://x/"}}},"notification":{"title":"T"},` +
				`"webpush":{"fcm_options":{"link":"https://x/"},"notification":{"icon":"https://x/i.png"}}`,
		},
		{
			"no link without TLS", `{"title":"T","click_action":"http://x/"}`,
			`"android":{"notification":{"click_action":"http://x/"},"priority":"HIGH"},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"category":"http://x/"}}},"notification":{"title":"T"}`,
		},
		{
			"numbers as text, nulls left out", `{"title":12.50,"body":true,"icon":null}`,
			`"android":{"priority":"HIGH"},"apns":{"headers":{"apns-priority":"10"}},"notification":{"body":"true","title":"12.5"}`,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := body(t, V1, &Message{Notification: json.RawMessage(row.in), FID: new(true), Data: json.RawMessage(`{}`)}, "abc")
			got = strings.Replace(got, `"fid":"abc",`, "", 1)
			got = strings.Replace(got, `,"fid":"abc"`, "", 1)
			if want := `{"message":{` + row.want + `}}`; got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}
