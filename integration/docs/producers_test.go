package docs

import "testing"

// Every line of docs/producers.md but those for Node, which .ci/nodeclient runs.
func TestProducers(t *testing.T) {
	r := newReader(t)
	own := []string{"VOLLEY_NATS_LISTEN=" + r.nats, "VOLLEY_NATS_STORE_DIR=" + t.TempDir(), "VOLLEY_CONTROL=" + r.ctrl}
	r.walk("docs/producers.md", map[string]func(line string){
		"go run ./cmd/worker --simulate --script": func(line string) { r.start(line, "is ready", own...) },
		"go run ./cmd/enqueue apns --id shell-1":  r.says("sent 1 of 1"),
		"printf ":                                 r.says("sent 1 of 1"),
		"echo ":                                   r.says("sent 1 of 1"),
		"nats pub push.gcm":                       r.says("Stored in Stream: PUSH_JOBS"),
		"go run ./cmd/enqueue status shell-4":     r.comesToSay("gcm default shell-4: done"),
		"go run ./cmd/enqueue results":            r.says(`"reason":"UNREGISTERED"`, `"done":true`),
		"go run ./examples/go/publish": func(line string) {
			r.says("duplicate: false", "reason Unregistered, action delete_token", "sent 1 of 2")(line)
			r.says("duplicate: true", "sent 1 of 2")(line)
		},
		"go run ./examples/go/results": r.says("forget dd00000000000000000000000000000000000000000000000000000000004712 unless registered after 2026-11-23T"),
	})
}
