package docs

import (
	"strings"
	"testing"
)

// Every line of the guides for those who come from another system.
func TestGuides(t *testing.T) {
	for guide, dry := range map[string]map[string][]string{
		"pushjack": {"go run ./cmd/enqueue apns --message \"Dinner is ready\" --title": {`{"aps":{"alert":{"body":"Dinner is ready","title":"Kitchen"},"badge":1}}`}},
		"gorush":   {"go run ./cmd/enqueue gcm --notification '{\"title\":\"Game\",\"body\":\"Bob wants to play\"}' --message-json '{\"game\":17}' --to registration-a --dry-run": {`"title":"Game"`, `"game":"17"`}},
		"rpush":    {"go run ./cmd/enqueue apns --message \"Your order is on its way.\" --badge": {`{"aps":{"alert":"Your order is on its way.","badge":1},"order":4711}`}},
	} {
		t.Run(guide, func(t *testing.T) {
			document := "docs/migrate/" + guide + ".md"
			r := newReader(t)
			file := r.configuration(document)
			own := []string{"VOLLEY_NATS_LISTEN=" + r.nats, "VOLLEY_NATS_STORE_DIR=" + t.TempDir(), "VOLLEY_CONTROL=" + r.ctrl}
			steps := map[string]func(line string){
				"go run ./cmd/worker check --config volley.yaml": func(line string) {
					r.says("com.example.app", "ABC123DEFG")(strings.ReplaceAll(line, "volley.yaml", file))
				},
				"go run ./cmd/worker --simulate":               func(line string) { r.start(line, "is ready", own...) },
				"go run ./cmd/enqueue":                         r.says("sent 1 of 1"),
				"curl -s http://127.0.0.1:8089/ledger/summary": r.says(`"received":1`),
			}
			for line, want := range dry {
				steps[line] = r.says(want...)
			}
			r.walk(document, steps)
		})
	}
}
