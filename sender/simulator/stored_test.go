package simulator

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestStored: one for each app of a device, the newest; what expires is forgotten, and what was sent with 0 never kept.
func TestStored(t *testing.T) {
	began := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return strconv.FormatInt(began.Add(d).Unix(), 10) }
	ledger := NewLedger()
	add := func(id, token, topic, expiration string, change func(*Notification)) {
		n := Notification{Platform: APNS, Protocol: "http2", Token: token, Status: 200, At: began, Headers: map[string]string{"apns-id": id, "apns-topic": topic}}
		if expiration != "" {
			n.Headers["apns-expiration"] = expiration
		}
		if change != nil {
			change(&n)
		}
		ledger.Add(n)
	}
	add("older", "aa", "com.example", in(time.Hour), nil)
	add("newer", "aa", "com.example", in(2*time.Hour), nil)
	add("of another type", "bb", "com.example", "", nil)
	add("of the same app", "bb", "com.example.voip", "", nil)
	add("of another app", "bb", "com.other", "", nil)
	add("never kept", "cc", "com.example", "0", nil)
	add("kept", "dd", "com.example", in(time.Hour), nil)
	add("tried once after it", "dd", "com.example", "0", nil)
	add("late already", "ee", "com.example", in(-time.Second), nil)
	add("for years", "ff", "com.example", in(1000*24*time.Hour), nil)
	add("refused", "ab", "com.example", "", func(n *Notification) { n.Status, n.Reason = 400, "BadDeviceToken" })
	add("broadcast", "Y2g=", "", "", func(n *Notification) { n.Headers["apns-channel-id"] = "Y2g=" })
	add("of Google", "ac", "", "", func(n *Notification) { n.Platform = GCM })
	for after, want := range map[time.Duration][]string{
		0:                            {"newer", "of the same app", "of another app", "kept", "for years"},
		time.Hour:                    {"newer", "of the same app", "of another app", "for years"},
		2 * time.Hour:                {"of the same app", "of another app", "for years"},
		maxStorage - time.Nanosecond: {"of the same app", "of another app", "for years"},
		maxStorage:                   nil,
	} {
		var got []string
		for n := range ledger.Stored(began.Add(after)) {
			got = append(got, n.Headers["apns-id"])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %s: %s", after, diff)
		}
	}
	for range ledger.Stored(began) {
		break // a reader may have enough
	}
}
