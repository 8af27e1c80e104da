package app

import (
	"strings"
	"testing"
)

// The apps of one project share one quota, of which this worker has its part; another project has its own.
func TestQuotasOfApps(t *testing.T) {
	shares := quotas{workers: 4}
	first, err := shares.of("google demo", "a", 600_000)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	if n := first.PerMinute(); n != 150_000 {
		t.Errorf("a quarter of 600,000 messages a minute is %d", n)
	}
	if second, err := shares.of("google demo", "b", 600_000); err != nil || second != first {
		t.Error("two apps of one project have two quotas", err)
	}
	if other, err := shares.of("google shop", "c", 600_000); err != nil || other == first {
		t.Error("two projects share a quota", err)
	}
	_, err = shares.of("google demo", "d", 900_000)
	if err == nil || !strings.Contains(err.Error(), `quota_per_minute is 900000, but app "a" of the same project has 600000`) {
		t.Error(err)
	}
	if none, err := shares.of("simulator demo", "e", 0); err != nil || none != nil {
		t.Error("0 is no limit", err)
	}
	if _, err = shares.of("simulator demo", "f", 60); err == nil {
		t.Error("a limit for one app and none for the other of the same project")
	}
}
