package apns

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// TestDeliverEach: every recipient gets its own payload and header, and its own outcome.
func TestDeliverEach(t *testing.T) { onEngines(t, testDeliverEach) }

func testDeliverEach(t *testing.T, e Engine) {
	ids := tokens(300)
	scripts := simulator.NewScripts()
	if err := scripts.Set(simulator.Script{Rules: []simulator.Rule{{Token: ids[7], Answer: simulator.Answer{Reason: "BadDeviceToken"}}}}); err != nil {
		t.Fatal(err)
	}
	s := simulateOn(t, e, func(o *apnstest.Options, _ *Config) { o.Scripts = scripts })
	requests := make([]*Request, len(ids))
	for i, id := range ids {
		requests[i] = &Request{Tokens: []string{id}, Payload: fmt.Appendf(nil, `{"aps":{"alert":"%d"}}`, i)}
		switch i % 3 {
		case 1:
			requests[i].Priority = PriorityLow
		case 2:
			requests[i].CollapseID, requests[i].Expiration = fmt.Sprint("c-", i), ExpireAt(time.Unix(1795430000+int64(i), 0))
		}
	}
	requests[11].Tokens = []string{"not hex"}
	requests[12].Payload = []byte(strings.Repeat("x", MaxPayload+1))
	requests[13].NoProviderIDs = true
	asked := 0
	out := make([]sender.Outcome, len(ids))
	s.DeliverEach(t.Context(), requests, func() bool { asked++; return true }, out)
	if diff := cmp.Diff(map[string]int{"": len(ids) - 3, "BadDeviceToken": 1, MalformedToken: 1, "PayloadTooLarge": 1}, names(out)); diff != "" {
		t.Fatal(diff, s.LastFailure())
	}
	if asked == 0 || asked > len(ids) {
		t.Errorf("asked %d times whether to proceed", asked)
	}
	if out[13].ProviderID != "" || out[14].ProviderID == "" || out[7].Reason == nil || out[7].Reason.Name != "BadDeviceToken" {
		t.Errorf("outcomes of others: %+v %+v %+v", out[13], out[14], out[7])
	}
	arrived := 0
	for _, n := range s.server.Ledger().All() {
		arrived++
		var i int
		if _, err := fmt.Sscanf(string(n.Body), `{"aps":{"alert":"%d"}}`, &i); err != nil {
			t.Fatal(err)
		}
		r := requests[i]
		want := map[string]string{"apns-priority": "", "apns-collapse-id": r.CollapseID, "apns-expiration": r.Expiration.String()}
		if r.Priority != 0 {
			want["apns-priority"] = "5"
		}
		got := map[string]string{}
		for name := range want {
			got[name] = n.Headers[name]
		}
		if diff := cmp.Diff(want, got); diff != "" || n.Token != r.Tokens[0] {
			t.Errorf("notification %d: token %t, %s", i, n.Token == r.Tokens[0], diff)
		}
	}
	if arrived != len(ids)-2 {
		t.Errorf("%d arrived", arrived)
	}
	s.DeliverEach(t.Context(), requests[:3], func() bool { return false }, out)
	if diff := cmp.Diff(map[string]int{NotBegun: 3}, names(out[:3])); diff != "" {
		t.Error(diff)
	}
}

// TestDeliverEachOverTheBinaryProtocol: the same, as far as the protocol tells.
func TestDeliverEachOverTheBinaryProtocol(t *testing.T) {
	ids := tokens(40)
	f := simulateBinary(t, []simulator.Rule{refuse(7, simulator.Answer{Reason: "BadDeviceToken"})}, nil)
	requests := make([]*Request, len(ids))
	for i, id := range ids {
		requests[i] = &Request{Tokens: []string{id}, Payload: fmt.Appendf(nil, `{"aps":{"alert":"%d"}}`, i)}
	}
	out := make([]sender.Outcome, len(ids))
	f.DeliverEach(t.Context(), requests, nil, out)
	f.check(ids, out)
	if out[7].Class != sender.Rejected || out[8].Class != sender.Accepted {
		t.Errorf("outcomes: %+v %+v", out[7], out[8])
	}
	for n := range f.gateway.Ledger().Each() {
		var i int
		if n.Token == "" {
			continue
		}
		if _, err := fmt.Sscanf(string(n.Body), `{"aps":{"alert":"%d"}}`, &i); err != nil || ids[i] != n.Token {
			t.Errorf("a notification went to another device: %v", err)
		}
	}
	f.DeliverEach(t.Context(), requests, func() bool { return false }, out)
	if diff := cmp.Diff(map[string]int{NotBegun: len(ids)}, names(out)); diff != "" {
		t.Error(diff)
	}
}
