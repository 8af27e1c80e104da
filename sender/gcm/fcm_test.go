package gcm

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// fcmError renders an error of FCM v1 with raw details.
func fcmErrorBody(status int, state, message string, details ...string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q,"details":[%s]}}`, status, message, state, strings.Join(details, ","))
}

func fcmCode(code string) string {
	return `{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"` + code + `"}`
}

func badField(fields ...string) string {
	var all []string
	for _, f := range fields {
		all = append(all, fmt.Sprintf(`{"field":%q,"description":"x"}`, f))
	}
	return `{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[` + strings.Join(all, ",") + `]}`
}

func errorInfo(reason, unit string) string {
	return `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"` + reason + `","domain":"googleapis.com","metadata":{"quota_unit":"` + unit + `"}}`
}

const tokenText = "The registration token is not a valid FCM registration token"

// Reference fcm-v1 §5 and §6.
func TestFCMErrors(t *testing.T) {
	const quotaFailure = `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"subject":"%s","description":"x"}]}`
	for _, row := range []struct {
		name   string
		status int
		body   string
		class  sender.Class
		reason string
	}{
		{"token by text", 400, fcmErrorBody(400, "INVALID_ARGUMENT", tokenText, fcmCode("INVALID_ARGUMENT")), sender.Rejected, "INVALID_ARGUMENT_TOKEN"},
		{"token by text alone", 400, fcmErrorBody(400, "INVALID_ARGUMENT", tokenText), sender.Rejected, "INVALID_ARGUMENT_TOKEN"},
		{"token by field", 400, fcmErrorBody(400, "INVALID_ARGUMENT", "x", fcmCode("INVALID_ARGUMENT"), badField("message.token")), sender.Rejected, "INVALID_ARGUMENT_TOKEN"},
		{"fid by field", 400, fcmErrorBody(400, "INVALID_ARGUMENT", "x", badField("message.fid")), sender.Rejected, "INVALID_ARGUMENT_TOKEN"},
		{"token and something else", 400, fcmErrorBody(400, "INVALID_ARGUMENT", tokenText, badField("message.token", "message.data[0].value")), sender.BadJob, "INVALID_ARGUMENT"},
		{"value of the wrong type", 400, fcmErrorBody(400, "INVALID_ARGUMENT", "Invalid value at 'message.data[0].value' (TYPE_STRING), 12", badField("message.data[0].value")), sender.BadJob, "INVALID_ARGUMENT"},
		{"ambiguous", 400, fcmErrorBody(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", fcmCode("INVALID_ARGUMENT")), sender.BadJob, "INVALID_ARGUMENT"},
		{"ambiguous without details", 400, fcmErrorBody(400, "INVALID_ARGUMENT", "Request contains an invalid argument."), sender.BadJob, "INVALID_ARGUMENT"},
		{"400 in HTML", 400, "<html>not a valid FCM registration token", sender.BadJob, "BadRequest"},
		{"too large", 413, "", sender.BadJob, "PayloadTooLarge"},
		{"APNs key", 401, fcmErrorBody(401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service", fcmCode("THIRD_PARTY_AUTH_ERROR")), sender.Rejected, "THIRD_PARTY_AUTH_ERROR"},
		{"APNs key, older name", 401, fcmErrorBody(401, "UNAUTHENTICATED", "x", fcmCode("APNS_AUTH_ERROR")), sender.Rejected, "THIRD_PARTY_AUTH_ERROR"},
		{"sender", 403, fcmErrorBody(403, "PERMISSION_DENIED", "SenderId mismatch", fcmCode("SENDER_ID_MISMATCH")), sender.Rejected, "SENDER_ID_MISMATCH"},
		{"permission", 403, fcmErrorBody(403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied"), sender.Credential, "PERMISSION_DENIED"},
		{"API disabled", 403, fcmErrorBody(403, "PERMISSION_DENIED", "x", errorInfo("SERVICE_DISABLED", "")), sender.Credential, "SERVICE_DISABLED"},
		{"403 in HTML", 403, "<html>", sender.Credential, "Forbidden"},
		{"unregistered", 404, fcmErrorBody(404, "NOT_FOUND", "Requested entity was not found.", fcmCode("UNREGISTERED")), sender.Expired, "UNREGISTERED"},
		{"unregistered as 400", 400, fcmErrorBody(400, "INVALID_ARGUMENT", "x", fcmCode("UNREGISTERED")), sender.Expired, "UNREGISTERED"},
		{"wrong project", 404, fcmErrorBody(404, "NOT_FOUND", "Requested entity was not found."), sender.Credential, "NOT_FOUND"},
		{"wrong project that says NotRegistered", 404, fcmErrorBody(404, "NOT_FOUND", "NotRegistered"), sender.Credential, "NOT_FOUND"},
		{"wrong URL", 404, "<html>", sender.Credential, "NotFound"},
		{"device quota", 429, fcmErrorBody(429, "RESOURCE_EXHAUSTED", "x", fcmCode("QUOTA_EXCEEDED")), sender.Throttled, "QUOTA_EXCEEDED"},
		{"device quota said so", 429, fcmErrorBody(429, "RESOURCE_EXHAUSTED", "x", fcmCode("QUOTA_EXCEEDED"), fmt.Sprintf(quotaFailure, "device:1")), sender.Throttled, "QUOTA_EXCEEDED"},
		{"project quota said so", 429, fcmErrorBody(429, "RESOURCE_EXHAUSTED", "x", fcmCode("QUOTA_EXCEEDED"), fmt.Sprintf(quotaFailure, "project:demo")), sender.Throttled, "RATE_LIMIT_EXCEEDED"},
		{"project quota with a code", 429, fcmErrorBody(429, "RESOURCE_EXHAUSTED", "x", fcmCode("QUOTA_EXCEEDED"), errorInfo("RATE_LIMIT_EXCEEDED", "1/min/{project}")), sender.Throttled, "RATE_LIMIT_EXCEEDED"},
		{"project quota without a code", 429, fcmErrorBody(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Send requests'", errorInfo("RATE_LIMIT_EXCEEDED", "1/min/{project}")), sender.Throttled, "RATE_LIMIT_EXCEEDED"},
		{"quota without details", 429, fcmErrorBody(429, "RESOURCE_EXHAUSTED", "x"), sender.Throttled, "RESOURCE_EXHAUSTED"},
		{"429 in HTML", 429, "<html>", sender.Throttled, "TooManyRequests"},
		{"internal", 500, fcmErrorBody(500, "INTERNAL", "x", fcmCode("INTERNAL")), sender.Transient, "INTERNAL"},
		{"internal without code", 500, fcmErrorBody(500, "INTERNAL", "x"), sender.Transient, "INTERNAL"},
		{"500 in HTML", 500, "<html>", sender.Transient, "INTERNAL"},
		{"502", 502, "<html>", sender.Transient, "ServerError"},
		{"unavailable", 503, fcmErrorBody(503, "UNAVAILABLE", "x", fcmCode("UNAVAILABLE")), sender.Transient, "UNAVAILABLE"},
		{"503 in HTML", 503, "<html>", sender.Transient, "UNAVAILABLE"},
		{"deadline", 504, fcmErrorBody(504, "DEADLINE_EXCEEDED", "x"), sender.Uncertain, "DEADLINE_EXCEEDED"},
		{"unspecified goes by status", 503, fcmErrorBody(503, "UNAVAILABLE", "x", fcmCode("UNSPECIFIED_ERROR")), sender.Transient, "UNAVAILABLE"},
		{"unspecified without more", 400, `{"error":{"details":[` + fcmCode("UNSPECIFIED_ERROR") + `]}}`, sender.BadJob, "BadRequest"},
		{"a code against the status deletes nothing", 500, fcmErrorBody(500, "INTERNAL", "x", fcmCode("UNREGISTERED")), sender.Transient, "INTERNAL"},
		{"nor with 403", 403, fcmErrorBody(403, "PERMISSION_DENIED", "x", fcmCode("UNREGISTERED")), sender.Credential, "PERMISSION_DENIED"},
		{"nor token text with 500", 500, fcmErrorBody(500, "INTERNAL", tokenText), sender.Transient, "INTERNAL"},
		{"unknown code", 400, fcmErrorBody(400, "INVALID_ARGUMENT", "x", fcmCode("BRAND_NEW")), sender.Rejected, "BRAND_NEW"},
		{"unknown code of 404", 404, fcmErrorBody(404, "NOT_FOUND", "x", fcmCode("BRAND_NEW")), sender.Rejected, "BRAND_NEW"},
		{"unknown code of 503", 503, fcmErrorBody(503, "UNAVAILABLE", "x", fcmCode("BRAND_NEW")), sender.Transient, "BRAND_NEW"},
		{"unknown code that repeats the ID", 400, fcmErrorBody(400, "INVALID_ARGUMENT", "x", fcmCode("XabcX")), sender.Rejected, "Unknown"},
		{"our own word is no code", 400, fcmErrorBody(400, "", "x", fcmCode("INVALID_ARGUMENT_TOKEN")), sender.BadJob, "BadRequest"},
		{"unknown state", 400, fcmErrorBody(400, "FAILED_PRECONDITION", "x"), sender.BadJob, "BadRequest"},
		{"in a list", 404, "[" + fcmErrorBody(404, "NOT_FOUND", "x", fcmCode("UNREGISTERED")) + "]", sender.Expired, "UNREGISTERED"},
		{"details that can't be read", 404, `{"error":{"status":"NOT_FOUND","details":["x",{"@type":1},` + fcmCode("UNREGISTERED") + `]}}`, sender.Expired, "UNREGISTERED"},
		{"error of another type", 404, `{"error":"invalid"}`, sender.Credential, "NotFound"},
		{"200 without a name", 200, `{}`, sender.Uncertain, "AnswerUnreadable"},
		{"200 in HTML", 200, `<html>welcome`, sender.Uncertain, "AnswerUnreadable"},
		{"200 of a list", 200, `[{"name":"x"}]`, sender.Accepted, ""},
		{"200", 200, `{"name":"projects/demo/messages/0:1"}`, sender.Accepted, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				w.WriteHeader(row.status)
				_, _ = io.WriteString(w, row.body)
			})
			out := deliver(t, t.Context(), newClient(t, s, V1, nil), "abc")
			if o := out[0]; o.Class != row.class || reasonNames(out)[0] != row.reason || o.Status != row.status {
				t.Errorf("%+v %s, want %v %s", o, reasonNames(out)[0], row.class, row.reason)
			}
			if o := out[0]; o.Reason != nil && o.Reason.Action == results.ActionDeleteToken && row.class != sender.Expired && row.reason != "INVALID_ARGUMENT_TOKEN" {
				t.Errorf("%s tells to delete a token", row.reason)
			}
			if o := out[0]; row.class == sender.Credential && !strings.HasSuffix(o.Reason.Description, ". Project: demo") {
				t.Errorf("%s does not name the project: %s", row.reason, o.Reason.Description)
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestFCMRequest(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { accept(w) })
	c := newClient(t, s, V1, nil)
	out := deliver(t, t.Context(), c, "abc")
	if out[0].ProviderID != "projects/demo/messages/1" {
		t.Errorf("%+v", out[0])
	}
	r := s.requests()[0]
	if r.proto != 2 || r.path != "/v1/projects/demo/messages:send" || r.header.Get("Authorization") != "Bearer access-1" ||
		r.header.Get("Content-Type") != "application/json" || r.header.Get("X-Goog-Api-Format-Version") != "2" {
		t.Errorf("%+v", r)
	}
	if got := string(r.body); got != body(t, V1, &Message{Data: "hello"}, "abc") {
		t.Error(got)
	}
}

func TestFCMRetryAfter(t *testing.T) {
	const retryInfo = `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"30.5s"}`
	for _, row := range []struct {
		header string
		body   string
		want   time.Duration
	}{
		{"120", "", 2 * time.Minute},
		{testNow.Add(45 * time.Second).Format(http.TimeFormat), "", 45 * time.Second},
		{"", fcmErrorBody(503, "UNAVAILABLE", "x", retryInfo), 30500 * time.Millisecond},
		{"10", fcmErrorBody(503, "UNAVAILABLE", "x", retryInfo), 30500 * time.Millisecond},
		{"", "", 0},
	} {
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			if row.header != "" {
				w.Header().Set("Retry-After", row.header)
			}
			w.WriteHeader(503)
			_, _ = io.WriteString(w, row.body)
		})
		c := newClient(t, s, V1, func(c *Config) { c.Now = func() time.Time { return testNow } })
		if got := deliver(t, t.Context(), c, "abc")[0].RetryAfter; got != row.want {
			t.Errorf("%q %q: %v, want %v", row.header, row.body, got, row.want)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "5": 5 * time.Second, " 5 ": 5 * time.Second, "86400": 24 * time.Hour, "86401": 24 * time.Hour,
		"9223372036854775807": 24 * time.Hour, "99999999999999999999": 0, "soon": 0, "1.5": 0,
		testNow.Add(time.Minute).Format(http.TimeFormat):      time.Minute,
		testNow.Add(-time.Minute).Format(http.TimeFormat):     0,
		testNow.Add(48 * time.Hour).Format(http.TimeFormat):   24 * time.Hour,
		testNow.Add(time.Minute).Format(time.RFC850 + " bad"): 0,
	} {
		if got := parseRetryAfter(text, testNow); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// A thousand messages: each token once, never more at once than the connections carry.
func TestFCMConcurrency(t *testing.T) {
	var now, most atomic.Int32
	var served atomic.Bool
	full := make(chan struct{})
	var known sync.Map // *atomic.Int32 of each connection
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		running, old := known.LoadOrStore(r.RemoteAddr, new(atomic.Int32))
		if !old {
			accept(w) // a connection's first request, which has it for itself
			return
		}
		if n := running.(*atomic.Int32).Add(1); n > 10 {
			t.Errorf("%d on one connection", n)
		}
		defer running.(*atomic.Int32).Add(-1)
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == 20 && served.CompareAndSwap(false, true) {
			close(full)
		}
		<-full
		accept(w)
	})
	var c *Client
	c = newClient(t, s, V1, func(config *Config) {
		config.Connections, config.Streams = 2, 10
		config.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c.pool.mu.Lock()
			if _, cold := c.pool.live(); cold {
				t.Error("dialled while a connection has yet to prove itself")
			}
			c.pool.mu.Unlock()
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	})
	all := ids(1000)
	for i, o := range deliver(t, t.Context(), c, all...) {
		if o.Class != sender.Accepted {
			t.Fatalf("%d: %v", i, o.Class)
		}
	}
	if got := most.Load(); got != 20 {
		t.Errorf("%d at once, want 20", got)
	}
	var seen []string
	for _, r := range s.requests() {
		seen = append(seen, fcmToken(r.body))
	}
	slices.Sort(seen)
	if diff := cmp.Diff(all, seen); diff != "" {
		t.Error("each token exactly once:", diff)
	}
}

func TestFCMWideAnswerStopsTheRest(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(429)
		_, _ = io.WriteString(w, fcmErrorBody(429, "RESOURCE_EXHAUSTED", "x"))
	})
	c := newClient(t, s, V1, func(c *Config) { c.Connections, c.Streams = 1, 5 })
	out := deliver(t, t.Context(), c, ids(500)...)
	held := 0
	for i, o := range out {
		switch {
		case o.RetryAfter != 90*time.Second:
			t.Fatalf("%d: retry after %v", i, o.RetryAfter)
		case o.Class == sender.Unsent && o.Reason.Name == "Held":
			held++
		case o.Class != sender.Throttled || !o.Reason.Wide || o.Reason.Floor != time.Minute:
			t.Fatalf("%d: %+v", i, o)
		}
	}
	if sent := len(s.requests()); sent != 500-held || sent > 5 {
		t.Errorf("%d requests, %d held", sent, held)
	}
}

func FuzzFCMAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"name":"x"}`, fcmErrorBody(404, "NOT_FOUND", "x", fcmCode("UNREGISTERED")), fcmErrorBody(400, "INVALID_ARGUMENT", tokenText, badField("message.token")),
		fcmErrorBody(429, "RESOURCE_EXHAUSTED", "x", errorInfo("RATE_LIMIT_EXCEEDED", "{project}")), `[{}]`, `{"error":[]}`, `<html>`,
		fcmErrorBody(503, "UNAVAILABLE", "x", `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1e99s"}`),
	} {
		for _, status := range []int{200, 400, 404, 429, 503} {
			f.Add(seed, status)
		}
	}
	f.Fuzz(func(t *testing.T, body string, status int) {
		if status < 200 || status > 599 {
			return
		}
		d := newDelivery(t.Context(), &Client{}, &Request{}, nil, nil)
		defer d.end()
		o := d.readFCM(answer{status: status, body: []byte(body)}, "registration-1")
		if o.Class == sender.Unset || (o.Reason == nil) != (o.Class == sender.Accepted) || o.RetryAfter < 0 || o.RetryAfter > maxRetryAfter {
			t.Fatalf("%+v", o)
		}
		if o.Class == sender.Accepted && status != 200 {
			t.Fatalf("accepted with %d", status)
		}
		if o.Reason != nil && o.Reason.Action == results.ActionDeleteToken && status != 400 && status != 404 {
			t.Fatalf("%d %q tells to delete a token", status, body)
		}
	})
}
