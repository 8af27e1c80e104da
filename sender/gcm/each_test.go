package gcm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/simulator"
)

// TestDeliverEach: every registration ID gets its own message and outcome, and a topic among them its own.
func TestDeliverEach(t *testing.T) {
	for _, protocol := range []Protocol{V1, Legacy} {
		t.Run(string(protocol), func(t *testing.T) {
			refused := map[Protocol]string{V1: "INVALID_ARGUMENT", Legacy: "InvalidRegistration"}[protocol]
			s, c := simulate(t, protocol, simulator.Rule{Token: "id-5", Answer: simulator.Answer{Reason: refused}})
			requests := make([]*Request, 150)
			for i := range requests {
				requests[i] = &Request{Tokens: []string{fmt.Sprint("id-", i)}, Message: prepare(t, c, &Message{Data: map[string]any{"n": fmt.Sprint(i)}})}
			}
			requests[3].Tokens[0] = ""
			requests[4] = &Request{Message: prepare(t, c, &Message{Topic: new("news"), Data: map[string]any{"n": "4"}})}
			requests[9].NoProviderIDs = true
			out := make([]sender.Outcome, len(requests))
			c.DeliverEach(t.Context(), requests, nil, out)
			for i, o := range out {
				switch {
				case i == 3 && o.Reason != nil && o.Reason.Name == reasonMalformedID, i == 5 && o.Reason != nil && o.Class != sender.Accepted:
				case i == 3 || i == 5 || o.Class != sender.Accepted:
					t.Errorf("recipient %d: %+v", i, o)
				}
			}
			arrived := 0
			for n := range s.Ledger().Each() {
				arrived++
				var want string
				if want = strings.TrimPrefix(n.Token, "id-"); strings.Contains(n.Token, "news") {
					want = "4"
				}
				if !strings.Contains(string(n.Body), `"n":"`+want+`"`) {
					t.Errorf("%s got %s", n.Token, n.Body)
				}
			}
			if arrived != len(requests)-1 {
				t.Errorf("%d arrived", arrived)
			}
			c.DeliverEach(t.Context(), requests[:6], func() bool { return false }, out)
			for i, o := range out[:6] {
				if i != 3 && o.Class != sender.Unsent {
					t.Errorf("recipient %d that must not be begun: %+v", i, o)
				}
			}
		})
	}
}
