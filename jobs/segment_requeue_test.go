package jobs

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequeuesTravelWithTheSegment(t *testing.T) {
	whole := wholeSegment(t)
	whole.Round, whole.Requeued, whole.Requeues = 1, true, 2
	if got := whole.Tail().String(); got != "apns.default.normal.promo-7.all.1" {
		t.Error(got)
	}
	header, _, err := whole.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if header[HeaderRequeued][0] != "true" || header[HeaderRequeues][0] != "2" {
		t.Errorf("headers %v", header)
	}
	for _, s := range []*Segment{whole, whole.Sub([]int{0, 2, 5}, 1)} {
		got := roundTrip(t, s)
		if diff := cmp.Diff(s, got, cmpSegment); diff != "" {
			t.Error(diff)
		}
		if got.Round != 1 || got.Requeues != 2 {
			t.Errorf("round %d, requeued %d times", got.Round, got.Requeues)
		}
	}
	for name, c := range map[string]struct {
		key    string
		values []string
		want   string
	}{
		"no number":        {HeaderRequeues, []string{"twice"}, "not a number"},
		"two numbers":      {HeaderRequeues, []string{"1", "2"}, "there twice"},
		"negative number":  {HeaderRequeues, []string{"-1"}, "not a number"},
		"a number too big": {HeaderRequeues, []string{"2147483648"}, "not a number"},
		"never requeued":   {HeaderRequeued, nil, "is not requeued"},
	} {
		spoilt := maps.Clone(header)
		spoilt[c.key] = c.values
		_, err := DecodeSegment(whole.Tail().WorkSubject(), spoilt, []byte(whole.Job.source))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A job whose own id belongs to another job goes by a derived one, which no publisher can choose.
func TestSegmentMayGoByADerivedID(t *testing.T) {
	s := wholeSegment(t)
	s.JobID, _ = ResolveID("", "", 8, s.Published)
	got := roundTrip(t, s)
	if got.JobID != s.JobID || got.Job.ID != "promo-7" {
		t.Errorf("%s carries %s", got.JobID, got.Job.ID)
	}
	roundTrip(t, s.Sub([]int{0, 2, 5}, 1))
}
