package integration

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/volleypush/volley/results"
)

// get reads a page of a worker's HTTP server.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// metrics are the series that a worker tells of, by name and labels as they stand on the page.
func metrics(t *testing.T, addr string) map[string]float64 {
	t.Helper()
	code, text := get(t, "http://"+addr+"/metrics")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	series := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		at := strings.LastIndexByte(lines.Text(), ' ')
		value, err := strconv.ParseFloat(lines.Text()[at+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		series[lines.Text()[:at]] = value
	}
	return series
}

// A worker's metrics agree with what its providers were sent and what its events say.
func TestMetricsAgreeWithTheLedger(t *testing.T) {
	page := freePort(t)
	w := startSimulated(t, "--http", page, "--unknown-app-grace", "0s")
	before := metrics(t, page)
	for name, want := range map[string]float64{
		`volley_push_total{action="none",app="default",outcome="sent",platform="apns"}`: 0,
		`volley_broker_connected`:                           1,
		`volley_draining`:                                   0,
		`volley_breaker_open{app="default",platform="gcm"}`: 0,
		`volley_slots{of="segments"}`:                       5, // one of them for the lane high
		`volley_queue_pending{app="",lane="normal",platform="apns",stream="PUSH_JOBS"}`:     0,
		`volley_queue_pending{app="default",lane="bulk",platform="gcm",stream="PUSH_WORK"}`: 0,
		`volley_stream_messages{stream="PUSH_DEAD"}`:                                        0,
	} {
		if got, ok := before[name]; !ok || got != want {
			t.Errorf("at the start %s is %v (there: %v), want %v", name, got, ok, want)
		}
	}
	nc := connect(t, w.url())
	events := subscribe(t, nc)
	bad := strings.Repeat("e", 63)
	publish(t, nc, "push.apns", `{"message":"hi","ids":["`+token(1)+`","`+token(2)+`","`+bad+`"]}`)
	publish(t, nc, "push.apns", `{"message":"hi","ids":["`+token(3)+`"]}`)
	publish(t, nc, "push.apns", `{"app":"no-such-app","message":"hi","ids":["`+token(3)+`"]}`)
	n := 0
	events(func(*results.Event) bool { n++; return n == 3 })
	poll(t, func() bool { return metrics(t, page)[`volley_jobs_done_total{app="default",platform="apns"}`] == 2 })
	after := metrics(t, page)
	for name, want := range map[string]float64{
		`volley_push_total{action="none",app="default",outcome="sent",platform="apns"}`: float64(len(ledger(t, w.control))),
		`volley_failures_total{app="default",platform="apns",reason="MalformedToken"}`:  1,
		`volley_events_total{app="default",kind="segment",platform="apns"}`:             2,
		`volley_dead_letters_total{app="_",platform="apns",reason="unknown_app"}`:       1,
		`volley_sending_seconds_count{app="default",platform="apns",recipients="one"}`:  1,
		`volley_sending_seconds_count{app="default",platform="apns",recipients="many"}`: 1,
		`volley_publish_to_provider_seconds_count{app="default",platform="apns"}`:       2,
		`volley_provider_connections{app="default",platform="apns"}`:                    1,
	} {
		if got, ok := after[name]; !ok || got != want {
			t.Errorf("%s is %v (there: %v), want %v", name, got, ok, want)
		}
	}
	for name := range after {
		if strings.Contains(name, "no-such-app") {
			t.Errorf("an unknown app is a label: %s", name)
		}
	}
}

// The pages that a supervisor asks, through the life of a worker: ready, without its broker, draining, with a credential that is refused.
func TestHealthPages(t *testing.T) {
	server, control, page := startServer(t), freePort(t), freePort(t)
	w := start(t, "worker", nil, "run", "--simulate", "--nats-url", server.url(), "--control", control, "--http", page, "--drain-timeout", "60s", "--log-format", "json")
	w.waitFor("is ready")
	page = "http://" + page
	wants := func(path string, code int, text string) {
		t.Helper()
		if got, body := get(t, page+path); got != code || !strings.Contains(body, text) {
			t.Errorf("%s: %d %s, want %d and %s", path, got, body, code, text)
		}
	}
	wants("/healthz", 200, `"status":"ok"`)
	wants("/version", 200, `"go":"go1`)
	wants("/readyz", 200, `{"ready":true,"why":[],"apps":[{"platform":"apns","app":"binary","usable":true}`)

	nc := connect(t, server.url())
	setScript(t, control, `{"rules":[{"platform":"apns","percent":100,"answer":{"reason":"InvalidProviderToken"}}]}`)
	publish(t, nc, "push.apns", `{"message":"hi","ids":["`+token(1)+`"]}`)
	poll(t, func() bool {
		_, body := get(t, page+"/readyz")
		return strings.Contains(body, "refuses its credential: InvalidProviderToken")
	})
	wants("/readyz", 200, `"ready":true`) // others are usable
	setScript(t, control, `{"rules":[{"platform":"gcm","percent":100,"answer":{"latency":"10s"}}]}`)

	server.signal(syscall.SIGKILL)
	<-server.done
	poll(t, func() bool {
		code, body := get(t, page+"/readyz")
		return code == 503 && strings.Contains(body, "not connected to NATS")
	})
	wants("/healthz", 200, "ok") // a restart of the worker mends nothing
	if m := metrics(t, strings.TrimPrefix(page, "http://")); m["volley_broker_connected"] != 0 {
		t.Error("the metrics say that the broker is connected")
	}
	server.launch(t)
	poll(t, func() bool { code, _ := get(t, page+"/readyz"); return code == 200 })

	publish(t, connect(t, server.url()), "push.gcm", `{"message":"hi","ids":["r"]}`)
	poll(t, func() bool {
		return metrics(t, strings.TrimPrefix(page, "http://"))[`volley_provider_requests{app="default",platform="gcm"}`] == 1
	})
	w.signal(syscall.SIGTERM)
	poll(t, func() bool {
		code, body := get(t, page+"/readyz")
		return code == 503 && strings.Contains(body, "draining")
	})
	wants("/healthz", 200, "ok")
	setScript(t, control, `{"rules":[]}`)
}
