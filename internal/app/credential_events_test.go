package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// employed is a worker with simulated providers that looks at its credentials all the time.
type employed struct {
	*Worker
	t          *testing.T
	simulators *Simulators
	config     *config.Config
}

func employ(t *testing.T) *employed {
	t.Helper()
	simulators, err := StartSimulators(SimulatorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = simulators.Close() })
	dir := t.TempDir()
	c := config.Default()
	c.NATS.StoreDir, c.NATS.Listen, c.HTTP = filepath.Join(dir, "nats"), "", ""
	if c.Apps, err = simulators.Credentials(dir); err != nil {
		t.Fatal(err)
	}
	w, err := Start(t.Context(), Options{Config: c, CredentialLook: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return &employed{w, t, simulators, c}
}

// next waits for an event, those of the past included.
func (w *employed) next(what string, is func(*results.Event) bool) *results.Event {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 25*time.Second)
	defer cancel()
	var found *results.Event
	err := w.Queue().Results(ctx, queue.Query{Follow: true}, func(e *results.Event) error {
		if !is(e) {
			return nil
		}
		found = e
		return context.Canceled
	})
	if found == nil {
		w.t.Fatalf("no event %q: %v", what, err)
	}
	return found
}

// state waits for a credential event.
func (w *employed) state(state string) *results.Event {
	w.t.Helper()
	return w.next(state, func(e *results.Event) bool { return e.Kind == results.KindCredential && e.State == state })
}

func (w *employed) publish(id, body string) {
	w.t.Helper()
	if _, err := w.Queue().PublishJob(w.t.Context(), jobs.APNS, jobs.LaneNormal, "default", id, []byte(body)); err != nil {
		w.t.Fatal(err)
	}
}

// TestMendedCredentialGoesOnAtOnce: a refused credential is tried again every minute, a changed one now.
func TestMendedCredentialGoesOnAtOnce(t *testing.T) {
	w := employ(t)
	refuse := simulator.Script{Rules: []simulator.Rule{{Percent: 100, Answer: simulator.Answer{Reason: "InvalidProviderToken"}}}}
	if err := w.simulators.Scripts.Set(refuse); err != nil {
		t.Fatal(err)
	}
	w.publish("waits", `{"id":"waits","message":"hi","ids":"ab"}`)
	w.state("rejected")
	if err := w.simulators.Scripts.Set(simulator.Script{}); err != nil {
		t.Fatal(err)
	}
	file := w.config.Apps["default"].APNS.KeyFile
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	w.state(stateReloaded)
	w.next("sent", func(e *results.Event) bool { return e.Job == "waits" && e.Sent == 1 })
}

// TestCredentialEventsOfAWorker: a real worker watches its files and raises an event that says so.
func TestCredentialEventsOfAWorker(t *testing.T) {
	w := employ(t)
	file := w.config.Apps["default"].APNS.KeyFile
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e := w.state(stateUnusable); e.App != "default" || !strings.Contains(e.Detail, file) {
		t.Errorf("%+v", e)
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if e := w.state(stateReloaded); !strings.Contains(e.Detail, "key "+SimulatedKeyID+" (team "+SimulatedTeamID+")") {
		t.Errorf("%+v", e)
	}
	// Jobs that were accepted, then a list of tokens of the other environment.
	script := simulator.Script{Rules: []simulator.Rule{
		{Prefix: "bad0", Percent: 100, Answer: simulator.Answer{Reason: "BadDeviceToken"}},
		{Prefix: "9000", Percent: 100, Answer: simulator.Answer{Reason: "Unregistered"}},
	}}
	if err := w.simulators.Scripts.Set(script); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range 200 {
		prefix := "6000"
		if i < 41 {
			prefix = "bad0"
		} else if i < 50 {
			prefix = "9000"
		}
		ids = append(ids, fmt.Sprintf(`"%s%08x"`, prefix, i))
	}
	w.publish("wrong", `{"id":"wrong","message":"hi","ids":[`+strings.Join(ids, ",")+`]}`)
	if e := w.state(stateWrongEnvironment); !strings.Contains(e.Detail, `app "default"`) || !strings.Contains(e.Detail, "41 of the last 200") {
		t.Errorf("%+v", e)
	}
	job := w.next("wrong", func(e *results.Event) bool { return e.Job == "wrong" })
	if len(job.Failures) != 41 || len(job.ExpiredTokens) != 9 {
		t.Fatalf("%d failures, %d expired", len(job.Failures), len(job.ExpiredTokens))
	}
	for _, gone := range job.ExpiredTokens {
		if gone.Action != results.ActionCheckEnvironment {
			t.Errorf("%s asks for %s", gone.Reason, gone.Action)
		}
	}
}
