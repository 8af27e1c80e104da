package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/sender/simulator"
)

// What is commonly wrong with a Firebase project is one sentence with its remedy, in worker check --connect. The same sentence stands in a worker's
// log and in its event.
func TestCheckSaysWhatIsWrongAtGoogle(t *testing.T) {
	answer := func(reason string) simulator.Script {
		return simulator.Script{Rules: []simulator.Rule{{Platform: simulator.GCM, Percent: 100, Answer: simulator.Answer{Reason: reason}}}}
	}
	for _, row := range []struct {
		name    string
		options SimulatorOptions
		change  func(c *config.Config, dir string)
		says    []string // nothing = fine
		offline bool     // without asking anybody
	}{
		{name: "fine"},
		{name: "an answer about the message", options: SimulatorOptions{Script: answer("INVALID_PAYLOAD")}},
		{
			name: "wrong project", change: func(c *config.Config, _ string) { c.Apps["default"].GCM.ProjectID = "mistyped" },
			says: []string{`app "default", Google: NOT_FOUND (There is no such project: set project_id to the id of the Firebase project`, "Project: mistyped"},
		},
		{
			name: "disabled API", options: SimulatorOptions{Script: answer("SERVICE_DISABLED")},
			says: []string{"is disabled in the project: enable fcm.googleapis.com", "Project: volley-simulated"},
		},
		{
			name: "no permission", options: SimulatorOptions{Script: answer("PERMISSION_DENIED")},
			says: []string{"give it the role roles/firebasecloudmessaging.admin"},
		},
		{
			name: "clock behind", options: SimulatorOptions{Now: func() time.Time { return time.Now().Add(3 * time.Hour) }},
			says: []string{"Google refused the service account volley-", "This machine's clock is ", "behind Google's: set it right"},
		},
		{
			name: "clock ahead", options: SimulatorOptions{Now: func() time.Time { return time.Now().Add(-3 * time.Hour) }},
			says: []string{"ahead of Google's: set it right"},
		},
		{
			name: "bad key file", change: func(_ *config.Config, dir string) {
				if err := os.WriteFile(filepath.Join(dir, "service-account.json"), []byte(`{"type":"service_account","client_email":"a@b","project_id":"p","private_key":"planted"}`), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			offline: true, says: []string{"apps.default.gcm: GCMAuthError: The credential file ", "has a private_key that is not an RSA key in PEM: download a new JSON key"},
		},
		{
			name: "wrong server key", change: func(c *config.Config, dir string) {
				if err := os.WriteFile(filepath.Join(dir, "server-key.txt"), []byte("planted"), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			says: []string{`app "legacy", Google: Unauthorized (The sender could not be authenticated: check api_key`},
		},
		{
			name: "nobody there", change: func(c *config.Config, _ string) { c.Apps["default"].GCM.Endpoint = "https://127.0.0.1:1" },
			says: []string{`error: app default, Google: no connection to 127.0.0.1:1: `, "let a firewall pass it"},
		},
		{name: "out", options: SimulatorOptions{Script: answer("UNAVAILABLE")}, says: []string{`app "default", Google: UNAVAILABLE`, `app "legacy", Google: Unavailable`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			simulators, dir, c := simulated(t, row.options)
			if row.change != nil {
				row.change(c, dir)
			}
			c.NATS.Listen = "" // only the providers are looked at
			report, err := Check(t.Context(), c, true)
			text := findings(report)
			if err == nil && report.Count(Bad) > 0 {
				err = errors.New(text)
			}
			asked := 0
			for n := range simulators.Ledger.Each() {
				if n.Platform == simulator.GCM {
					asked++
				}
			}
			if len(row.says) == 0 {
				if err != nil || asked != 2 || !strings.Contains(text, simulators.Google()+"/v1/projects/"+SimulatedProject) {
					t.Errorf("%v, %s", err, text)
				}
				return
			}
			if err == nil || errors.Is(err, ErrCredentials) != row.offline {
				t.Fatalf("%v: found without asking %t", err, errors.Is(err, ErrCredentials))
			}
			for _, says := range row.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q is not in %q", says, err)
				}
			}
			if strings.Contains(err.Error(), "planted") {
				t.Errorf("it shows a secret: %v", err)
			}
			for n := range simulators.Ledger.Each() {
				if n.Platform == simulator.GCM && !n.DryRun {
					t.Error("something was delivered")
				}
			}
		})
	}
}
