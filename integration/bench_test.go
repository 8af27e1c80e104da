package integration

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// A small run of `worker bench`: nothing is lost or doubled, and every figure is there.
func TestBench(t *testing.T) {
	code, out := runToEnd(t, "worker", nil, "bench", "--scale", "1000", "--runs", "1", "--json", "--scenario",
		"apns,apns-nethttp,fcm,legacy,worker,worker-explicit,scale-4,scale-1")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	var figures []struct {
		Scenario, Against string
		PerSecond         float64 `json:"per_second"`
		P50               float64 `json:"p50_ms"`
		Lost, Doubled     int
	}
	if err := json.Unmarshal([]byte(out), &figures); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ratios := 0
	for _, f := range figures {
		if f.PerSecond <= 0 || f.Lost != 0 || f.Doubled != 0 {
			t.Errorf("%+v", f)
		}
		if whole := strings.HasPrefix(f.Scenario, "worker") || f.Scenario == "latency" || strings.HasPrefix(f.Scenario, "scale"); whole != (f.P50 > 0) {
			t.Errorf("%s took %v ms", f.Scenario, f.P50)
		}
		if f.Against != "" {
			ratios++
		}
	}
	if len(figures) != 8 || ratios != 2 {
		t.Errorf("%d scenarios, %d ratios", len(figures), ratios)
	}
	// With a program that may not be there: it is measured, or said to be missing.
	for name, env := range map[string][]string{"here": nil, "nowhere": {"PATH=/nonexistent"}} {
		code, out := runToEnd(t, "worker", env, "bench", "--scale", "100", "--runs", "1", "--scenario", "apns-h2load,apns")
		_, err := exec.LookPath("h2load")
		want := "× the CPU, "
		if err != nil || env != nil {
			want = "h2load is not installed"
		}
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("h2load %s: exit code %d, no %q in %s", name, code, want, out)
		}
	}
	if code, out := runToEnd(t, "worker", nil, "bench", "--scenario", "apns,nobody"); code != 1 || !strings.Contains(out, `nobody`) || !strings.Contains(out, "worker-single") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// A small run of `worker bench --control`: a campaign that is cancelled under way ends, with balanced books, and every figure is there.
func TestBenchControl(t *testing.T) {
	t.Parallel()
	code, out := runToEnd(t, "worker", nil, "bench", "--control", "--scale", "30", "-o", "json", "--scenario", "cancel")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	var figures []struct {
		Scenario, Figure string
		Samples          int
		Bound            float64 `json:"bound_ms"`
		Held             bool
	}
	if err := json.Unmarshal([]byte(out), &figures); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	bounds := 0
	for _, f := range figures {
		if f.Samples != 1 || f.Scenario != "cancel" || !f.Held {
			t.Errorf("%+v", f)
		}
		if f.Bound > 0 {
			bounds++
		}
	}
	if len(figures) != 3 || bounds != 1 {
		t.Errorf("%+v", figures)
	}
	code, out = runToEnd(t, "worker", nil, "bench", "--control", "--scale", "30", "-o", "json", "--scenario", "rate")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	figures = nil
	if err := json.Unmarshal([]byte(out), &figures); err != nil || len(figures) != 1 || figures[0].Samples == 0 || figures[0].Bound != 300 {
		t.Errorf("%v: %s", err, out)
	}
	if code, out := runToEnd(t, "worker", nil, "bench", "--control", "--scenario", "nobody"); code != 1 || !strings.Contains(out, "cancel") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
