package apns

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/simulator"
)

// personalRequest has a payload for each token: two of them at their limit and one past it.
func personalRequest(ids []string, limit int) *Request {
	r := &Request{Tokens: ids, Payload: []byte(`{"aps":{"alert":"x"}}`), Payloads: make([]string, len(ids))}
	for i := range ids {
		r.Payloads[i] = fmt.Sprintf(`{"aps":{"alert":"to %d"}}`, i)
	}
	frame := len(`{"aps":{"alert":""}}`)
	r.Payloads[3] = `{"aps":{"alert":"` + strings.Repeat("x", limit-frame) + `"}}`
	r.Payloads[4] = `{"aps":{"alert":"` + strings.Repeat("x", limit-frame+1) + `"}}`
	return r
}

func checkPersonal(t *testing.T, r *Request, out []sender.Outcome, ledger *simulator.Ledger) {
	t.Helper()
	if diff := cmp.Diff(map[string]int{"": len(out) - 1, "PayloadTooLarge": 1}, names(out)); diff != "" || out[4].Reason == nil || out[4].Status != 0 {
		t.Fatalf("%s %+v", diff, out[4])
	}
	arrived := map[string]string{}
	for n := range ledger.Each() {
		if n.Token != "" {
			arrived[n.Token] += string(n.Body)
		}
	}
	for i, id := range r.Tokens {
		want := r.Payloads[i]
		if i == 4 {
			want = ""
		}
		if arrived[id] != want {
			t.Fatalf("recipient %d got %.80s, want %.80s", i, arrived[id], want)
		}
	}
}

// TestPayloads: each token gets its own payload.
func TestPayloads(t *testing.T) {
	onEngines(t, func(t *testing.T, e Engine) {
		s := simulateOn(t, e, nil)
		r := personalRequest(tokens(1200), MaxPayload)
		out := make([]sender.Outcome, len(r.Tokens))
		s.Deliver(t.Context(), r, out)
		checkPersonal(t, r, out, s.server.Ledger())
	})
}

func TestBinaryPayloads(t *testing.T) {
	f := simulateBinary(t, nil, nil)
	r := personalRequest(tokens(300), MaxBinaryPayload)
	out := make([]sender.Outcome, len(r.Tokens))
	f.Deliver(t.Context(), r, out)
	checkPersonal(t, r, out, f.gateway.Ledger())
}

// TestPayloadsNeedTheirTokens on both protocols: one for each, and none for a broadcast.
func TestPayloadsNeedTheirTokens(t *testing.T) {
	payload := []byte(`{"aps":{"alert":"x"}}`)
	for _, r := range []*Request{
		{Tokens: tokens(2), Payload: payload, Payloads: []string{"{}"}},
		{Channel: "dGVzdA==", Payload: payload, Payloads: []string{"{}"}},
	} {
		for name, c := range map[string]*Client{"http2": simulateOn(t, EnginePipelined, nil).Client, "binary": simulateBinary(t, nil, nil).Client} {
			if err := c.Validate(r); err == nil || !strings.Contains(err.Error(), "payloads for") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
