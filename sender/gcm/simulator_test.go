package gcm

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/gcm/gcmtest"
	"github.com/volleypush/volley/sender/simulator"
)

// simulate starts a simulator and a client for it.
func simulate(t *testing.T, p Protocol, rules ...simulator.Rule) (*gcmtest.Server, *Client) {
	t.Helper()
	s, err := gcmtest.New(gcmtest.Options{APIKeys: []string{"server-key"}, Projects: []string{"demo"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Scripts().Set(simulator.Script{Rules: rules}); err != nil {
		t.Fatal(err)
	}
	config := Config{Protocol: p, Endpoint: s.URL(), RootCAs: s.Authority().Pool(), APIKey: "server-key"}
	if p == V1 {
		key, err := s.ServiceAccount("demo")
		if err != nil {
			t.Fatal(err)
		}
		if config.Credential, err = ParseServiceAccount(key); err != nil {
			t.Fatal(err)
		}
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

// What Deliver says and what arrived are the same, recipient by recipient.
func TestOutcomesMatchTheLedger(t *testing.T) {
	for _, p := range []Protocol{Legacy, V1} {
		t.Run(string(p), func(t *testing.T) {
			s, c := simulate(t, p,
				simulator.Rule{Percent: 5, Salt: "gone", Answer: simulator.Answer{Status: 200, Reason: "NotRegistered"}},
				simulator.Rule{Percent: 5, Salt: "bad", Answer: simulator.Answer{Status: 200, Reason: "InvalidRegistration"}},
				simulator.Rule{Percent: 5, Salt: "busy", Answer: simulator.Answer{Status: 200, Reason: "Unavailable"}},
				simulator.Rule{Percent: 5, Salt: "new", Answer: simulator.Answer{CanonicalID: "newer"}},
			)
			all := ids(2001)
			out := deliver(t, t.Context(), c, all...)
			arrived := map[string]simulator.Notification{}
			for n := range s.Ledger().Each() {
				if _, twice := arrived[n.Token]; twice {
					t.Fatal("a recipient was sent to twice")
				}
				arrived[n.Token] = n
			}
			if len(arrived) != len(all) {
				t.Fatalf("%d arrived", len(arrived))
			}
			for i, o := range out {
				n := arrived[all[i]]
				if n.Accepted() != (o.Class == sender.Accepted) || o.Reason != nil && o.Reason.Code == "" {
					t.Fatalf("%d: %+v, ledger %d %s", i, o, n.Status, n.Reason)
				}
				if p == Legacy && (o.CanonicalID != "") != (simulator.Selected(all[i], "new", 5) && o.Class == sender.Accepted) {
					t.Fatalf("%d: canonical ID %q", i, o.CanonicalID)
				}
			}
			if n := count(out); len(n) != 4 {
				t.Error(n)
			}
			if issued := s.Issued(); p == V1 && issued != 1 {
				t.Errorf("%d access tokens", issued)
			}
		})
	}
}

// Every answer that the simulator can give, in FCM v1.
func TestSimulatedFaultsOfV1(t *testing.T) {
	words := map[string]string{
		"INVALID_ARGUMENT": "INVALID_ARGUMENT_TOKEN", "INVALID_PAYLOAD": "INVALID_ARGUMENT", "BAD_REQUEST": "INVALID_ARGUMENT",
		"THIRD_PARTY_AUTH_ERROR": "THIRD_PARTY_AUTH_ERROR", "SENDER_ID_MISMATCH": "SENDER_ID_MISMATCH", "PERMISSION_DENIED": "PERMISSION_DENIED",
		"SERVICE_DISABLED": "SERVICE_DISABLED", "UNREGISTERED": "UNREGISTERED", "NOT_FOUND": "NOT_FOUND", "QUOTA_EXCEEDED": "QUOTA_EXCEEDED",
		"RATE_LIMIT_EXCEEDED": "RATE_LIMIT_EXCEEDED", "INTERNAL": "INTERNAL", "BAD_GATEWAY": "ServerError", "UNAVAILABLE": "UNAVAILABLE",
		"DEADLINE_EXCEEDED": "DEADLINE_EXCEEDED", "UNAUTHENTICATED": "UNAUTHENTICATED", "BRAND_NEW": "BRAND_NEW",
	}
	var rules []simulator.Rule
	for word := range words {
		rules = append(rules, simulator.Rule{Token: "token-" + word, Answer: simulator.Answer{Reason: word, RetryAfter: "40"}})
	}
	_, c := simulate(t, V1, rules...)
	for word, want := range words {
		t.Run(word, func(t *testing.T) {
			out := deliver(t, t.Context(), c, "token-"+word)
			if got := reasonNames(out)[0]; got != want || out[0].RetryAfter != 40*time.Second {
				t.Errorf("%s after %v, want %s", got, out[0].RetryAfter, want)
			}
		})
	}
}

func TestSimulatedStatusesOfLegacy(t *testing.T) {
	for status, want := range map[int]string{
		400: "InvalidParameters", 401: "Unauthorized", 404: "NotFound", 500: "InternalServerError", 502: "ServerError", 503: "Unavailable",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			_, c := simulate(t, Legacy, simulator.Rule{Percent: 100, Answer: simulator.Answer{Status: status}})
			out := deliver(t, t.Context(), c, ids(3)...)
			if got := reasonNames(out)[2]; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func TestWrongCredentialsAtTheSimulator(t *testing.T) {
	_, c := simulate(t, Legacy)
	c.config.APIKey = "another-key"
	if n := count(deliver(t, t.Context(), c, ids(2)...)); n["credential Unauthorized"] != 2 {
		t.Error(n)
	}
	s, c := simulate(t, V1)
	s.RevokeTokens()
	deliver(t, t.Context(), c, "a")
	s.RevokeTokens()
	if n := count(deliver(t, t.Context(), c, ids(50)...)); n["accepted"] != 50 || s.Issued() != 2 {
		t.Error(n, s.Issued())
	}
}

// The strictest reader of what we write: every option at once, in both protocols.
func TestEveryOptionIsWellFormed(t *testing.T) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	full := Message{
		Data: raw(`{"s":"x","n":1.50,"b":true,"o":{"a":[1]},"z":null,"notification":{"title":"T","body":"B","image":"https://x/i","icon":"https://x/i.png","sound":"s","tag":"t",
			"color":"#112233","click_action":"https://x/","body_loc_key":"k","body_loc_args":["1"],"title_loc_key":"k","title_loc_args":"[\"1\"]",
			"android_channel_id":"c","badge":"3","subtitle":"S"}}`),
		CollapseKey: new("k"), DelayWhileIdle: new(true), TimeToLive: new(int64(2419200)), LowPriority: new(true),
		RestrictedPackageName: new("a.b"), DryRun: new(true),
	}
	servers, clients := map[Protocol]*gcmtest.Server{}, map[Protocol]*Client{}
	for _, p := range []Protocol{Legacy, V1} {
		servers[p], clients[p] = simulate(t, p)
	}
	for _, row := range []struct {
		name   string
		p      Protocol
		change func(m *Message)
	}{
		{"legacy", Legacy, nil},
		{"legacy topic", Legacy, func(m *Message) { m.Topic = new("news") }},
		{"legacy condition", Legacy, func(m *Message) { m.Condition = new("'a' in topics") }},
		{"v1", V1, nil},
		{"v1 topic", V1, func(m *Message) { m.Topic = new("/topics/news") }},
		{"v1 condition", V1, func(m *Message) { m.Condition = new("'a' in topics || 'b' in topics") }},
		{"v1 fid", V1, func(m *Message) { m.FID = new(true) }},
		{"v1 blocks", V1, func(m *Message) {
			m.Android = raw(`{"direct_boot_ok":true,"notification":{"ticker":"t","notification_count":2}}`)
			m.APNS = raw(`{"headers":{"apns-push-type":"alert"},"payload":{"aps":{"thread-id":"t"},"mine":{"a":1}},"fcm_options":{"image":"https://x/i"}}`)
			m.Webpush = raw(`{"headers":{"Urgency":"low"},"data":{"a":"b"},"notification":{"dir":"ltr"}}`)
			m.FCMOptions = raw(`{"analytics_label":"a"}`)
		}},
		{"v1 payload", V1, func(m *Message) {
			*m = Message{Payload: raw(`{"data":{"a":"b"},"android":{"ttl":"5s"}}`), DryRun: new(true)}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, c := servers[row.p], clients[row.p]
			s.Ledger().Reset()
			m := full
			if row.change != nil {
				row.change(&m)
			}
			request := &Request{Message: prepare(t, c, &m)}
			if request.Message.Target() == "" {
				request.Tokens = []string{"cFIDabcdefghijklmnopqr"}
			}
			out := make([]sender.Outcome, 1)
			c.Deliver(t.Context(), request, out)
			if out[0].Class != sender.Accepted {
				t.Fatalf("%v: %s", count(out), request.Message.Body("id"))
			}
			for n := range s.Ledger().Each() {
				if !n.DryRun || n.Status != 200 {
					t.Errorf("%+v", n)
				}
				if want := request.Message.Target(); want != "" && cmp.Diff(want, n.Token) != "" {
					t.Errorf("%s arrived at %s", want, n.Token)
				}
			}
		})
	}
}

func TestSlowSimulator(t *testing.T) {
	s, c := simulate(t, V1, simulator.Rule{Token: "slow", Answer: simulator.Answer{Latency: simulator.Duration(time.Minute)}})
	deliver(t, t.Context(), c, "first") // so that the others don't queue behind the slow one
	request := &Request{Tokens: []string{"slow", "a", "b"}, Message: prepare(t, c, &Message{Data: "x"}), ErrorTimeout: time.Second}
	out := make([]sender.Outcome, 3)
	c.Deliver(t.Context(), request, out)
	if diff := cmp.Diff([]string{"AnswerTimeout", "", ""}, reasonNames(out)); diff != "" {
		t.Error(diff)
	}
	if n := s.Ledger().Len(); n != 4 {
		t.Errorf("%d arrived", n)
	}
}
