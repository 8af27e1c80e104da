package integration

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/volleypush/volley/results"
)

// Secrets are planted wherever a worker reads some: in its configuration, in the address of its broker, in jobs, in what providers answer, in files that
// change while it runs. It goes through success, refusal, dead letters, an outage and reloads, at the most talkative level; then nothing that it wrote
// (down to a dump of its goroutines), or serves over HTTP (every page, those that update themselves, too), or that the programs print of it, has any of them.
func TestPlantedSecretsAppearNowhere(t *testing.T) {
	const text, password, pageToken, answer, apiKey, registration = "planted-message-text", "planted-nats-password", "planted-page-token-0123456789", "planted-answer", "planted-api-key", "planted-registration"
	keys, control := t.TempDir(), freePort(t)
	start(t, "worker", nil, "simulate", "--apns-binary", "127.0.0.1:0", "--apns-feedback", "127.0.0.1:0", "--apns", freePort(t), "--google", freePort(t), "--control", control, "--keys-out", keys).waitFor("ready")
	file := filepath.Join(keys, "volley.yaml")
	original, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("http_token: " + pageToken + "\n" + string(original))
	broker := freePort(t)
	host, port, err := net.SplitHostPort(broker)
	if err != nil {
		t.Fatal(err)
	}
	start(t, "nats-server", nil, "-a", host, "-p", port, "-js", "-sd", t.TempDir(), "--user", "volley", "--pass", password).waitFor("Server is ready")
	url, page := "nats://volley:"+password+"@"+broker, freePort(t)
	w := start(t, "worker", nil, "run", "--config", file, "--nats-url", url, "--http", page, "--log-level", "trace", "--log-format", "json")
	w.waitFor("is ready")
	nc := connect(t, url)
	events := subscribe(t, nc)
	send := func(n int, jobs ...[2]string) {
		t.Helper()
		for _, j := range jobs {
			publish(t, nc, j[0], j[1])
		}
		events(func(*results.Event) bool { n--; return n == 0 })
	}
	send(4,
		[2]string{"push.apns", `{"message":"` + text + `","ids":["` + token(4711) + `"]}`},
		[2]string{"push.gcm", `{"message":{"k":"` + text + `"},"ids":["` + registration + `"]}`},
		[2]string{"push.gcm", `{"app":"legacy","message":{"k":"` + text + `"},"ids":["` + registration + `","x"]}`},
		[2]string{"push.apns", `{"message":"` + text + `","unknown-field":"` + text + `","ids":["` + token(4711) + `"]}`},
	)
	body, err := json.Marshal("<html>" + answer + " for " + token(4711) + "</html>")
	if err != nil {
		t.Fatal(err)
	}
	setScript(t, control, `{"rules":[{"percent":100,"platform":"apns","answer":{"status":400,"body":`+string(body)+`}},{"percent":100,"platform":"gcm","answer":{"status":400,"body":`+string(body)+`}}]}`)
	send(3,
		[2]string{"push.apns", `{"message":"` + text + `","ids":["` + token(4711) + `"]}`},
		[2]string{"push.gcm", `{"message":{"k":"` + text + `"},"ids":["` + registration + `"]}`},
		[2]string{"push.gcm", `{"app":"legacy","message":{"k":"` + text + `"},"ids":["` + registration + `"]}`},
	)
	// What is written into the files while the worker runs: a configuration that can't be read, and a key that is none.
	write(string(original) + "\n  shop:\n    gcm: {protocol: legacy, api_key: " + apiKey + ", endpont: https://u:" + apiKey + "@127.0.0.1:1/}\n")
	w.signal(syscall.SIGHUP)
	w.waitFor("the configuration has changed and can't be used")
	write("http_token: " + pageToken + "\n" + string(original))
	account, err := os.ReadFile(filepath.Join(keys, "service-account.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys, "service-account.json"), []byte(`{"type":"service_account","client_email":"a@b","project_id":"p","private_key":"`+apiKey+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.signal(syscall.SIGHUP)
	w.waitFor("a changed credential can't be used")
	if err := os.WriteFile(filepath.Join(keys, "service-account.json"), account, 0o600); err != nil {
		t.Fatal(err)
	}

	written := w.text()
	for _, path := range []string{"/healthz", "/readyz", "/version", "/metrics", "/no-such-page?token=x"} {
		_, shown := get(t, "http://"+page+path)
		written += shown
	}
	for _, args := range [][]string{{"--print"}, {"--connect", "-o", "json"}, {"--connect", "--strict"}} {
		_, checked := runToEnd(t, "worker", nil, append([]string{"check", "--config", file, "--nats-url", url}, args...)...)
		written += checked
	}
	written += refusedPage(t, page)
	written += everyPage(t, page, pageToken) + commandLines(t, url)
	letter := visit(t, page, pageToken, http.MethodGet, "/letter?n=1", nil)
	if !strings.Contains(letter, text) {
		t.Errorf("the page of a dead letter does not show what it says: %s", letter)
	}
	w.signal(syscall.SIGQUIT) // what Go writes of a process that is in trouble: all goroutines, with their arguments
	if code := w.wait(); code != 2 {
		t.Errorf("after SIGQUIT the worker ended with exit code %d", code)
	}
	if dump := w.text(); strings.Contains(dump, "goroutine ") {
		written += dump
	} else {
		t.Error("there is no dump of goroutines: this test would see nothing")
	}
	for what, secret := range map[string]string{
		"message": text, "password of the broker": password, "page token": pageToken, "provider's answer": answer, "key in a file that changed": apiKey, "registration ID": registration,
		"device token": token(4711), "server key": "simulated-server-key", "bearer token": "bearer ey", "access token": "Bearer ya29",
	} {
		if at := strings.Index(written, secret); at >= 0 {
			t.Errorf("the %s was written: %s", what, written[max(0, at-200):min(len(written), at+200)])
		}
		if what != "message" && strings.Contains(letter, secret) {
			t.Errorf("the page of a dead letter shows the %s", what)
		}
	}
	for _, trace := range []string{"job done", "dead letter", `volley_push_total{`, `"ready":`, "PUSH_RESULTS", `"verdict":`, "text/event-stream", "data: {", "Dead letters"} {
		if !strings.Contains(written, trace) {
			t.Errorf("%s is not in what was written: this test would see nothing", trace)
		}
	}
}

// refusedPage is what somebody is told who has the wrong token.
func refusedPage(t *testing.T, page string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+page+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer wrong")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var shown strings.Builder
	if err := response.Header.Write(&shown); err != nil {
		t.Fatal(err)
	}
	return shown.String()
}
