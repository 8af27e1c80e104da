package pipeline

import (
	"strings"
	"testing"

	"github.com/volleypush/volley/sender"
)

// The order of the answers decides, not that of the recipients: those sent first may stand last in the segment.
func TestOutageInTheMiddleOfASegmentIsSeenInItsLastAnswers(t *testing.T) {
	const n, well = 50, 20
	for name, rank := range map[string]func(i int) uint32{
		"in order": func(i int) uint32 { return uint32(i + 1) },
		"reversed": func(i int) uint32 { return uint32(n - i) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.app.attempts = 1
			w.app.script = func(i int) sender.Outcome {
				out := answer("ServiceUnavailable", 503)
				if rank(i) <= well {
					out = sender.Outcome{Class: sender.Accepted}
				}
				out.Rank = rank(i)
				return out
			}
			w.core().Handle(t.Context(), job(7, n, `,"id":"a"`))
			e := w.event(t, "push.results.apns.default.a.0.0")
			if e.Sent != well || len(e.Failures) > 0 || len(e.Retry.Indexes) != n-well {
				t.Errorf("%d sent, %d failures, retry %+v", e.Sent, len(e.Failures), e.Retry)
			}
		})
	}
}

// Several connections are answered in no common order: as many bad answers as make an outage are free once, also with good ones after
// them. Fewer are the recipients' own trouble.
func TestOutageSeenOnOneOfSeveralConnections(t *testing.T) {
	for bad, free := range map[int]bool{outageRecipients: true, outageRecipients - 1: false} {
		w := newWorld()
		w.app.attempts = 1
		w.app.script = func(i int) sender.Outcome {
			if i < bad {
				return answer("ServiceUnavailable", 503)
			}
			return sender.Outcome{Class: sender.Accepted}
		}
		w.core().Handle(t.Context(), job(7, 40, `,"id":"a"`))
		e := w.event(t, "push.results.apns.default.a.0.0")
		if e.Sent != 40-bad || (len(e.Failures) == 0) != free || (e.Retry != nil) != free {
			t.Errorf("%d bad answers: %d sent, %d failures, retry %+v", bad, e.Sent, len(e.Failures), e.Retry)
		}
	}
}

// What a sender refuses without asking the provider does not show that the provider is there.
func TestRefusedUnaskedIsNoSignOfLife(t *testing.T) {
	w := newWorld()
	w.app.script = func(i int) sender.Outcome {
		if i%3 == 2 {
			return answer("BadDeviceToken", 0)
		}
		return answer("ServiceUnavailable", 503)
	}
	w.core().Handle(t.Context(), job(7, 9, `,"id":"a"`))
	if !strings.Contains(w.news(), "_provider.opened") {
		t.Errorf("news: %q", w.news())
	}
}
