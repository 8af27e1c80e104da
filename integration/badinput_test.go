package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/results"
)

// Each wrong job becomes one event with its exact faults and one dead letter with its bytes; the worker goes on and nothing else
// is touched.
func TestBadJobs(t *testing.T) {
	w := startSimulated(t, "--unknown-app-grace", "0s")
	nc := connect(t, w.url())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	letters, err := js.OrderedConsumer(t.Context(), "PUSH_DEAD", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, subject, body, reason string
		faults                      []string // each must be in one of the faults
	}{
		{"not JSON", "push.apns", `{"message":"hi"`, "invalid", []string{"JSON"}},
		{"not an object", "push.apns", `[1]`, "invalid", []string{"object"}},
		{"unknown field", "push.apns", `{"mesage":"hi","ids":"ab"}`, "invalid", []string{"mesage"}},
		{"wrong type", "push.apns", `{"message":"hi","badge":"one","ids":"ab"}`, "invalid", []string{"badge"}},
		{"no ids", "push.gcm", `{"message":"hi"}`, "invalid", []string{"ids"}},
		{"several at once", "push.apns", `{"id":"-","app":"A B","badge":"x","ids":[]}`, "invalid", []string{"id", "app", "badge", "ids"}},
		{"unknown app", "push.apns", `{"app":"nobody","message":"hi","ids":"ab"}`, "unknown_app", []string{"default"}},
		{"payload over the limit", "push.apns", `{"message":"` + strings.Repeat("x", 4096) + `","ids":"ab"}`, "payload", []string{"4096"}},
		{"a broadcast that starts an activity", "push.apns", `{"channel":"dGVzdA==","event":"start","content_state":{}}`, "payload", []string{"start"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			events := subscribe(t, nc)
			publish(t, nc, test.subject, test.body)
			e := events(func(*results.Event) bool { return true })[0]
			if e.Kind != results.KindDead || e.Dead == nil || e.Dead.Reason != test.reason {
				t.Fatalf("event %+v %+v", e, e.Dead)
			}
			for _, want := range test.faults {
				found := false
				for _, f := range e.Dead.Faults {
					found = found || strings.Contains(f.String(), want)
				}
				if !found {
					t.Errorf("no fault mentions %q: %v", want, e.Dead.Faults)
				}
			}
			letter, err := letters.Next(jetstream.FetchMaxWait(10 * time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if string(letter.Data()) != test.body {
				t.Errorf("the letter holds %q", letter.Data())
			}
			publish(t, nc, "push.apns", `{"message":"next","ids":"`+token(1)+`"}`)
			if next := events(func(*results.Event) bool { return true })[0]; next.Sent != 1 {
				t.Errorf("the worker did not go on: %+v", next)
			}
		})
	}
}

// One bad recipient in a good job fails alone.
func TestBadRecipientFailsAlone(t *testing.T) {
	w := startSimulated(t, "--unknown-app-grace", "0s")
	nc := connect(t, w.url())
	for subject, want := range map[string]struct{ ids, error, code string }{
		"push.apns": {`["` + token(1) + `","xyz","` + token(2) + `"]`, "APNSInvalidTokenError", "8"},
		"push.gcm":  {`["reg-1","","reg-2"]`, "GCMInvalidRegistrationError", "InvalidRegistration"},
	} {
		t.Run(subject, func(t *testing.T) {
			events := subscribe(t, nc)
			publish(t, nc, subject, `{"message":"hi","ids":`+want.ids+`}`)
			e := events(func(*results.Event) bool { return true })[0]
			if e.Sent != 2 || len(e.Failures) != 1 {
				t.Fatalf("event %+v", e)
			}
			if f := e.Failures[0]; f.Index != 1 || f.Error != want.error || string(f.Code) != want.code {
				t.Errorf("failure %+v", f)
			}
		})
	}
}
