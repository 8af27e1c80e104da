package gcmtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender/simulator"
)

type multicast struct {
	MulticastID  json.Number    `json:"multicast_id"`
	Success      int            `json:"success"`
	Failure      int            `json:"failure"`
	CanonicalIDs int            `json:"canonical_ids"`
	Results      []legacyResult `json:"results"`
}

// errorsOf are the errors of the results, "" for an acceptance.
func errorsOf(m multicast) []string {
	out := make([]string, len(m.Results))
	for i, result := range m.Results {
		out[i] = result.Error
	}
	return out
}

func TestLegacySingle(t *testing.T) {
	f := start(t, nil)
	got := f.legacy(`{"data":{"a":1},"priority":"high","to":"r1"}`)
	m := decode[multicast](t, got.body)
	if got.status != 200 || m.Success != 1 || m.Failure != 0 || len(m.Results) != 1 || m.Results[0].MessageID == "" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	want := []simulator.Notification{{
		Platform: "gcm", Protocol: "legacy", Token: "r1", Status: 200, At: now, Body: []byte(`{"data":{"a":1},"priority":"high"}`),
		Headers: map[string]string{
			"authorization": "key=[redacted]", "content-type": "application/json", "content-length": "44",
			"accept-encoding": "gzip", "user-agent": "Go-http-client/2.0",
		},
	}}
	if diff := cmp.Diff(want, f.Ledger().All()); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestLegacyMulticast(t *testing.T) {
	f := start(t, nil)
	f.script(
		simulator.Rule{Token: "gone", Answer: simulator.Answer{Reason: "NotRegistered"}},
		simulator.Rule{Token: "moved", Answer: simulator.Answer{CanonicalID: "new"}},
		simulator.Rule{Token: "busy", Times: 1, Answer: simulator.Answer{Reason: "Unavailable", RetryAfter: "9"}},
		simulator.Rule{Token: "odd", Answer: simulator.Answer{Reason: "SomethingNew"}},
		simulator.Rule{Token: "both", Answer: simulator.Answer{Reason: "NotRegistered", CanonicalID: "new"}},
		simulator.Rule{Token: "v1", Answer: simulator.Answer{Reason: "SENDER_ID_MISMATCH", Status: 200}},
	)
	got := f.legacy(`{"registration_ids":["good","gone","moved","busy","odd","both","","v1"],"data":{}}`)
	m := decode[multicast](t, got.body)
	if m.Success != 2 || m.Failure != 6 || m.CanonicalIDs != 2 || got.header.Get("Retry-After") != "9" {
		t.Errorf("counts %+v, Retry-After %q", m, got.header.Get("Retry-After"))
	}
	want := []string{"", "NotRegistered", "", "Unavailable", "SomethingNew", "NotRegistered", "InvalidRegistration", "MismatchSenderId"}
	if diff := cmp.Diff(want, errorsOf(m)); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if m.Results[2].RegistrationID != "new" || m.Results[2].MessageID == "" || m.Results[5].RegistrationID != "new" || m.Results[5].MessageID != "" {
		t.Errorf("canonical results %+v, %+v", m.Results[2], m.Results[5])
	}
	var inLedger []string
	for n := range f.Ledger().Each() {
		inLedger = append(inLedger, n.Reason)
		if n.Status != 200 || n.Chunk != 8 || string(n.Body) != `{"data":{}}` {
			t.Errorf("line %+v", n)
		}
	}
	if diff := cmp.Diff(want, inLedger); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	if m := decode[multicast](t, f.legacy(`{"to":"busy"}`).body); m.Success != 1 {
		t.Error("the second time is no success")
	}
}

func TestLegacyMulticastIDNeedsInt64(t *testing.T) {
	f := start(t, nil)
	seen := map[int64]bool{}
	for range 3 {
		m := decode[multicast](t, f.legacy(`{"to":"r"}`).body)
		id, err := strconv.ParseInt(m.MulticastID.String(), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if int64(float64(id)) == id || seen[id] {
			t.Errorf("multicast_id %d survives a double, or is not new", id)
		}
		seen[id] = true
	}
}

func ids(count int) string {
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf("r%d", i)
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // texts can always be marshalled
	}
	return string(text)
}

func TestLegacyRefusals(t *testing.T) {
	f := start(t, nil)
	tests := []struct {
		name, body string
		has        string // "" if it is taken
		lines      int
	}{
		{"not JSON", `{"to":`, "JSON_PARSING_ERROR", 1},
		{"empty", ``, "JSON_PARSING_ERROR", 1},
		{"not an object", `["r"]`, "JSON_PARSING_ERROR", 1},
		{"no target", `{"data":{}}`, "Missing", 1},
		{"target null", `{"to":null}`, "Missing", 1},
		{"no ids", `{"registration_ids":[]}`, "cannot be empty", 1},
		{"one id", `{"registration_ids":["r"]}`, "", 1},
		{"1000 ids", `{"registration_ids":` + ids(1000) + `}`, "", 1000},
		{"1001 ids", `{"registration_ids":` + ids(1001) + `}`, "(1001) exceeds maximum allowed (1000)", 1001},
		{"both targets", `{"registration_ids":["r","s"],"to":"t"}`, "Must use either", 2},
		{"to and condition", `{"condition":"'a' in topics","to":"t"}`, "Must use either", 1},
		{"to of another type", `{"to":["r"]}`, `"to" must be a JSON string`, 1},
		{"ids of another type", `{"registration_ids":"r"}`, `"registration_ids" must be`, 1},
		{"an id of another type", `{"registration_ids":[1]}`, `"registration_ids" must be`, 1},
		{"priority", `{"to":"r","priority":"urgent"}`, `"priority" must be`, 1},
		{"priority normal", `{"to":"r","priority":"normal"}`, "", 1},
		{"dry_run", `{"to":"r","dry_run":1}`, `"dry_run" must be`, 1},
		{"delay_while_idle", `{"to":"r","delay_while_idle":"no"}`, `"delay_while_idle" must be`, 1},
		{"collapse_key", `{"to":"r","collapse_key":1}`, `"collapse_key" must be`, 1},
		{"time_to_live", `{"to":"r","time_to_live":"1"}`, `"time_to_live" must be`, 1},
		{"time_to_live fraction", `{"to":"r","time_to_live":1.5}`, `"time_to_live" must be`, 1},
		{"data", `{"to":"r","data":"x"}`, `"data" must be`, 1},
		{"notification", `{"to":"r","notification":[]}`, `"notification" must be`, 1},
		{"data of any type", `{"to":"r","data":{"a":1,"b":null,"c":{"d":[true]}}}`, "", 1},
		{"unknown field", `{"to":"r","later":1}`, "", 1},
		{"topic name", `{"to":"/topics/a b"}`, "Invalid topic name", 1},
		{"condition", `{"condition":"a in topics"}`, "Invalid condition", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.Ledger().Reset()
			got := f.legacy(test.body)
			status := 200
			if test.has != "" {
				status = 400
				if !strings.Contains(got.body, test.has) || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
					t.Errorf("answered %s %q, want %q", got.header.Get("Content-Type"), got.body, test.has)
				}
			}
			if got.status != status {
				t.Errorf("answered %d, want %d: %s", got.status, status, got.body)
			}
			if sum := f.Ledger().Summary(); sum.Received != test.lines || (sum.Accepted > 0) != (status == 200) {
				t.Errorf("the ledger has %+v, want %d lines", sum.Counts, test.lines)
			}
		})
	}
}

func TestLegacyJobErrors(t *testing.T) {
	f := start(t, nil)
	data := func(size int) string { return `{"k":"` + strings.Repeat("x", size-1) + `"}` }
	tests := []struct{ name, rest, word string }{
		{"ttl 0", `"time_to_live":0`, ""},
		{"ttl at limit", `"time_to_live":2419200`, ""},
		{"ttl over limit", `"time_to_live":2419201`, "InvalidTtl"},
		{"ttl negative", `"time_to_live":-1`, "InvalidTtl"},
		{"from", `"data":{"from":"x"}`, "InvalidDataKey"},
		{"message_type", `"data":{"message_type":"x"}`, "InvalidDataKey"},
		{"google", `"data":{"google.x":"x"}`, "InvalidDataKey"},
		{"gcm", `"data":{"gcmx":"x"}`, "InvalidDataKey"},
		{"allowed", `"data":{"fromage":"x"},"notification":{"from":"x"}`, ""},
		{"size at limit", `"data":` + data(4096), ""},
		{"size over limit", `"data":` + data(4097), "MessageTooBig"},
		{"size with notification", `"data":` + data(4093) + `,"notification":{"a":"bcd"}`, "MessageTooBig"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := decode[multicast](t, f.legacy(`{"registration_ids":["a","b"],`+test.rest+`}`).body)
			if diff := cmp.Diff([]string{test.word, test.word}, errorsOf(m)); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
	for size, word := range map[int]string{2048: "", 2049: "MessageTooBig"} {
		if got := decode[legacyTopicReply](t, f.legacy(`{"to":"/topics/news","data":`+data(size)+`}`).body); got.Error != word {
			t.Errorf("a topic message of %d bytes: %q, want %q", size, got.Error, word)
		}
	}
}

type legacyTopicReply struct {
	MessageID json.Number `json:"message_id"`
	Error     string      `json:"error"`
}

func TestLegacyTopics(t *testing.T) {
	f := start(t, nil)
	f.script(simulator.Rule{Token: "/topics/full", Answer: simulator.Answer{Reason: "QUOTA_EXCEEDED"}})
	for _, body := range []string{`{"to":"/topics/news"}`, `{"condition":"'a' in topics && ('b' in topics || 'c' in topics)"}`} {
		got := f.legacy(body)
		if reply := decode[legacyTopicReply](t, got.body); reply.MessageID == "" || reply.Error != "" || strings.Contains(got.body, "results") {
			t.Errorf("%s is answered %s", body, got.body)
		}
	}
	if line := f.last(); line.Token != "'a' in topics && ('b' in topics || 'c' in topics)" || line.Chunk != 0 {
		t.Errorf("ledger line %+v", line)
	}
	got := f.legacy(`{"to":"/topics/full"}`)
	if got.status != 200 || strings.TrimSpace(got.body) != `{"error":"TopicsMessageRateExceeded"}` {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

func TestLegacyKeys(t *testing.T) {
	f := start(t, func(o *Options) { o.APIKeys = []string{"one", "two"} })
	for authorization, status := range map[string]int{"key=one": 200, "key=two": 200, "key=three": 401, "key=": 401, "Bearer one": 401, "one": 401} {
		f.Ledger().Reset()
		header := http.Header{"Authorization": {authorization}, "Content-Type": {"application/json"}}
		got := f.do(f.client, http.MethodPost, "/fcm/send", header, `{"registration_ids":["a","b"]}`)
		if got.status != status || status == 401 && (!strings.Contains(got.body, "<title>INVALID_KEY</title>") || f.last().Reason != "INVALID_KEY") {
			t.Errorf("%q is answered %d %s", authorization, got.status, got.body)
		}
		if f.Ledger().Len() != 2 || f.last().Status != status {
			t.Errorf("%q: %d lines, status %d", authorization, f.Ledger().Len(), f.last().Status)
		}
	}
	header := http.Header{"Authorization": {"key=one"}, "Content-Type": {"text/plain"}}
	if got := f.do(f.client, http.MethodPost, "/fcm/send", header, `{"to":"a"}`); got.status != 400 {
		t.Errorf("another content type is answered %d", got.status)
	}
	header.Set("Content-Type", "Application/JSON; charset=UTF-8")
	if got := f.do(f.client, http.MethodPost, "/fcm/send", header, `{"to":"a"}`); got.status != 200 {
		t.Errorf("JSON with a charset is answered %d", got.status)
	}
}

func TestLegacyWholeAnswers(t *testing.T) {
	tests := []struct {
		name               string
		answer             simulator.Answer
		status             int
		contentType, body  string
		reason, retryAfter string
	}{
		{"503", simulator.Answer{Status: 503, RetryAfter: "30"}, 503, "text/plain", "Unavailable\n", "Unavailable", "30"},
		{"500", simulator.Answer{Status: 500}, 500, "text/plain", "InternalServerError\n", "InternalServerError", ""},
		{"503 with date", simulator.Answer{Status: 503, Reason: "UNAVAILABLE", RetryAfter: "Mon, 23 Nov 2026 10:01:00 GMT"}, 503, "text/plain", "Unavailable\n", "Unavailable", "Mon, 23 Nov 2026 10:01:00 GMT"},
		{"400", simulator.Answer{Status: 400}, 400, "text/plain", "InvalidParameters\n", "InvalidParameters", ""},
		{"401", simulator.Answer{Status: 401}, 401, "text/html", "", "INVALID_KEY", ""},
		{"retired", simulator.Answer{Status: 404}, 404, "text/html", "", "Not Found", ""},
		{"502", simulator.Answer{Status: 502, Body: "<html>front</html>"}, 502, "text/html", "<html>front</html>", "Bad Gateway", ""},
		{"nonsense", simulator.Answer{Body: "{"}, 200, "application/json", "{", "OK", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := start(t, nil)
			f.script(
				simulator.Rule{Token: "b", Times: 1, Answer: test.answer},
				simulator.Rule{Token: "a", Times: 1, Answer: simulator.Answer{Reason: "NotRegistered"}},
			)
			got := f.legacy(`{"registration_ids":["a","b","c"]}`)
			if got.status != test.status || !strings.HasPrefix(got.header.Get("Content-Type"), test.contentType) || test.body != "" && got.body != test.body {
				t.Errorf("answered %d %s %q", got.status, got.header.Get("Content-Type"), got.body)
			}
			if got.header.Get("Retry-After") != test.retryAfter {
				t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
			}
			if sum := f.Ledger().Summary(); sum.Received != 3 || sum.Accepted != 0 || sum.Platforms["gcm"].Reasons[test.reason] != 3 {
				t.Errorf("the ledger has %+v", sum.Platforms["gcm"])
			}
			// The rule of the recipient whose result was not seen is not used up.
			if got := errorsOf(decode[multicast](t, f.legacy(`{"registration_ids":["a","b","c"]}`).body)); got[0] != "NotRegistered" || got[1] != "" {
				t.Errorf("afterwards %q", got)
			}
		})
	}
}

func TestLegacyDryRun(t *testing.T) {
	f := start(t, nil)
	if m := decode[multicast](t, f.legacy(`{"to":"r","dry_run":true}`).body); m.Success != 1 {
		t.Errorf("answered %+v", m)
	}
	if sum := f.Ledger().Summary(); sum.DryRun != 1 || sum.Accepted != 0 || sum.Received != 1 {
		t.Errorf("the ledger counts %+v", sum.Counts)
	}
}

// A resend in another chunk has another list of ids and may use "to"; it is a duplicate all the same.
func TestLegacyDuplicatesAcrossChunks(t *testing.T) {
	f := start(t, nil)
	f.legacy(`{"data":{"a":"b"},"registration_ids":["a","b"]}`)
	f.legacy(`{"data":{"a":"b"},"registration_ids":["b","c"]}`)
	f.legacy(`{"data":{"a":"b"},"to":"c"}`)
	if sum := f.Ledger().Summary(); sum.Duplicates != 2 || sum.Distinct != 3 || sum.Received != 5 {
		t.Errorf("the ledger counts %+v", sum.Counts)
	}
}

// A chunk waits for its slowest recipient; nobody else does.
func TestLatency(t *testing.T) {
	tests := []struct {
		name, path, authorization, body string
		lines                           int
	}{
		{"legacy", "/fcm/send", "key=k", `{"registration_ids":["a","slow","b"]}`, 3},
		{"legacy, whole answer", "/fcm/send", "key=k", `{"registration_ids":["a","slow-503"]}`, 2},
		{"v1", "/v1/projects/" + project + "/messages:send", "", `{"message":{"token":"slow"}}`, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := start(t, nil)
			slow := simulator.Answer{Latency: simulator.Duration(time.Hour)}
			slow503 := slow
			slow503.Status = 503
			f.script(simulator.Rule{Token: "slow", Answer: slow}, simulator.Rule{Token: "slow-503", Answer: slow503})
			if test.authorization == "" {
				test.authorization = "Bearer " + f.IssueToken(project)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL()+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header = http.Header{"Authorization": {test.authorization}, "Content-Type": {"application/json"}}
			done := make(chan error, 1)
			go func() {
				response, err := f.client.Do(request)
				if err == nil {
					response.Body.Close()
				}
				done <- err
			}()
			if err := f.Ledger().Wait(t.Context(), test.lines); err != nil {
				t.Fatal(err)
			}
			f.legacy(`{"to":"other"}`)
			f.v1(`{"message":{"token":"other"}}`)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err == nil {
				t.Error("the slow one was answered")
			}
		})
	}
}

func FuzzParseLegacy(f *testing.F) {
	f.Add([]byte(`{"registration_ids":["a"],"data":{"k":1},"time_to_live":3}`))
	f.Add([]byte(`{"to":"/topics/x","condition":"'a' in topics"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, body []byte) {
		call, fault := parseLegacy(body)
		if fault == "" && len(call.targets()) == 0 {
			t.Error("a call without a target was taken")
		}
		if fault == "" && !json.Valid(call.message) {
			t.Errorf("the message is not JSON: %q", call.message)
		}
	})
}
