package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// refusals is what the gateway of the binary protocol answers: each error ends a connection in the middle of a batch, some late, some
// in two parts, some with a shutdown that took its notification.
const refusals = `{"rules":[
	{"percent":1,"salt":"bad","answer":{"reason":"BadDeviceToken"}},
	{"percent":0.5,"salt":"late","answer":{"reason":"InvalidToken","latency":"30ms"}},
	{"percent":0.5,"salt":"split","answer":{"packet":{"split":2}}},
	{"percent":0.5,"salt":"busy","times":1,"answer":{"reason":"ProcessingError"}},
	{"percent":0.5,"salt":"leave","times":1,"answer":{"reason":"Shutdown"}},
	{"percent":0.5,"salt":"gone","answer":{"reason":"Unregistered"}}]}`

// An app with the binary protocol, whose gateway ends connections in the middle of batches, loses nobody and doubles nobody: neither
// by itself, nor when its worker is killed while it sends, beyond what was in flight then.
func TestBinaryApp(t *testing.T) {
	simulated := startProvidersWith(t, refusals)
	orders := func(name string) []*order {
		a := audience{"binary-" + name}
		return []*order{
			a.order(jobs.APNS, "binary", "resend", 2300, map[string]any{"batch_size": 50}),
			a.order(jobs.APNS, "binary", "report", 1200, map[string]any{"on_uncertain": "report"}),
			a.order(jobs.APNS, "binary", "one", 1, nil),
			a.order(jobs.APNS, "binary", "some", 70, map[string]any{"batch_size": 7}),
		}
	}
	t.Run("undisturbed", func(t *testing.T) {
		t.Parallel()
		s := openTheatre(t, simulated, startServer(t).url())
		s.orders = orders("undisturbed")
		w := s.worker("only")
		if err := s.publish(s.orders...); err != nil {
			t.Fatal(err)
		}
		s.settle()
		v := &verdict{}
		s.judge(v, nil)
		if len(v.books.twice) > 0 {
			t.Errorf("%d recipients were sent to twice", len(v.books.twice))
		}
		s.end(w)
	})
	for _, point := range []string{"mid-send", "committed"} {
		t.Run("killed "+point, func(t *testing.T) {
			t.Parallel()
			s := openTheatre(t, simulated, startServer(t).url())
			s.orders = orders(point)
			s.crash(death{at: point, after: 3})
		})
	}
}

// Tokens that are gone are accepted over the binary protocol, and told of by its feedback service: on demand a worker reads it, and the
// tokens come on push.results.
func TestFeedbackOnDemand(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script.yaml")
	text := `rules: [{platform: apns, prefix: "` + token(7) + `", answer: {reason: Unregistered, timestamp_ms: 1795430000000}}]`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w := startSimulated(t, "--script", script)
	nc := connect(t, w.url())
	events := subscribe(t, nc)
	publish(t, nc, "push.apns", `{"id":"gone","app":"binary","message":"Hello","ids":`+tokens(6, 3)+`}`)
	events(func(e *results.Event) bool {
		if e.Kind == results.KindSegment && e.Sent != 3 {
			t.Errorf("%d of 3 sent", e.Sent)
		}
		return e.Job == "gone"
	})
	code, output := runToEnd(t, "enqueue", nil, "feedback", "--nats-url", w.url(), "--app", "binary")
	if code != 0 || !strings.Contains(output, "of app binary") { // the worker may have read it by itself just now
		t.Fatalf("exit code %d: %s", code, output)
	}
	events(func(e *results.Event) bool {
		if e.Kind != results.KindFeedback {
			return false
		}
		if len(e.ExpiredTokens) != 1 || e.ExpiredTokens[0].Token != token(7) || e.ExpiredTokens[0].TimestampMS != 1795430000000 {
			t.Errorf("%+v", e)
		}
		return true
	})
	code, output = runToEnd(t, "enqueue", nil, "feedback", "--nats-url", w.url())
	if code != 69 || !strings.Contains(output, `no worker has an app "default" with protocol binary`) {
		t.Errorf("exit code %d: %s", code, output)
	}
}
