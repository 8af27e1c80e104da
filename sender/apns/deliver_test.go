package apns

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeliverSendsToEverybody(t *testing.T) {
	s := simulate(t, nil)
	out := deliver(t, s.Client, &Request{Tokens: tokens(500)})
	if diff := cmp.Diff(map[string]int{"": 500}, names(out)); diff != "" {
		t.Fatal(diff, s.LastFailure())
	}
	if got := s.server.Ledger().Len(); got != 500 {
		t.Errorf("the ledger has %d notifications", got)
	}
}
