package sender

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestClassNames: they are metric labels, so they are public and never change by accident.
func TestClassNames(t *testing.T) {
	want := map[Class]string{
		Unset: "unset", Accepted: "accepted", Rejected: "rejected", Expired: "expired", BadJob: "bad_job", Credential: "credential",
		Transient: "transient", Throttled: "throttled", Unsent: "unsent", Uncertain: "uncertain",
	}
	if len(want) != len(classNames) {
		t.Errorf("%d classes, %d names", len(want), len(classNames))
	}
	for class, name := range want {
		if got := class.String(); got != name {
			t.Errorf("class %d is %q, want %q", class, got, name)
		}
	}
	if got := Class(len(classNames)).String(); got != "unset" {
		t.Errorf("a class that is none is %q", got)
	}
}

func TestFailed(t *testing.T) {
	reason := &Reason{Name: "BadDeviceToken", Class: Rejected}
	if diff := cmp.Diff(Outcome{Class: Rejected, Reason: reason, Status: 400}, Failed(reason, 400)); diff != "" {
		t.Error(diff)
	}
	if (Outcome{}).Class != Unset {
		t.Error("the zero outcome must be unset: a sender that forgets a recipient is found out")
	}
}
