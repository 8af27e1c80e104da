package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/simulator"
)

// What Apple refuses is told in one sentence that names app, credential, file and remedy: in the event, in the log and by worker check.
func TestRefusedCredentialIsToldInOneSentence(t *testing.T) {
	w, nats, control := startWithSimulators(t, func(text string) string { return text })
	setScript(t, control, `{"rules":[{"platform":"apns","percent":100,"answer":{"reason":"InvalidProviderToken"}}]}`)
	nc := connect(t, "nats://"+nats)
	events := subscribe(t, nc)
	publish(t, nc, "push.apns", `{"id":"a","message":"hi","ids":"`+token(1)+`"}`)
	var told *results.Event
	events(func(e *results.Event) bool {
		if e.Kind == results.KindCredential {
			told = e
		}
		return told != nil
	})
	want := []string{`app "default"`, "key SIMULATED1 of team SIMULATED2", "InvalidProviderToken", "provider-key.p8", "check the clock"}
	for _, part := range want {
		if !strings.Contains(told.Detail, part) {
			t.Errorf("%q does not say %q", told.Detail, part)
		}
	}
	w.waitFor("Apple does not accept key SIMULATED1 of team SIMULATED2")
}

// What Google refuses is told the same way, with the project and what to do there.
func TestRefusedProjectIsToldInOneSentence(t *testing.T) {
	for reason, want := range map[string]string{
		"SERVICE_DISABLED":  "enable fcm.googleapis.com for it in the Google Cloud console",
		"PERMISSION_DENIED": "give it the role roles/firebasecloudmessaging.admin there, or the right project_id",
		"NOT_FOUND":         "There is no such project: set project_id",
	} {
		t.Run(reason, func(t *testing.T) {
			w, nats, control := startWithSimulators(t, func(text string) string { return text })
			setScript(t, control, `{"rules":[{"platform":"gcm","percent":100,"answer":{"reason":"`+reason+`"}}]}`)
			nc := connect(t, "nats://"+nats)
			events := subscribe(t, nc)
			publish(t, nc, "push.gcm", `{"id":"a","message":"hi","ids":"registration"}`)
			events(func(e *results.Event) bool {
				if len(e.Failures)+len(e.ExpiredTokens) > 0 {
					t.Errorf("a recipient fails for what is the project's: %+v", e)
				}
				if e.Kind != results.KindCredential {
					return false
				}
				for _, part := range []string{`app "default"`, reason, want, "Project: volley-simulated"} {
					if !strings.Contains(e.Detail, part) {
						t.Errorf("%q does not say %q", e.Detail, part)
					}
				}
				return true
			})
			w.waitFor(want)
		})
	}
}

// worker check --connect asks Apple and Google, and says for every app what is wrong.
func TestCheckAsksTheProviders(t *testing.T) {
	keys, control := t.TempDir(), freePort(t)
	start(t, "worker", nil, "simulate", "--apns", freePort(t), "--google", freePort(t), "--control", control, "--keys-out", keys).waitFor("ready")
	config := filepath.Join(keys, "volley.yaml")
	if code, output := runToEnd(t, "worker", nil, "check", "--config", config, "--connect"); code != 0 ||
		!strings.Contains(output, "The providers take them.") || !strings.Contains(output, `certificate "Apple Push Services: com.example.volley" from `) {
		t.Fatalf("exit code %d:\n%s", code, output)
	}
	asked := map[string]int{}
	for _, n := range ledger(t, control) {
		asked[fmt.Sprint(n.Platform, " dry run ", n.DryRun)]++
	}
	if asked["gcm dry run true"] != 2 || asked["apns dry run false"] < 2 || len(asked) != 2 {
		t.Errorf("asked %v", asked)
	}
	setScript(t, control, `{"rules":[{"platform":"apns","percent":100,"answer":{"reason":"TopicDisallowed"}}]}`)
	code, output := runToEnd(t, "worker", nil, "check", "--config", config, "--connect")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, part := range []string{`app "default"`, `app "legacy"`, "key SIMULATED1", "may not send to topic com.example.volley", "provider-key.p8", "apns-certificate.pem"} {
		if !strings.Contains(output, part) {
			t.Errorf("the report does not mention %q:\n%s", part, output)
		}
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(keys, "dead.yaml")
	if err := os.WriteFile(dead, []byte(strings.ReplaceAll(string(text), "127.0.0.1", "127.0.0.2")), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, output := runToEnd(t, "worker", nil, "check", "--config", dead, "--connect"); code != 1 || !strings.Contains(output, "no connection to 127.0.0.2:") {
		t.Errorf("nobody listens: exit code %d:\n%s", code, output)
	}
	// Somebody in between who opens TLS has another authority.
	stranger, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys, "ca.pem"), stranger.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	code, output = runToEnd(t, "worker", nil, "check", "--config", config, "--connect")
	for _, part := range []string{"app default, Apple", "is not trusted", "opens TLS", "ca_file"} {
		if code != 1 || !strings.Contains(output, part) {
			t.Errorf("interception: exit code %d, the report does not mention %q:\n%s", code, part, output)
		}
	}
	if code, output := runToEnd(t, "worker", nil, "check", "--config", dead); code != 0 || !strings.Contains(output, "Nothing was contacted") {
		t.Errorf("without --connect: exit code %d:\n%s", code, output)
	}
}
