package gcmtest

import (
	"fmt"
	"testing"
	"time"
)

func TestQuotas(t *testing.T) {
	send := func(f *fixture, token string) string {
		t.Helper()
		got := f.v1(fmt.Sprintf(`{"message":{"token":%q}}`, token))
		if got.status == 200 {
			return ""
		}
		answer := decode[googleError](t, got.body)
		return fmt.Sprintf("%d %s %s", got.status, answer.code(), answer.kinds())
	}
	const project, device = "429  ErrorInfo", "429 QUOTA_EXCEEDED FcmError QuotaFailure"
	t.Run("project", func(t *testing.T) {
		f := start(t, func(o *Options) { o.Quotas.ProjectPerMinute = 3 })
		for i := range 2 {
			if got := send(f, fmt.Sprint("r", i)); got != "" {
				t.Fatal(got)
			}
		}
		if got := f.v1(`{"message":{}}`); got.status != 400 {
			t.Fatal(got.status)
		}
		for range 2 { // the 400 counted; a 429 does not
			if got := send(f, "r9"); got != project {
				t.Errorf("%q", got)
			}
		}
		f.clock.at = f.clock.at.Add(time.Minute - 1)
		if got := send(f, "r9"); got != project {
			t.Errorf("%q", got)
		}
		f.clock.at = f.clock.at.Add(1)
		if got := send(f, "r9"); got != "" {
			t.Errorf("%q after a minute", got)
		}
	})
	t.Run("device", func(t *testing.T) {
		f := start(t, func(o *Options) { o.Quotas = Quotas{DevicePerMinute: 2, DevicePerHour: 3} })
		send(f, "a")
		send(f, "a")
		if got := send(f, "a"); got != device {
			t.Errorf("%q", got)
		}
		if got := send(f, "b"); got != "" {
			t.Errorf("another device is refused: %q", got)
		}
		f.clock.at = f.clock.at.Add(time.Minute)
		if got := send(f, "a"); got != "" {
			t.Errorf("%q after a minute", got)
		}
		if got := send(f, "a"); got != device {
			t.Errorf("%q: the hour's number is exceeded", got)
		}
		f.clock.at = f.clock.at.Add(time.Hour)
		if got := send(f, "a"); got != "" {
			t.Errorf("%q after an hour", got)
		}
		for range 5 {
			if got := f.v1(`{"message":{"topic":"news"}}`); got.status != 200 {
				t.Errorf("a topic is no device: %d", got.status)
			}
		}
	})
}
