package gcmtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender/simulator"
)

// googleError is the error format of Google's APIs.
type googleError struct {
	Error struct {
		Code    int              `json:"code"`
		Message string           `json:"message"`
		Status  string           `json:"status"`
		Details []map[string]any `json:"details"`
	} `json:"error"`
}

// kinds are the details' types, the last word of each.
func (e googleError) kinds() string {
	var out []string
	for _, d := range e.Error.Details {
		name := fmt.Sprint(d["@type"])
		out = append(out, name[strings.LastIndexByte(name, '.')+1:])
	}
	return strings.Join(out, " ")
}

// code is the FcmError code, "" without one.
func (e googleError) code() string {
	for _, d := range e.Error.Details {
		if d["@type"] == fcmErrorType {
			return fmt.Sprint(d["errorCode"])
		}
	}
	return ""
}

func TestV1Accepted(t *testing.T) {
	f := start(t, nil)
	body := `{"message":{"token":"r1","data":{"a":"b"}}}`
	got := f.v1(body)
	answer := decode[map[string]string](t, got.body)
	if got.status != 200 || !strings.HasPrefix(answer["name"], "projects/"+project+"/messages/0:") || len(answer) != 1 {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	want := simulator.Notification{
		Platform: "gcm", Protocol: "v1", Token: "r1", Status: 200, At: now, Body: []byte(body),
		Headers: map[string]string{
			"authorization": "Bearer [redacted]", "content-type": "application/json", "content-length": "43",
			"accept-encoding": "gzip", "user-agent": "Go-http-client/2.0",
		},
	}
	if diff := cmp.Diff(want, f.last()); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestV1ValidateOnly(t *testing.T) {
	f := start(t, nil)
	for _, name := range []string{"validate_only", "validateOnly"} {
		got := f.v1(`{"` + name + `":true,"message":{"token":"r1"}}`)
		if got.status != 200 || !strings.Contains(got.body, "projects/"+project+"/messages/fake_message_id") {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
	if sum := f.Ledger().Summary(); sum.DryRun != 2 || sum.Accepted != 0 {
		t.Errorf("the ledger counts %+v", sum.Counts)
	}
}

func TestV1Projects(t *testing.T) {
	f := start(t, func(o *Options) { o.Projects = []string{"other"} })
	got := f.v1(`{"message":{"token":"r1"}}`)
	answer := decode[googleError](t, got.body)
	if got.status != 404 || answer.Error.Status != "NOT_FOUND" || answer.code() != "" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	if line := f.last(); line.Token != "r1" || line.Reason != "NOT_FOUND" {
		t.Errorf("ledger line %+v", line)
	}
}

func TestV1MessageRules(t *testing.T) {
	f := start(t, nil)
	data := func(size int) string { return `"data":{"k":"` + strings.Repeat("x", size-1) + `"}` }
	payload := func(size int) string {
		return `"apns":{"payload":{"k":"` + strings.Repeat("x", size-len(`{"k":""}`)) + `"}}`
	}
	const token = `"token":"r"`
	tests := []struct {
		name, message string
		code, kinds   string // of the error; both empty for a message that is taken
		text          string
	}{
		{"everything", everyField, "", "", ""},
		{"camelCase", `"token":"r","android":{"collapseKey":"a","restrictedPackageName":"b","notification":{"titleLocArgs":["x"]}}`, "", "", ""},
		{"null is absent", `"token":"r","topic":null,"data":null,"android":{"ttl":null}`, "", "", ""},
		{"last of repeated keys wins", `"token":"a","token":"r"`, "", "", ""},
		{"last of repeated keys wins, null", `"token":"a","token":null`, "INVALID_ARGUMENT", "BadRequest FcmError", "Recipient of the message is not set."},
		{"half camelCase", `"token":"r","android":{"restrictedPackage_name":"x"}`, "", "BadRequest", `Unknown name "restrictedPackage_name"`},
		{"fid", `"fid":"r"`, "", "", ""},
		{"no target", `"data":{}`, "INVALID_ARGUMENT", "BadRequest FcmError", "Recipient of the message is not set."},
		{"two targets", `"token":"r","topic":"news"`, "", "BadRequest", "oneof field 'target' is already set"},
		{"token and fid", `"token":"r","fid":"f"`, "", "BadRequest", "oneof"},
		{"token empty", `"token":""`, "INVALID_ARGUMENT", "FcmError BadRequest", malformedToken},
		{"token with space", `"token":"a b"`, "INVALID_ARGUMENT", "FcmError BadRequest", malformedToken},
		{"token at limit", `"token":"` + strings.Repeat("r", 4096) + `"`, "", "", ""},
		{"token over limit", `"token":"` + strings.Repeat("r", 4097) + `"`, "INVALID_ARGUMENT", "FcmError BadRequest", malformedToken},
		{"token of another type", `"token":12`, "", "BadRequest", "Invalid value at 'message.token' (TYPE_STRING), 12"},
		{"data number", `"token":"r","data":{"b":12}`, "", "BadRequest", "Invalid value at 'message.data[0].value' (TYPE_STRING), 12"},
		{"data second", `"token":"r","data":{"a":"b","c":true}`, "", "BadRequest", "Invalid value at 'message.data[1].value' (TYPE_STRING), true"},
		{"data null", `"token":"r","data":{"b":null}`, "", "BadRequest", "'message.data[0].value'"},
		{"data list", `"token":"r","data":[]`, "", "BadRequest", "'message.data'"},
		{"reserved from", `"token":"r","data":{"from":"x"}`, "INVALID_ARGUMENT", "BadRequest FcmError", "Invalid data payload key: from"},
		{"reserved message_type", `"token":"r","data":{"message_type":"x"}`, "INVALID_ARGUMENT", "BadRequest FcmError", "message_type"},
		{"reserved google.", `"token":"r","data":{"google.x":"x"}`, "INVALID_ARGUMENT", "BadRequest FcmError", "google.x"},
		{"reserved gcm", `"token":"r","android":{"data":{"gcm.notification.x":"x"}}`, "INVALID_ARGUMENT", "BadRequest FcmError", "gcm.notification.x"},
		{"not reserved", `"token":"r","data":{"google":"x","gcm":"x"}`, "", "", ""},
		{"unknown field", `"token":"r","colapse_key":"x"`, "", "BadRequest", `Unknown name "colapse_key" at 'message': Cannot find field.`},
		{"unknown field within", `"token":"r","android":{"tll":"1s"}`, "", "BadRequest", `Unknown name "tll" at 'message.android'`},
		{"mixed case", `"token":"r","android":{"Ttl":"1s"}`, "", "BadRequest", `Unknown name "Ttl"`},
		{"android and android_v2", `"token":"r","android":{},"android_v2":{}`, "INVALID_ARGUMENT", "BadRequest FcmError", "Only one"},
		{"android_v2 alone", `"token":"r","android_v2":{"ttl":"1s","background_sync":{},"remote_notification":{"notification":{"id":3}}}`, "", "", ""},
		{"android_v2 has no priority", `"token":"r","android_v2":{"priority":"HIGH"}`, "", "BadRequest", `Unknown name "priority"`},
		{"priority lower case", `"token":"r","android":{"priority":"high"}`, "", "", ""},
		{"priority unknown", `"token":"r","android":{"priority":"urgent"}`, "", "BadRequest", "'message.android.priority'"},
		{"ttl zero", `"token":"r","android":{"ttl":"0s"}`, "", "", ""},
		{"ttl fraction", `"token":"r","android":{"ttl":"3.5s"}`, "", "", ""},
		{"ttl at limit", `"token":"r","android":{"ttl":"2419200s"}`, "", "", ""},
		{"ttl rounded down", `"token":"r","android":{"ttl":"2419200.9s"}`, "", "", ""},
		{"ttl over limit", `"token":"r","android":{"ttl":"2419201s"}`, "INVALID_ARGUMENT", "BadRequest FcmError", "Invalid TTL"},
		{"ttl negative", `"token":"r","android":{"ttl":"-1s"}`, "INVALID_ARGUMENT", "BadRequest FcmError", "Invalid TTL"},
		{"ttl of v2", `"token":"r","android_v2":{"ttl":"2419201s"}`, "INVALID_ARGUMENT", "BadRequest FcmError", "Invalid TTL"},
		{"ttl without s", `"token":"r","android":{"ttl":"60"}`, "", "BadRequest", "duration must end with 's'"},
		{"ttl number", `"token":"r","android":{"ttl":60}`, "", "BadRequest", "duration must end with 's'"},
		{"ttl just s", `"token":"r","android":{"ttl":"s"}`, "", "BadRequest", "duration must end with 's'"},
		{"ttl ten digits", `"token":"r","android":{"ttl":"1.0000000001s"}`, "", "BadRequest", "duration must end with 's'"},
		{"bool", `"token":"r","android":{"direct_boot_ok":"true"}`, "", "BadRequest", "TYPE_BOOL"},
		{"integer in quotes", `"token":"r","android":{"notification":{"notification_count":"3"}}`, "", "", ""},
		{"integer fraction", `"token":"r","android":{"notification":{"notification_count":1.5}}`, "", "BadRequest", "TYPE_INT32"},
		{"time", `"token":"r","android":{"notification":{"event_time":"today"}}`, "", "BadRequest", "Timestamp"},
		{"args as text", `"token":"r","android":{"notification":{"body_loc_args":"[]"}}`, "", "BadRequest", "TYPE_LIST"},
		{"args of numbers", `"token":"r","android":{"notification":{"body_loc_args":["a",1]}}`, "", "BadRequest", "'message.android.notification.body_loc_args[1]'"},
		{"timings", `"token":"r","android":{"notification":{"vibrate_timings":["1s","2"]}}`, "", "BadRequest", "vibrate_timings[1]"},
		{"payload is an object", `"token":"r","apns":{"payload":"x"}`, "", "BadRequest", "Struct"},
		{"headers are texts", `"token":"r","apns":{"headers":{"apns-priority":5}}`, "", "BadRequest", "'message.apns.headers[0].value'"},
		{"topic", `"topic":"news-1.~%_"`, "", "", ""},
		{"topic at limit", `"topic":"` + strings.Repeat("x", 900) + `"`, "", "", ""},
		{"topic over limit", `"topic":"` + strings.Repeat("x", 901) + `"`, "INVALID_ARGUMENT", "BadRequest FcmError", "topic name"},
		{"topic with prefix", `"topic":"/topics/news"`, "INVALID_ARGUMENT", "BadRequest FcmError", "topic name"},
		{"five topics", `"condition":"` + condition(5) + `"`, "", "", ""},
		{"six topics", `"condition":"` + condition(6) + `"`, "INVALID_ARGUMENT", "BadRequest FcmError", "condition"},
		{"no condition", `"condition":"news"`, "INVALID_ARGUMENT", "BadRequest FcmError", "condition"},
		{"size at limit", token + `,` + data(4096), "", "", ""},
		{"size over limit", token + `,` + data(4097), "INVALID_ARGUMENT", "BadRequest FcmError", "too big"},
		{"size with notification", token + `,` + data(4088) + `,"notification":{"title":"wide"}`, "INVALID_ARGUMENT", "BadRequest FcmError", "too big"},
		{"android's data replaces", token + `,` + data(4097) + `,"android":{"data":{"a":"b"}}`, "", "", ""},
		{"topic size at limit", `"topic":"news",` + data(2048), "", "", ""},
		{"topic size over limit", `"topic":"news",` + data(2049), "INVALID_ARGUMENT", "BadRequest FcmError", "too big"},
		{"apns payload at limit", token + `,` + payload(4096), "", "", ""},
		{"apns payload over limit", token + `,` + payload(4097), "INVALID_ARGUMENT", "BadRequest FcmError", "too big"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.expectV1(`{"message":{`+test.message+`}}`, test.code, test.kinds, test.text)
		})
	}
	t.Run("not JSON", func(t *testing.T) { f.expectV1(`{"message":`, "", "", "Invalid JSON payload received.") })
	t.Run("no message", func(t *testing.T) {
		f.expectV1(`{}`, "INVALID_ARGUMENT", "BadRequest FcmError", "Recipient of the message is not set.")
	})
	t.Run("message of another type", func(t *testing.T) { f.expectV1(`{"message":"x"}`, "", "BadRequest", "Invalid value at 'message'") })
	t.Run("unknown at the top", func(t *testing.T) {
		f.expectV1(`{"message":{"token":"r"},"dry_run":true}`, "", "BadRequest", `Unknown name "dry_run": Cannot find field.`)
	})
}

// expectV1 sends a body that is refused with 400, or taken if text is empty.
func (f *fixture) expectV1(body, code, kinds, text string) {
	f.t.Helper()
	got := f.v1(body)
	if text == "" {
		if got.status != 200 || !new(f.last()).Accepted() {
			f.t.Errorf("answered %d %s", got.status, got.body)
		}
		return
	}
	answer := decode[googleError](f.t, got.body)
	if got.status != 400 || answer.Error.Code != 400 || answer.Error.Status != "INVALID_ARGUMENT" || !strings.Contains(answer.Error.Message, text) {
		f.t.Errorf("answered %d %s, want %q", got.status, got.body, text)
	}
	if answer.code() != code || answer.kinds() != kinds {
		f.t.Errorf("code %q and details %q, want %q and %q", answer.code(), answer.kinds(), code, kinds)
	}
	if line := f.last(); line.Status != 400 || line.Reason == "" {
		f.t.Errorf("ledger line %+v", line)
	}
}

func condition(topics int) string {
	return strings.Repeat("'a' in topics || ", topics-1) + "('b' in topics)"
}

const everyField = `"token":"r","data":{"a":"b"},"notification":{"title":"t","body":"b","image":"i"},"fcm_options":{"analytics_label":"l"},
"android":{"collapse_key":"c","priority":"NORMAL","ttl":"3600s","restricted_package_name":"p","data":{"a":"b"},"fcm_options":{"analytics_label":"l"},
 "direct_boot_ok":true,"bandwidth_constrained_ok":true,"restricted_satellite_ok":false,
 "notification":{"title":"t","body":"b","icon":"i","color":"#ff0000","sound":"default","tag":"t","click_action":"c","body_loc_key":"k","body_loc_args":["a"],
  "title_loc_key":"k","title_loc_args":[],"channel_id":"c","ticker":"t","sticky":true,"event_time":"2026-11-23T10:00:00.5Z","local_only":false,
  "notification_priority":"PRIORITY_MAX","default_sound":true,"default_vibrate_timings":true,"default_light_settings":true,"vibrate_timings":["0.5s"],
  "visibility":"SECRET","notification_count":3,"image":"i","proxy":"DENY","bypass_proxy_notification":true,
  "light_settings":{"color":{"red":0.5,"green":1,"blue":"0","alpha":1},"light_on_duration":"1s","light_off_duration":"1s"}}},
"apns":{"headers":{"apns-priority":"5"},"payload":{"aps":{"alert":{}},"own":[1]},"fcm_options":{"analytics_label":"l","image":"i"},"live_activity_token":"x"},
"webpush":{"headers":{"TTL":"60"},"data":{"a":"b"},"notification":{"title":"t"},"fcm_options":{"link":"https://example.com","analytics_label":"l"}}`

func TestV1ScriptedErrors(t *testing.T) {
	tests := []struct {
		answer         simulator.Answer
		http           int
		google, code   string
		kinds, message string
	}{
		{simulator.Answer{Reason: "INVALID_ARGUMENT"}, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "FcmError BadRequest", malformedToken},
		{simulator.Answer{Reason: "INVALID_PAYLOAD"}, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "FcmError", "Request contains an invalid argument."},
		{simulator.Answer{Reason: "BAD_REQUEST"}, 400, "INVALID_ARGUMENT", "", "BadRequest", "Invalid value at"},
		{simulator.Answer{Reason: "UNAUTHENTICATED"}, 401, "UNAUTHENTICATED", "", "", "invalid authentication credentials"},
		{simulator.Answer{Reason: "THIRD_PARTY_AUTH_ERROR"}, 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "FcmError ApnsError", "APNS or Web Push"},
		{simulator.Answer{Reason: "SENDER_ID_MISMATCH"}, 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "FcmError", "SenderId mismatch"},
		{simulator.Answer{Reason: "PERMISSION_DENIED"}, 403, "PERMISSION_DENIED", "", "ErrorInfo", "cloudmessaging.messages.create"},
		{simulator.Answer{Reason: "SERVICE_DISABLED"}, 403, "PERMISSION_DENIED", "", "ErrorInfo", "disabled"},
		{simulator.Answer{Reason: "UNREGISTERED"}, 404, "NOT_FOUND", "UNREGISTERED", "FcmError", "Requested entity was not found."},
		{simulator.Answer{Reason: "NOT_FOUND"}, 404, "NOT_FOUND", "", "", "Requested entity was not found."},
		{simulator.Answer{Reason: "QUOTA_EXCEEDED"}, 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "FcmError QuotaFailure", "Quota"},
		{simulator.Answer{Reason: "RATE_LIMIT_EXCEEDED"}, 429, "RESOURCE_EXHAUSTED", "", "ErrorInfo", "Send requests"},
		{simulator.Answer{Reason: "INTERNAL"}, 500, "INTERNAL", "INTERNAL", "FcmError", "Internal error"},
		{simulator.Answer{Reason: "UNAVAILABLE"}, 503, "UNAVAILABLE", "UNAVAILABLE", "FcmError", "unavailable"},
		{simulator.Answer{Reason: "DEADLINE_EXCEEDED"}, 504, "DEADLINE_EXCEEDED", "", "", "Deadline"},
		{simulator.Answer{Reason: "UNSPECIFIED_ERROR", Status: 500}, 500, "INVALID_ARGUMENT", "UNSPECIFIED_ERROR", "FcmError", ""},
		{simulator.Answer{Reason: "SOMETHING_NEW"}, 400, "INVALID_ARGUMENT", "SOMETHING_NEW", "FcmError", ""},
		{simulator.Answer{Status: 400}, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "FcmError", ""},
		{simulator.Answer{Status: 401}, 401, "UNAUTHENTICATED", "", "", ""},
		{simulator.Answer{Status: 403}, 403, "PERMISSION_DENIED", "", "ErrorInfo", ""},
		{simulator.Answer{Status: 404}, 404, "NOT_FOUND", "", "", ""},
		{simulator.Answer{Status: 429}, 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "FcmError QuotaFailure", ""},
		{simulator.Answer{Status: 500}, 500, "INTERNAL", "INTERNAL", "FcmError", ""},
		{simulator.Answer{Status: 503}, 503, "UNAVAILABLE", "UNAVAILABLE", "FcmError", ""},
		{simulator.Answer{Status: 504}, 504, "DEADLINE_EXCEEDED", "", "", ""},
		// In the words of the legacy protocol.
		{simulator.Answer{Reason: "NotRegistered", Status: 200}, 404, "NOT_FOUND", "UNREGISTERED", "FcmError", ""},
		{simulator.Answer{Reason: "InvalidRegistration"}, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "FcmError BadRequest", malformedToken},
		{simulator.Answer{Reason: "MismatchSenderId"}, 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "FcmError", ""},
		{simulator.Answer{Reason: "MessageTooBig"}, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "FcmError", ""},
		{simulator.Answer{Reason: "Unavailable"}, 503, "UNAVAILABLE", "UNAVAILABLE", "FcmError", ""},
		{simulator.Answer{Reason: "InternalServerError"}, 500, "INTERNAL", "INTERNAL", "FcmError", ""},
		{simulator.Answer{Reason: "DeviceMessageRateExceeded"}, 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "FcmError QuotaFailure", ""},
		{simulator.Answer{Reason: "InvalidApnsCredential"}, 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "FcmError ApnsError", ""},
	}
	f := start(t, nil)
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %d", test.answer.Reason, test.answer.Status), func(t *testing.T) {
			test.answer.RetryAfter = "11"
			f.script(simulator.Rule{Token: "r", Answer: test.answer})
			got := f.v1(`{"message":{"token":"r"}}`)
			answer := decode[googleError](t, got.body)
			if got.status != test.http || answer.Error.Code != test.http || answer.Error.Status != test.google {
				t.Errorf("answered %d %s", got.status, got.body)
			}
			if answer.code() != test.code || answer.kinds() != test.kinds || !strings.Contains(answer.Error.Message, test.message) || answer.Error.Message == "" {
				t.Errorf("code %q, details %q, message %q", answer.code(), answer.kinds(), answer.Error.Message)
			}
			if got.header.Get("Retry-After") != "11" || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
				t.Errorf("headers %v", got.header)
			}
			if line := f.last(); line.Status != test.http || line.Reason == "" || line.Accepted() {
				t.Errorf("ledger line %+v", line)
			}
		})
	}
}

func TestV1QuotaDetails(t *testing.T) {
	f := start(t, nil)
	f.script(simulator.Rule{Token: "r", Answer: simulator.Answer{Reason: "RATE_LIMIT_EXCEEDED"}})
	got := decode[googleError](t, f.v1(`{"message":{"token":"r"}}`).body)
	want := []map[string]any{{
		"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com",
		"metadata": map[string]any{"quota_limit": "SendsPerMinutePerProject", "quota_unit": "1/min/{project}"},
	}}
	if diff := cmp.Diff(want, got.Error.Details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

func TestV1Pages(t *testing.T) {
	tests := []struct {
		name        string
		answer      simulator.Answer
		status      int
		contentType string
		body        string
	}{
		{"502 of the front end", simulator.Answer{Reason: "BAD_GATEWAY"}, 502, "text/html", "Bad Gateway"},
		{"502", simulator.Answer{Status: 502}, 502, "text/html", "Bad Gateway"},
		{"status without an error", simulator.Answer{Status: 507}, 507, "text/html", "Insufficient Storage"},
		{"verbatim", simulator.Answer{Status: 503, Body: "<html>front</html>"}, 503, "text/html", "<html>front</html>"},
		{"verbatim 200", simulator.Answer{Body: "{"}, 200, "application/json", "{"},
		{"verbatim with reason", simulator.Answer{Reason: "UNREGISTERED", Body: `{"error":{}}`}, 404, "application/json", `{"error":{}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := start(t, nil)
			f.script(simulator.Rule{Percent: 100, Answer: test.answer})
			got := f.v1(`{"message":{"token":"r"}}`)
			if got.status != test.status || !strings.HasPrefix(got.header.Get("Content-Type"), test.contentType) || !strings.Contains(got.body, test.body) {
				t.Errorf("answered %d %s %q", got.status, got.header.Get("Content-Type"), got.body)
			}
			if line := f.last(); line.Accepted() || line.Status != test.status {
				t.Errorf("ledger line %+v", line)
			}
		})
	}
}

// Without credentials nothing else is judged, and no rule is used up.
func TestV1CredentialsComeFirst(t *testing.T) {
	f := start(t, nil)
	f.script(simulator.Rule{Token: "r", Times: 1, Answer: simulator.Answer{Reason: "UNREGISTERED"}})
	got := f.do(f.client, http.MethodPost, "/v1/projects/"+project+"/messages:send", http.Header{}, `{"message":{"token":"r","data":1}}`)
	if got.status != 401 || got.header.Get("WWW-Authenticate") == "" || f.last().Token != "r" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	if got := f.v1(`{"message":{"token":"r"}}`); got.status != 404 {
		t.Errorf("the rule was used up: %d", got.status)
	}
}

func TestV1ManyAtOnce(t *testing.T) {
	const all = 1000
	f := start(t, nil)
	f.script(simulator.Rule{Percent: 20, Times: 1, Answer: simulator.Answer{Reason: "UNAVAILABLE"}})
	header := http.Header{"Authorization": {"Bearer " + f.IssueToken(project)}}
	var sends sync.WaitGroup
	slots, hit := make(chan struct{}, 100), 0
	for i := range all {
		token := fmt.Sprintf("r-%d", i)
		if simulator.Selected(token, "", 20) {
			hit++
		}
		slots <- struct{}{}
		sends.Go(func() {
			defer func() { <-slots }()
			for { // until it is taken
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL()+"/v1/projects/"+project+"/messages:send", strings.NewReader(`{"message":{"token":"`+token+`"}}`))
				if err != nil {
					t.Error(err)
					return
				}
				request.Header = header.Clone()
				response, err := f.client.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				response.Body.Close()
				if response.StatusCode == http.StatusOK {
					return
				}
			}
		})
	}
	sends.Wait()
	want := simulator.Counts{Received: all + hit, Accepted: all, Distinct: all}
	if diff := cmp.Diff(want, f.Ledger().Summary().Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func FuzzReadV1(f *testing.F) {
	f.Add([]byte(`{"message":{` + everyField + `}}`))
	f.Add([]byte(`{"message":{"token":1,"data":[]}}`))
	f.Add([]byte(`{"message":null,"validateOnly":1}`))
	s := &Server{message: requestShape()}
	f.Fuzz(func(t *testing.T, body []byte) {
		call := s.readV1(body)
		if call.fault == nil && (call.target == "" || !json.Valid(body)) {
			t.Errorf("a message without a target, or that is not JSON, was taken: %q", body)
		}
	})
}
