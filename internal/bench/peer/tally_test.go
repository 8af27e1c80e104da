package peer

import (
	"testing"
	"time"
)

func TestTallyCountsEachRecipient(t *testing.T) {
	s := newTally()
	for _, n := range []int{0, 1, 15, 16, 17, 17, 17, MaxRecipients - 1, MaxRecipients, -1} {
		s.count(n)
	}
	if r := s.report(); r.Received != 10 || r.Distinct != 6 || r.Doubled != 1 {
		t.Errorf("%+v", r)
	}
	s.reset()
	if r := s.report(); r != (Report{}) {
		t.Errorf("after a reset: %+v", r)
	}
}

// A bucket is at most an eighth wider than what is in it.
func TestBuckets(t *testing.T) {
	for us := int64(0); us < 1<<30; us += us/7 + 1 {
		top := upper(bucket(us))
		if d := time.Duration(us) * time.Microsecond; top <= d || top > d+d/8+2*time.Microsecond {
			t.Fatalf("%d µs is in the bucket that ends at %s", us, top)
		}
	}
	if b := bucket(1 << 62); b != buckets-1 {
		t.Errorf("a century is in bucket %d", b)
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]int{"0000000aff": 10, "00000010": 16, "0000001": -1, "zzzzzzzz": -1, "": -1} {
		if got := number([]byte(text)); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}
