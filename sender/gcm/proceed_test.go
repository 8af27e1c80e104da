package gcm

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/volleypush/volley/sender"
)

// What is begun ends as it ends, and nothing more is begun once the request may not proceed.
func TestProceedIsAskedBeforeEachRequest(t *testing.T) {
	for protocol, allowed := range map[Protocol]int{V1: 5, Legacy: 2} {
		t.Run(string(protocol), func(t *testing.T) {
			s := newServer(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
				_, _ = w.Write([]byte(`{"name":"projects/demo/messages/1","multicast_id":1,"success":1,"failure":0,"canonical_ids":0,"results":[]}`))
			})
			c := newClient(t, s, protocol, nil)
			var asked atomic.Int32
			tokens := ids(5000)
			out := make([]sender.Outcome, len(tokens))
			c.Deliver(t.Context(), &Request{
				Tokens: tokens, Message: prepare(t, c, &Message{Data: "hello"}),
				Proceed: func() bool { return int(asked.Add(1)) <= allowed },
			}, out)
			unsent := 0
			for _, o := range out {
				if o.Class == sender.Unsent {
					unsent++
				}
			}
			each := 1
			if protocol == Legacy {
				each = MaxChunk
			}
			if len(s.requests()) != allowed || unsent != len(tokens)-allowed*each {
				t.Errorf("%d requests, %d not sent to", len(s.requests()), unsent)
			}
		})
	}
}
