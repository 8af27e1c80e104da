package simulator

import "testing"

// The conductor and the connection itself may both come to strike; only one of them does.
func TestClaim(t *testing.T) {
	l := newConnection(&Endpoint{}, nil)
	always, once := &entry{fault: &Fault{Kind: Reset}}, &entry{fault: &Fault{Kind: Reset, Times: 1}}
	for _, n := range []*entry{always, once} {
		if !l.claim(n) || l.claim(n) {
			t.Error("it is not claimed exactly once")
		}
	}
	other := newConnection(&Endpoint{}, nil)
	if !other.claim(always) || other.claim(once) {
		t.Error("another connection is struck as if it were the first, or although it is too late")
	}
	if always.strikes.Load() != 2 || once.strikes.Load() != 1 {
		t.Errorf("%d and %d strikes", always.strikes.Load(), once.strikes.Load())
	}
	gone := newConnection(&Endpoint{}, nil)
	gone.ended = true
	if gone.claim(always) {
		t.Error("a connection that is over was struck")
	}
}
