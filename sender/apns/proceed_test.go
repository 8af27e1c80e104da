package apns

import (
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
)

// TestProceedIsAskedBeforeEachBatch: what is begun ends as it ends, and nothing more is begun.
func TestProceedIsAskedBeforeEachBatch(t *testing.T) { onEngines(t, testProceedIsAskedBeforeEachBatch) }

func testProceedIsAskedBeforeEachBatch(t *testing.T, e Engine) {
	s := simulateOn(t, e, nil)
	ids := tokens(500)
	var asked atomic.Int32
	out := deliver(t, s.Client, &Request{Tokens: ids, BatchSize: 50, Proceed: func() bool { return asked.Add(1) <= 3 }})
	accepted, unsent := 0, 0
	for _, o := range out {
		switch {
		case o.Class == sender.Accepted:
			accepted++
		case o.Class == sender.Unsent && o.Reason.Name == NotBegun:
			unsent++
		}
	}
	if accepted == 0 || unsent == 0 || accepted+unsent != len(ids) {
		t.Errorf("%d accepted, %d not begun of %d", accepted, unsent, len(ids))
	}
	if got := s.server.Ledger().Len(); got != accepted {
		t.Errorf("%d arrived, %d accepted", got, accepted)
	}
	// The connection is as good as before.
	if diff := cmp.Diff(map[string]int{"": 10}, names(deliver(t, s.Client, &Request{Tokens: tokens(10)}))); diff != "" {
		t.Error(diff)
	}
}
