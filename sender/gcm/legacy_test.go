package gcm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
)

// echo answers each ID of a legacy request as result says.
func echo(result func(id string) string) func(w http.ResponseWriter, r *http.Request, body []byte) {
	return func(w http.ResponseWriter, _ *http.Request, body []byte) {
		var request legacyRequest
		if err := json.Unmarshal(body, &request); err != nil || (request.To != "") == (request.RegistrationIDs != nil) {
			http.Error(w, "exactly one target", http.StatusBadRequest)
			return
		}
		all := make([]string, len(request.ids()))
		for i, id := range request.ids() {
			all[i] = result(id)
		}
		_, _ = fmt.Fprintf(w, `{"multicast_id":9223372036854775807,"success":0,"failure":0,"canonical_ids":0,"results":[%s]}`, strings.Join(all, ","))
	}
}

func TestLegacyChunks(t *testing.T) {
	for _, n := range []int{1, 2, 999, 1000, 1001, 2000, 2001} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newServer(t, echo(func(id string) string { return `{"message_id":"m-` + id + `"}` }))
			c := newClient(t, s, Legacy, nil)
			all := ids(n)
			out := deliver(t, t.Context(), c, all...)
			ranked := map[uint32]bool{}
			for i, o := range out {
				ranked[o.Rank] = true
				if o.Class != sender.Accepted || o.ProviderID != "m-"+all[i] {
					t.Fatalf("recipient %d: %+v", i, o)
				}
			}
			if len(ranked) != n || ranked[0] {
				t.Errorf("%d ranks for %d answers", len(ranked), n)
			}
			var seen []string
			requests := s.requests()
			for _, r := range requests {
				var request legacyRequest
				if err := json.Unmarshal(r.body, &request); err != nil {
					t.Fatal(err)
				}
				if many := request.RegistrationIDs; many != nil && (len(many) < 2 || len(many) > MaxChunk || request.To != "") {
					t.Errorf("%d registration_ids and to %q", len(many), request.To)
				}
				seen = append(seen, request.ids()...)
				if r.path != "/fcm/send" || r.header.Get("Authorization") != "key=server-key" || r.header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %v", r.path, r.header)
				}
			}
			slices.Sort(seen)
			if diff := cmp.Diff(all, seen); diff != "" {
				t.Error("each ID exactly once:", diff)
			}
			if want := (n + 999) / 1000; len(requests) != want {
				t.Errorf("%d requests, want %d", len(requests), want)
			}
		})
	}
}

func TestLegacyChunksAreConcurrentUpToTheSetting(t *testing.T) {
	var now, most atomic.Int32
	var open sync.Once
	var known sync.Map
	gate := make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		defer echo(func(string) string { return `{"message_id":"1"}` })(w, r, body)
		if _, old := known.LoadOrStore(r.RemoteAddr, true); !old {
			return // a connection's first request, which has it for itself
		}
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == 3 {
			open.Do(func() { close(gate) }) // three at once: the setting is used to the full
		}
		<-gate
	})
	c := newClient(t, s, Legacy, func(c *Config) { c.ConcurrentChunks = 3 })
	deliver(t, t.Context(), c, ids(7001)...)
	if most.Load() != 3 || len(s.requests()) != 8 {
		t.Errorf("%d at once, %d requests", most.Load(), len(s.requests()))
	}
}

// Reference gcm-legacy §3 and §5.3.
func TestLegacyAnswers(t *testing.T) {
	type want struct {
		class     sender.Class
		reason    string
		canonical string
		id        string
	}
	accepted := func(id string) want { return want{sender.Accepted, "", "", id} }
	missing := want{sender.Uncertain, "AnswerMissing", "", ""}
	unreadable := want{sender.Uncertain, "AnswerUnreadable", "", ""}
	for _, row := range []struct {
		name   string
		n      int
		answer string
		want   []want
	}{
		{"accepted", 2, `{"multicast_id":216,"results":[{"message_id":"0:a"},{"message_id":"0:b"}]}`, []want{accepted("0:a"), accepted("0:b")}},
		{"canonical", 1, `{"results":[{"message_id":"0:a","registration_id":"newer"}]}`, []want{{sender.Accepted, "", "newer", "0:a"}}},
		{"canonical that is the same", 1, `{"results":[{"message_id":"0:a","registration_id":"registration-00000"}]}`, []want{accepted("0:a")}},
		{"canonical beside an error", 1, `{"results":[{"error":"NotRegistered","registration_id":"newer"}]}`, []want{{sender.Expired, "NotRegistered", "newer", ""}}},
		{
			"mixed", 3, `{"results":[{"error":"NotRegistered"},{"message_id":"1"},{"error":"InvalidRegistration"}]}`,
			[]want{{sender.Expired, "NotRegistered", "", ""}, accepted("1"), {sender.Rejected, "InvalidRegistration", "", ""}},
		},
		{"unknown error", 2, `{"results":[{"error":"BrandNew"},{"error":"BrandNew"}]}`, []want{{sender.Rejected, "BrandNew", "", ""}, {sender.Rejected, "BrandNew", "", ""}}},
		{"an error that repeats the ID", 1, `{"results":[{"error":"x-registration-00000"}]}`, []want{{sender.Rejected, "Unknown", "", ""}}},
		{"a word of the other protocol", 1, `{"results":[{"error":"UNREGISTERED"}]}`, []want{{sender.Rejected, "UNREGISTERED", "", ""}}},
		{"fewer results", 3, `{"results":[{"message_id":"1"}]}`, []want{accepted("1"), missing, missing}},
		{"no results", 2, `{"results":[]}`, []want{missing, missing}},
		{"more results", 1, `{"results":[{"message_id":"1"},{"error":"NotRegistered"}]}`, []want{accepted("1")}},
		{"a result without anything", 1, `{"results":[{}]}`, []want{accepted("")}},
		{"a null result", 2, `{"results":[null,{"message_id":"2"}]}`, []want{missing, accepted("2")}},
		{"message_id as a number", 1, `{"results":[{"message_id":9223372036854775807}]}`, []want{accepted("9223372036854775807")}},
		{"multicast_id as a string", 1, `{"multicast_id":"x","results":[{"message_id":"1"}]}`, []want{accepted("1")}},
		{"counters of any type", 1, `{"success":"one","failure":null,"results":[{"message_id":"1"}]}`, []want{accepted("1")}},
		{"an error for all", 2, `{"error":"InvalidTtl"}`, []want{{sender.BadJob, "InvalidTtl", "", ""}, {sender.BadJob, "InvalidTtl", "", ""}}},
		{"message_id for one", 1, `{"message_id":12}`, []want{accepted("12")}},
		{"message_id for several", 2, `{"message_id":12}`, []want{missing, missing}},
		{"group reached", 1, `{"success":2,"failure":0}`, []want{accepted("")}},
		{"group partly reached", 1, `{"success":1,"failure":1,"failed_registration_ids":["x"]}`, []want{accepted("")}},
		{"group not reached", 1, `{"success":0,"failure":2,"failed_registration_ids":["x","y"]}`, []want{{sender.Transient, "DeviceGroupFailed", "", ""}}},
		{"nothing", 1, `{}`, []want{missing}},
		{"not JSON", 1, `<html>`, []want{unreadable}},
		{"empty", 1, ``, []want{unreadable}},
		{"a list", 1, `[]`, []want{unreadable}},
		{"results of another type", 1, `{"results":{"a":1}}`, []want{unreadable}},
		{"cut off", 1, `{"results":[{"message_id":"1"}`, []want{unreadable}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = io.WriteString(w, row.answer) })
			out := deliver(t, t.Context(), newClient(t, s, Legacy, nil), ids(row.n)...)
			var got []want
			for i, o := range out {
				got = append(got, want{o.Class, reasonNames(out)[i], o.CanonicalID, o.ProviderID})
				if o.Status != 200 {
					t.Errorf("status %d", o.Status)
				}
			}
			if diff := cmp.Diff(row.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Error(diff)
			}
			if row.n == 2 && out[0].Reason != nil && out[1].Reason != nil && out[0].Reason.Name == out[1].Reason.Name && out[0].Reason != out[1].Reason {
				t.Error("the same reason has two rows")
			}
		})
	}
}

// Every error string of the reference (gcm-legacy §4), each in its own result: its class, its reference error and what to do.
func TestLegacyErrorStrings(t *testing.T) {
	var names []string
	for i := range legacyReasons {
		names = append(names, legacyReasons[i].Name)
	}
	s := newServer(t, echo(func(id string) string { return `{"error":"` + id + `"}` }))
	out := deliver(t, t.Context(), newClient(t, s, Legacy, nil), names...)
	if diff := cmp.Diff(names, reasonNames(out)); diff != "" {
		t.Error(diff)
	}
	for i, o := range out {
		if want := wantReasons[slices.IndexFunc(wantReasons, func(r wantReason) bool { return r.name == names[i] })]; o.Class != want.class || o.Reason.Error != want.err || o.Status != 200 {
			t.Errorf("%s: %v %s", names[i], o.Class, o.Reason.Error)
		}
	}
}

func TestLegacyTargets(t *testing.T) {
	for _, row := range []struct {
		name   string
		m      Message
		answer string
		class  sender.Class
		reason string
	}{
		{"topic", Message{Topic: new("news")}, `{"message_id":6177433633397011933}`, sender.Accepted, ""},
		{"condition", Message{Condition: new("'a' in topics")}, `{"message_id":1}`, sender.Accepted, ""},
		{"topic refused", Message{Topic: new("news")}, `{"error":"TopicsMessageRateExceeded"}`, sender.Throttled, "TopicsMessageRateExceeded"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = io.WriteString(w, row.answer) })
			c := newClient(t, s, Legacy, nil)
			request := &Request{Message: prepare(t, c, &row.m)}
			if request.Recipients() != 1 {
				t.Fatalf("%d recipients", request.Recipients())
			}
			out := make([]sender.Outcome, 1)
			c.Deliver(t.Context(), request, out)
			if out[0].Class != row.class || reasonNames(out)[0] != row.reason {
				t.Errorf("%+v", out[0])
			}
		})
	}
}

// Reference gcm-legacy §3.1.
func TestLegacyStatuses(t *testing.T) {
	for _, row := range []struct {
		status int
		body   string
		class  sender.Class
		reason string
	}{
		{400, "InvalidParameters: something", sender.BadJob, "InvalidParameters"},
		{400, `{"error":"InvalidTtl"}`, sender.BadJob, "InvalidTtl"},
		{400, "Error=MessageTooBig", sender.BadJob, "MessageTooBig"},
		{400, "Field \"data\" must be a JSON array", sender.BadJob, "BadRequest"},
		{400, "NotRegistered", sender.BadJob, "BadRequest"}, // never condemns a whole chunk
		{400, `{"error":"InvalidRegistration"}`, sender.BadJob, "BadRequest"},
		{401, "<HTML><TITLE>INVALID_KEY</TITLE>", sender.Credential, "Unauthorized"},
		{401, "InvalidParameters", sender.Credential, "Unauthorized"},
		{403, "", sender.Credential, "Forbidden"},
		{404, "<html>", sender.Credential, "NotFound"},
		{413, "", sender.BadJob, "PayloadTooLarge"},
		{429, "", sender.Throttled, "TooManyRequests"},
		{500, "", sender.Transient, "InternalServerError"},
		{500, "Unavailable", sender.Transient, "Unavailable"},
		{502, "<html>", sender.Transient, "ServerError"},
		{503, `{"error":"InternalServerError"}`, sender.Transient, "InternalServerError"},
		{503, "", sender.Transient, "Unavailable"},
		{503, "InvalidTtl", sender.Transient, "Unavailable"},
		{504, "", sender.Uncertain, "GatewayTimeout"},
		{302, "", sender.Credential, "UnexpectedRedirect"},
		{204, "", sender.Uncertain, "AnswerUnreadable"},
	} {
		t.Run(fmt.Sprint(row.status, " ", row.reason), func(t *testing.T) {
			s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(row.status)
				_, _ = io.WriteString(w, row.body)
			})
			for _, o := range deliver(t, t.Context(), newClient(t, s, Legacy, nil), "a", "b") {
				if o.Class != row.class || o.Reason.Name != row.reason || o.Status != row.status || o.RetryAfter != 7*time.Second {
					t.Errorf("%+v %+v", o, *o.Reason)
				}
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestLegacyRetryAfterBesideUnavailable(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		w.Header().Set("Retry-After", testNow.Add(90*time.Second).Format(http.TimeFormat))
		echo(func(id string) string {
			if id == "ok" {
				return `{"message_id":"1"}`
			}
			return `{"error":"` + id + `"}`
		})(w, r, body)
	})
	c := newClient(t, s, Legacy, func(c *Config) { c.Now = func() time.Time { return testNow } })
	out := deliver(t, t.Context(), c, "Unavailable", "ok", "NotRegistered", "DeviceMessageRateExceeded")
	want := []time.Duration{90 * time.Second, 0, 0, 90 * time.Second}
	for i, o := range out {
		if o.RetryAfter != want[i] {
			t.Errorf("%d: %v, want %v", i, o.RetryAfter, want[i])
		}
	}
}

func TestLegacyCredentialStopsTheRest(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusUnauthorized) })
	c := newClient(t, s, Legacy, func(c *Config) { c.ConcurrentChunks = 1 })
	out := deliver(t, t.Context(), c, ids(2500)...)
	for i, o := range out {
		class, reason := sender.Credential, "Unauthorized"
		if i >= 1000 {
			class, reason = sender.Unsent, "Held"
		}
		if o.Class != class || o.Reason.Name != reason {
			t.Fatalf("%d: %v %s", i, o.Class, o.Reason.Name)
		}
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests after the key was refused", n)
	}
}

func TestMalformedIDsFailAlone(t *testing.T) {
	for _, p := range []Protocol{Legacy, V1} {
		t.Run(string(p), func(t *testing.T) {
			s := newServer(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
				if p == V1 {
					accept(w)
					return
				}
				echo(func(string) string { return `{"message_id":"1"}` })(w, r, body)
			})
			out := deliver(t, t.Context(), newClient(t, s, p, nil),
				"", strings.Repeat("x", 4096), strings.Repeat("x", 4097), "bad\xff", "good")
			want := []string{"MalformedRegistrationID", "", "MalformedRegistrationID", "MalformedRegistrationID", ""}
			if diff := cmp.Diff(want, reasonNames(out)); diff != "" {
				t.Error(diff)
			}
			if out[0].Reason.Error != "GCMInvalidRegistrationError" {
				t.Error(out[0].Reason.Error)
			}
		})
	}
}

func TestNothingToSend(t *testing.T) {
	for _, p := range []Protocol{Legacy, V1} {
		s := newServer(t, func(http.ResponseWriter, *http.Request, []byte) {})
		c := newClient(t, s, p, nil)
		c.Deliver(t.Context(), &Request{Message: prepare(t, c, &Message{})}, nil)
		deliver(t, t.Context(), c, "")
		if n := len(s.requests()); n != 0 {
			t.Errorf("%s: %d requests", p, n)
		}
	}
}

func TestWrongProtocol(t *testing.T) {
	s := newServer(t, func(http.ResponseWriter, *http.Request, []byte) {})
	p, err := Prepare(V1, &Message{Data: "x"}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]sender.Outcome, 1)
	newClient(t, s, Legacy, nil).Deliver(t.Context(), &Request{Tokens: []string{"a"}, Message: p}, out)
	if out[0].Class != sender.BadJob || len(s.requests()) != 0 {
		t.Errorf("%+v", out[0])
	}
}

func FuzzLegacyAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"multicast_id":9223372036854775807,"results":[{"message_id":"1","registration_id":"n"},{"error":"NotRegistered"}]}`,
		`{"message_id":1}`, `{"error":"x"}`, `{"success":0,"failure":1}`, `{"results":[null,[],"x"]}`, `<html>`, `Error=InvalidTtl`,
	} {
		f.Add(seed, 200, 2)
		f.Add(seed, 400, 1)
		f.Add(seed, 503, 3)
	}
	f.Fuzz(func(t *testing.T, body string, status, n int) {
		n = 1 + (n&0xff)%5
		a := answer{status: status, body: []byte(body)}
		out := legacyOutcomes(t, n, true, func(d *delivery, positions []int) { d.readLegacy(a, positions) })
		if status == http.StatusOK {
			oracle := legacyOutcomes(t, n, true, func(d *delivery, positions []int) { d.decodeLegacy(a, positions) })
			if diff := cmp.Diff(oracle, out); diff != "" {
				t.Fatal("encoding/json reads something else:", diff)
			}
		}
		for i, o := range out {
			if o.Class == sender.Unset || (o.Reason == nil) != (o.Class == sender.Accepted) || o.Status != status {
				t.Fatalf("%d: %+v", i, o)
			}
			if o.Class == sender.Accepted && status != 200 {
				t.Fatalf("accepted with %d", status)
			}
			if o.Class == sender.Expired && (status != 200 || !strings.Contains(body, "N")) {
				t.Fatalf("expired by %d %q", status, body)
			}
		}
	})
}
