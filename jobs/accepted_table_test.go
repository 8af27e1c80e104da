package jobs

import (
	"fmt"
	"strings"
)

// accepted is a job that Decode takes, and so does the schema.
type accepted struct {
	name     string
	platform Platform
	body     string
}

// refused is a job that Decode refuses with exactly these faults.
type refused struct {
	name     string
	platform Platform
	body     string
	want     string
	// schemaBlind marks what a JSON Schema can't see; the schema refuses all others.
	schemaBlind bool
}

func repeat(text string, n int) string { return strings.Repeat(text, n) }

func nest(n int) string { return repeat(`[`, n) + repeat(`]`, n) }

// rest completes an APNs job after one field of interest.
const rest = `,"ids":"ab"}`

// gcmRest completes a GCM job.
const gcmRest = `,"ids":"ab","message":"m"}`

func acceptedJobs() []accepted {
	var all []accepted
	apns := func(bodies ...string) {
		for _, b := range bodies {
			all = append(all, accepted{fmt.Sprintf("apns %.60s", b), APNS, b})
		}
	}
	gcm := func(bodies ...string) {
		for _, b := range bodies {
			all = append(all, accepted{fmt.Sprintf("gcm %.60s", b), GCM, b})
		}
	}
	apns(
		`{"recipients":[{"id":"ab"}]}`, `{"recipients":[{"id":"ab","vars":null},{"id":"not hex","vars":{}}]}`,
		`{"recipients":[{"id":"ab","vars":{"_a1":"x","b":-1.50,"c":true,"d":null,"`+repeat("v", MaxVarNameBytes)+`":""}}],"message":"{{_a1}} {{b|}} {{{{ }}"}`,
		`{"recipients":[{"id":"ab","vars":{`+manyVars(MaxVars)+`}}],"ids":null,"extra":{"{{":["{{v1|a} b}}"]}}`,
		`{"ids":"ab"}`, `{"ids":["ab"]}`, `{"ids":[""]}`, `{"ids":["not hex","ab","ab"]}`, " \r\n\t{ \"ids\" : [ \"ab\" , \"cd\" ] } \n",
		`{"id":"a"`+rest, `{"id":"`+repeat("Z", 64)+`"`+rest, `{"id":"0_-"`+rest, `{"id":"push_1"`+rest, `{"id":null`+rest,
		`{"app":"a"`+rest, `{"app":"`+repeat("a", 32)+`"`+rest, `{"app":"0_-"`+rest, `{"app":null`+rest,
		`{"campaign":"Spring-2026_a"`+rest, `{"campaign":"`+repeat("c", 64)+`"`+rest,
		`{"deliver_at":"2026-11-23T10:00:00Z"`+rest, `{"deliver_at":"2026-11-23T10:00:00.123456789-05:30"`+rest, `{"deliver_at":null`+rest,
		`{"on_uncertain":"resend"`+rest, `{"on_uncertain":"report"`+rest,
		`{"channel":"dGVzdA=="}`, `{"channel":"`+repeat("dGVz", MaxChannelBytes/4)+`","ids":null}`, `{"channel":"dGVzdA==","push_type":"liveactivity","content_state":{}}`,
		`{"message":null`+rest, `{"message":""`+rest, `{"message":"caf\u00e9 \ud83d\ude00"`+rest, `{"message":{}`+rest, `{"message":{"title":null}`+rest,
		`{"message":{"title":"t","subtitle":"s","body":"b","launch-image":"l","title-loc-key":"k","title-loc-args":[],"subtitle-loc-key":"k","subtitle-loc-args":["x"],"loc-key":"k","loc-args":["a"],"action-loc-key":"a","action":"a","summary-arg":"s","summary-arg-count":2}`+rest,
		`{"message":{"alert":{"title":"t"},"badge":1,"sound":{"critical":1,"name":"n","volume":1},"thread-id":"t","category":"c","content-available":1,"mutable-content":0,"target-content-id":"t","interruption-level":"critical","relevance-score":0.5,"filter-criteria":"f","stale-date":1.5,"content-state":{},"timestamp":1,"event":"end","dismissal-date":1,"attributes-type":"a","attributes":{},"input-push-channel":"c","input-push-token":1,"url-args":[],"content-changed":true}`+rest,
		`{"message":{"alert":"text","sound":"default"}`+rest,
		`{"message":{"body":"b"},"title":"t","badge":0,"loc_args":[]`+rest,
		`{"message":{"badge":1},"title":"t","sound":""`+rest,
		`{"message":{"badge":1},"title":null,"badge":null`+rest,
		`{"badge":9223372036854775807`+rest, `{"relevance_score":-17.25e3`+rest,
		`{"batch_size":1`+rest, `{"batch_size":1000`+rest, `{"error_timeout":0`+rest, `{"error_timeout":300`+rest, `{"error_timeout":0.25`+rest,
		`{"retries":1`+rest, `{"retries":100`+rest, `{"max_payload_length":0`+rest, `{"max_payload_length":5120`+rest,
		`{"expiration":0`+rest, `{"expiration":2147483647`+rest, `{"priority":1`+rest, `{"priority":5`+rest, `{"priority":10`+rest, `{"low_priority":false`+rest,
		`{"priority":5,"low_priority":null`+rest,
		`{"collapse_id":"`+repeat("c", 64)+`"`+rest, `{"collapse_id":"a b é"`+rest, `{"topic":"`+repeat("t", 255)+`"`+rest, `{"push_type":"brand-new"`+rest,
		`{"push_type":"background","content_available":true`+rest, `{"push_type":"background","priority":5,"extra":{"a":1}`+rest, `{"push_type":"background","low_priority":true`+rest,
		`{"push_type":"background","message":{"content-available":1}`+rest,
		`{"payload":{"mdm":"magic"},"push_type":"mdm","expiration":5`+rest, `{"payload":{"aps":{}},"message":null,"badge":null`+rest,
		`{"extra":{"aPS":1,"nested":{"aps":1}}`+rest, `{"extra":{"deep":`+nest(MaxDepth-2)+`}`+rest,
		`{"deliver_at":"2106-02-07T06:28:15Z","expiration":0`+rest, `{"deliver_at":"2106-01-08T06:28:15Z"`+rest,
	)
	gcm(
		`{"recipients":[{"id":"x","vars":{"a":"y"}}],"fid":true,"message":{"a":"{{a}}"},"collapse_key":"{{a}}"}`,
		`{"ids":"x","message":"text"}`, `{"ids":"x","message":null}`, `{"ids":"x","message":[1]}`, `{"ids":"x","message":1.50}`, `{"ids":"x","message":true}`, `{"ids":"x","message":{}}`,
		`{"ids":"x","message":{"a":1,"b":{"from":1},"From":2,"xgoogle":3}}`, `{"ids":"x","notification":{"title":"t"}}`, `{"ids":"x","android":{}}`, `{"ids":"x","apns":{}}`, `{"ids":"x","webpush":{}}`,
		`{"ids":"x","message":{"notification":null},"notification":{"title":"t"}}`, `{"ids":"x","message":{"notification":{"title":"t"}}}`,
		`{"time_to_live":0`+gcmRest, `{"time_to_live":2419200`+gcmRest, `{"collapse_key":"c","delay_while_idle":true,"restricted_package_name":"p","dry_run":false,"fid":false`+gcmRest,
		`{"topic":"news","message":"m"}`, `{"topic":"/topics/news","message":"m"}`, `{"topic":"`+repeat("t", 900)+`","message":"m"}`, `{"topic":"a-_.~%","ids":null,"message":"m"}`,
		`{"condition":"'a' in topics","message":"m"}`, `{"condition":"'a' in topics && ('b' in topics || 'c' in topics) && ('d' in topics||'e' in topics)","message":"m"}`,
		`{"payload":{"data":{"a":"b"}},"ids":"x","dry_run":true}`, `{"payload":{"data":{}},"topic":"t"}`, `{"payload":{},"message":null,"ids":"x"}`,
	)
	return all
}
