package integration

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volleypush/volley/results"
)

// Planted secrets and recipients are in nothing that the worker writes, at the most talkative level: credentials, device tokens,
// registration IDs, message texts.
func TestNothingSecretIsWritten(t *testing.T) {
	keys := t.TempDir()
	apns, google, control := freePort(t), freePort(t), freePort(t)
	start(t, "worker", nil, "simulate", "--apns-binary", "127.0.0.1:0", "--apns-feedback", "127.0.0.1:0", "--apns", apns, "--google", google, "--control", control, "--keys-out", keys).waitFor("ready")
	config := filepath.Join(keys, "volley.yaml")
	listen := freePort(t)
	w := start(t, "worker", nil, "run", "--config", config, "--nats-listen", listen, "--store-dir", t.TempDir(), "--log-level", "trace", "--log-format", "json")
	w.waitFor("is ready")
	nc := connect(t, "nats://"+listen)
	events := subscribe(t, nc)
	const text = "planted-message-text"
	bad := strings.Repeat("e", 63)
	jobs := []struct{ subject, body string }{
		{"push.apns", `{"message":"` + text + `","ids":["` + token(4711) + `","` + bad + `"]}`},
		{"push.apns", `{"message":"` + text + `","mesage":1,"ids":["` + token(4711) + `"]}`},
		{"push.gcm", `{"message":{"k":"` + text + `"},"ids":["planted-registration"]}`},
		{"push.gcm", `{"app":"legacy","message":{"k":"` + text + `"},"ids":["planted-registration","x"]}`},
	}
	for _, j := range jobs {
		publish(t, nc, j.subject, j.body)
	}
	n := 0
	events(func(*results.Event) bool { n++; return n == len(jobs) })
	_, checked := runToEnd(t, "worker", nil, "check", "--config", config, "--print")
	written := w.text() + checked
	planted := map[string]string{
		"message text": text, "device token": token(4711), "malformed device token": bad, "registration ID": "planted-registration",
		"server key": "simulated-server-key", "bearer token": "bearer ey",
	}
	for _, file := range []string{"provider-key.p8", "apns-certificate.pem", "service-account.json"} {
		content, err := os.ReadFile(filepath.Join(keys, file))
		if err != nil {
			t.Fatal(err)
		}
		planted[file] = secretLine(t, content)
	}
	for what, secret := range planted {
		if strings.Contains(written, secret) {
			t.Errorf("the %s was written", what)
		}
	}
	if !strings.Contains(written, "job done") {
		t.Error("the log holds no events: this test would see nothing")
	}
}

// secretLine is a piece of a private key as it would be seen if the file leaked.
func secretLine(t *testing.T, content []byte) string {
	t.Helper()
	text := string(content)
	if at := strings.Index(text, "-----BEGIN PRIVATE KEY-----"); at >= 0 {
		text = strings.ReplaceAll(text[at:], `\n`, "\n")
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("no private key in the file")
	}
	return strings.Split(text, "\n")[1]
}
