package pipeline

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func TestDeadLetters(t *testing.T) {
	tests := []struct {
		name       string
		body       string
		faults     jobs.Faults // of the payload
		reason     string
		field      string
		subject    string
		recipients int
	}{
		{name: "not JSON", body: `{"message":`, reason: results.DeadInvalid, subject: "push.results.apns._.", recipients: 0},
		{
			name: "unknown field", body: `{"id":"x","mesage":"hi","ids":["ab","cd"]}`, reason: results.DeadInvalid, field: "mesage",
			subject: "push.results.apns.default.x.0.0", recipients: 2,
		},
		{
			name: "unknown app", body: `{"id":"x","app":"shop","message":"hi","ids":["ab"]}`, reason: results.DeadUnknownApp, field: "app",
			subject: "push.results.apns.shop.x.0.0", recipients: 1,
		},
		{
			name: "payload over the limit", body: `{"id":"x","message":"hi","ids":["ab"]}`, faults: jobs.Faults{{Field: "message", Problem: "too long"}},
			reason: results.DeadPayload, field: "message", subject: "push.results.apns.default.x.0.0", recipients: 1,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			w.app.faults = test.faults
			d := job(7, 1, "")
			d.Body = []byte(test.body)
			if got := w.core().Handle(t.Context(), d); got != Ack {
				t.Fatalf("disposition %d, want Ack", got)
			}
			if len(w.dead) != 1 || string(w.dead[0].Body) != test.body {
				t.Fatalf("letters %+v", w.dead)
			}
			e := w.dead[0].Event
			if err := e.Balanced(); err != nil {
				t.Error(err)
			}
			if !strings.HasPrefix(e.Subject(), test.subject) || e.Dead.Reason != test.reason || e.Recipients != test.recipients {
				t.Errorf("event %s %+v of %d recipients", e.Subject(), e.Dead, e.Recipients)
			}
			if test.field != "" && (len(e.Dead.Faults) != 1 || e.Dead.Faults[0].Field != test.field) {
				t.Errorf("faults %+v", e.Dead.Faults)
			}
			if diff := cmp.Diff([]string{"commit", "bury"}, verbs(w.steps)); diff != "" {
				t.Errorf("the event must come before the letter: %s", diff)
			}
			if len(w.app.sent) != 0 {
				t.Errorf("sent %v", w.app.sent)
			}
		})
	}
}

func verbs(steps []string) []string {
	var out []string
	for _, s := range steps {
		if verb, _, _ := strings.Cut(s, " "); !strings.HasPrefix(verb, "find") {
			out = append(out, verb)
		}
	}
	return out
}

func TestLetterIsStoredAgainAfterACrashBetweenEventAndLetter(t *testing.T) {
	w := newWorld()
	w.fail["bury"] = 1
	d := job(7, 1, "")
	d.Body = []byte(`[]`)
	if got := w.core().Handle(t.Context(), d); got != Leave {
		t.Fatalf("disposition %d, want Leave", got)
	}
	if got := w.core().Handle(t.Context(), d); got != Ack || len(w.dead) != 1 {
		t.Errorf("disposition %d, %d letters", got, len(w.dead))
	}
}

func TestIDOfAnotherBodyIsRefused(t *testing.T) {
	for name, n := range map[string]int{"one segment": 2, "several segments": 2500} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			core := w.core()
			core.Handle(t.Context(), job(7, n, `,"id":"same"`))
			sent, work := len(w.app.sent), len(w.puts)
			if got := core.Handle(t.Context(), job(8, n+1, `,"id":"same"`)); got != Ack {
				t.Fatalf("disposition %d, want Ack", got)
			}
			if len(w.app.sent) != sent || len(w.puts) != work {
				t.Errorf("the second job went on: %d sent, %d waiting", len(w.app.sent), len(w.puts))
			}
			if len(w.dead) != 1 || w.dead[0].Event.Dead.Reason != results.DeadIDReused || w.dead[0].Event.Kind != results.KindDead ||
				!strings.HasPrefix(w.dead[0].Event.Job, "PUSH_JOBS-8-") {
				t.Errorf("letters %+v", w.dead)
			}
		})
	}
}
