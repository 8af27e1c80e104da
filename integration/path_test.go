package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/results"
)

func token(n int) string { return fmt.Sprintf("%064x", n) }

func tokens(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q", token(from+i))
	}
	return "[" + b.String() + "]"
}

// publish is what any publisher does: one message, acknowledged by the stream.
func publish(t *testing.T, nc *nats.Conn, subject, body string) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), subject, []byte(body)); err != nil {
		t.Fatalf("publishing on %s: %v", subject, err)
	}
}

// A job on the queue becomes a push at the provider and an event on push.results, on every platform and protocol.
func TestJobBecomesPushAndEvent(t *testing.T) {
	w := startSimulated(t)
	nc := connect(t, w.url())
	events := subscribe(t, nc)
	jobs := []struct{ subject, body, protocol, recipient string }{
		{"push.apns", `{"id":"a1","message":"Hello","badge":0,"ids":"` + token(1) + `"}`, "http2", token(1)},
		{"push.apns.high", `{"id":"a2","app":"legacy","message":"Hello","ids":["` + token(2) + `"]}`, "http2", token(2)},
		{"push.apns", `{"id":"a3","channel":"Y2hhbm5lbA==","event":"update","content_state":{"goals":1}}`, "http2", "Y2hhbm5lbA=="},
		{"push.apns.bulk", `{"id":"a4","app":"binary","message":"Hello","ids":["` + token(4) + `"]}`, "binary", token(4)},
		{"push.gcm", `{"id":"g1","message":{"k":"v"},"ids":["reg-1"]}`, "v1", "reg-1"},
		{"push.gcm.bulk", `{"id":"g2","app":"legacy","message":{"k":"v"},"ids":["reg-2"]}`, "legacy", "reg-2"},
	}
	want := map[string]string{}
	for _, j := range jobs {
		publish(t, nc, j.subject, j.body)
		want[j.recipient] = j.protocol
	}
	done := map[string]bool{}
	events(func(e *results.Event) bool {
		if e.Sent != 1 || !e.Done || e.Kind != results.KindSegment {
			t.Errorf("event %+v", e)
		}
		done[e.Job] = true
		return len(done) == len(jobs)
	})
	got := map[string]string{}
	for _, n := range ledger(t, w.control) {
		if n.Token == "" && n.Protocol == "binary" {
			continue // a barrier: its refusal is the proof of what came before it
		}
		if n.Status != http.StatusOK {
			t.Errorf("%s was answered %d %s", n.Protocol, n.Status, n.Reason)
		}
		got[n.Token] = n.Protocol
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A job of several segments is split, retried where the provider says "not now", and ends with one job_done whose totals agree
// with what arrived.
func TestLargeJobWithFailuresAndRetries(t *testing.T) {
	w := startSimulated(t)
	nc := connect(t, w.url())
	events := subscribe(t, nc)
	script := `{"rules":[
		{"token":"` + token(5) + `","answer":{"status":410,"reason":"Unregistered","timestamp_ms":1795430000123}},
		{"token":"` + token(6) + `","answer":{"status":400,"reason":"BadDeviceToken"}},
		{"token":"` + token(2007) + `","times":1,"answer":{"status":503,"reason":"ServiceUnavailable"}}]}`
	response, err := http.Post("http://"+w.control+"/script", "application/json", strings.NewReader(script))
	if err != nil || response.StatusCode/100 != 2 {
		t.Fatal(response, err)
	}
	_ = response.Body.Close()
	publish(t, nc, "push.apns.bulk", `{"id":"big","campaign":"c1","message":"Hello","ids":`+tokens(0, 2500)+`}`)
	all := events(func(e *results.Event) bool { return e.Kind == results.KindJobDone })
	done := all[len(all)-1]
	want := &results.Totals{Recipients: 2500, Sent: 2498, Failures: 1, ExpiredTokens: 1, Retries: 1}
	if diff := cmp.Diff(want, done.Totals); diff != "" {
		t.Error(diff)
	}
	accepted := map[string]int{}
	for _, n := range ledger(t, w.control) {
		if n.Status == http.StatusOK {
			accepted[n.Token]++
		}
	}
	for i := range 2500 {
		want := 1
		if i == 5 || i == 6 {
			want = 0
		}
		if accepted[token(i)] != want {
			t.Errorf("recipient %d was accepted %d times, want %d", i, accepted[token(i)], want)
		}
	}
}

// Two workers on one server share a campaign: both names are in the events.
func TestTwoWorkersShareACampaign(t *testing.T) {
	first := startSimulated(t, "--worker", "one")
	second := start(t, "worker", nil, "run", "--simulate", "--nats-url", first.url(), "--worker", "two", "--control", freePort(t))
	second.waitFor("ready")
	nc := connect(t, first.url())
	events := subscribe(t, nc)
	publish(t, nc, "push.apns", `{"id":"shared","message":"Hello","ids":`+tokens(0, 9900)+`}`)
	names := map[string]bool{}
	all := events(func(e *results.Event) bool {
		if e.Kind == results.KindSegment {
			names[e.Worker] = true
		}
		return e.Kind == results.KindJobDone
	})
	if !names["one"] || !names["two"] {
		t.Errorf("the events name %v", names)
	}
	if totals := all[len(all)-1].Totals; totals.Sent != 9900 {
		t.Errorf("totals %+v", totals)
	}
}

// A JetStream consumer on PUSH_RESULTS gets every event, also those from before it was there.
func TestEventsAreStored(t *testing.T) {
	w := startSimulated(t)
	nc := connect(t, w.url())
	events := subscribe(t, nc)
	publish(t, nc, "push.apns", `{"id":"stored","message":"Hello","ids":"`+token(1)+`"}`)
	events(func(*results.Event) bool { return true })
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "PUSH_RESULTS")
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetLastMsgForSubject(t.Context(), "push.results.apns.default.stored.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := results.Decode(m.Data); err != nil || e.Sent != 1 {
		t.Errorf("%+v %v", e, err)
	}
}

// deliver_at is kept by the broker: nothing is sent before, and the job is sent soon after.
func TestDeliverAt(t *testing.T) {
	w := startSimulated(t)
	nc := connect(t, w.url())
	events := subscribe(t, nc)
	due := time.Now().Add(1500 * time.Millisecond)
	publish(t, nc, "push.apns", `{"id":"later","message":"Hello","deliver_at":"`+due.Format(time.RFC3339Nano)+`","ids":"`+token(1)+`"}`)
	events(func(*results.Event) bool { return true })
	arrived := ledger(t, w.control)
	if len(arrived) != 1 || arrived[0].At.Before(due) || arrived[0].At.After(due.Add(3*time.Second)) {
		t.Errorf("due %s, arrived %+v", due, arrived)
	}
}
