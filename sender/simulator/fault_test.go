package simulator

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFaultValidation(t *testing.T) {
	tests := []struct {
		script string
		want   string // "" if it is taken
	}{
		{"faults: [{kind: goaway, after: 3, catch: 2, patience: 1s, times: 1, again: true, last_stream: mid, code: NO_ERROR, reason: x, then: stay}]", ""},
		{"faults: [{kind: goaway, debug: x, on: ready, times: 3, platform: gcm}]", ""},
		{"faults: [{kind: black_hole, lose: nothing, for: 24h, at: 24h}]", ""},
		{"faults: [{kind: max_streams, streams: 0}]", ""},
		{"faults: [{kind: window, bytes: 2147483647}]", ""},
		{"faults: [{kind: down, for: 1s}, {kind: down, at: 1s, for: 1s}]", ""},
		{"phases: [{for: 1s}, {for: 1s, answer: {status: 503}}, {fault: {kind: refuse_stream}}]", ""},
		{"phases: [{for: 1s, platform: apns, answer: {early: true}}]", ""},
		{"habits: {one_stream_at_first: true, one_stream_after_error: true, silent_after_expiry: true, error_limit: 3, goaway_on_excess: true}", ""},

		{"faults: [{kind: reset}, {kind: rest}]", `fault 2: kind "rest" is not one of black_hole, close, `},
		{"faults: [{platform: apple, kind: reset}]", `fault 1: platform "apple"`},
		{"faults: [{kind: stall, on: connect}]", `stall cannot strike on "connect", only on ready, request`},
		{"faults: [{kind: tls_alert, on: request}]", "cannot strike on"},
		{"faults: [{kind: refuse_stream, on: ready}]", "cannot strike on"},
		{"faults: [{kind: reset, after: -1}]", "cannot be negative"},
		{"faults: [{kind: reset, times: -1}]", "cannot be negative"},
		{"faults: [{kind: reset, catch: 100000}]", ""},
		{"faults: [{kind: reset, catch: 100001}]", "catch 100001 is not within"},
		{"faults: [{kind: reset, catch: -1}]", "catch -1 is not within"},
		{"faults: [{kind: stall, for: 24h}]", ""},
		{"faults: [{kind: stall, for: 24h1ns}]", "must be within 0 and 24h"},
		{"faults: [{kind: stall, for: -1s}]", "must be within"},
		{"faults: [{kind: stall, at: -1s}]", "must be within"},
		{"faults: [{kind: reset, patience: -1s}]", "must be within"},
		{"faults: [{kind: reset, on: ready, after: 1}]", "count requests"},
		{"faults: [{kind: tls_alert, after: 1}]", "count requests"},
		{"faults: [{kind: window, bytes: 1, again: true}]", "count requests"},
		{"faults: [{kind: reset, at: 1s, after: 1}]", "count requests"},
		{"faults: [{kind: reset, at: 1s, on: ready}]", "goes with no other time"},
		{"faults: [{kind: reset, at: 1s, times: 1}]", "goes with no other time"},
		{"phases: [{fault: {kind: reset, at: 1s}}]", "goes with no other time"},
		{"faults: [{kind: refuse_stream, at: 1s}]", "does not strike open connections"},
		{"faults: [{kind: tls_alert, at: 1s}]", "does not strike open connections"},
		{"faults: [{kind: window, bytes: 1, at: 1s}]", "does not strike open connections"},
		{"faults: [{kind: stall, catch: 2}]", "strikes with one request"},
		{"faults: [{kind: down, for: 1s, catch: 2}]", "strikes with one request"},
		{"faults: [{kind: down, for: 1s, on: connect}]", "never come up"},
		{"faults: [{kind: down}]", "down needs for"},
		{"faults: [{kind: down, at: 1s}]", "down needs for"},
		{"faults: [{kind: reset, last_stream: all}]", "last_stream does not go with reset"},
		{"faults: [{kind: reset, code: CANCEL}]", "code does not go with reset"},
		{"faults: [{kind: reset, reason: x}]", "reason does not go with reset"},
		{"faults: [{kind: reset, debug: x}]", "debug does not go with reset"},
		{"faults: [{kind: reset, then: stay}]", "then does not go with reset"},
		{"faults: [{kind: goaway, lose: requests}]", "lose does not go with goaway"},
		{"faults: [{kind: reset, for: 1s}]", "for does not go with reset"},
		{"faults: [{kind: reset, streams: 0}]", "streams does not go with reset"},
		{"faults: [{kind: reset, bytes: 1}]", "bytes does not go with reset"},
		{"faults: [{kind: reset, garbage: noise}]", "garbage does not go with reset"},
		{"faults: [{kind: reset, text: x}]", "text does not go with reset"},
		{"faults: [{kind: reset, alert: unknown_ca}]", "alert does not go with reset"},
		{"faults: [{kind: goaway, last_stream: some}]", `last_stream "some" is not one of all, mid, none`},
		{"faults: [{kind: goaway, then: leave}]", `then "leave" is not one of`},
		{"faults: [{kind: goaway, code: 7}]", "code"},
		{"faults: [{kind: goaway, reason: x, debug: y}]", "give one"},
		{"faults: [{kind: reset, lose: nothing}]", `lose "nothing" is not one of answers, requests`},
		{"faults: [{kind: garbage, garbage: trash}]", `garbage "trash" is not one of`},
		{"faults: [{kind: garbage, garbage: noise, text: x}]", "text goes with the garbage http1"},
		{"faults: [{kind: garbage, garbage: hpack, on: ready}]", "goes with striking on request"},
		{"faults: [{kind: garbage, garbage: frame, on: connect}]", "needs a connection"},
		{"faults: [{kind: tls_alert, alert: no}]", `alert "no" is not one of access_denied, `},
		{"faults: [{kind: max_streams}]", "max_streams needs streams"},
		{"faults: [{kind: window}]", "window needs bytes"},
		{"faults: [{kind: window, bytes: 2147483648}]", "more than a window can have"},
		{"phases: [{}, {for: 1s}]", "phase 1: it needs for"},
		{"phases: [{for: 25h}]", "phase 1: for 25h0m0s is not within"},
		{"phases: [{for: -1s}]", "phase 1: for -1s is not within"},
		{"phases: [{platform: x}]", `phase 1: platform "x"`},
		{"phases: [{answer: {}, fault: {kind: reset}}]", "make it two phases"},
		{"phases: [{answer: {status: 7}}]", "phase 1: answer: status 7"},
		{"phases: [{answer: {early: true}}]", "phase 1: answer: early"},
		{"phases: [{fault: {kind: reset, platform: apns}}]", "platform belongs to the phase"},
		{"phases: [{fault: {kind: stall, for: 1s}}]", "for belongs to the phase"},
		{"phases: [{fault: {kind: down}}]", "down needs for"},
		{"phases: [{fault: {kind: rest}}]", "phase 1: fault: kind"},
		{"habits: {error_limit: -1}", "habits: error_limit -1 is negative"},
		{"habits: {environment: prod}", `habits: environment "prod" is neither production nor sandbox`},
		{"faults: [{kind: reset, ater: 1}]", "ater"},
		{"phases: [{fault: {kind: reset, ater: 1}}]", "ater"},
		{"habits: {one_stream: true}", "one_stream"},
		{`{"faults": [{"kind": "reset", "ater": 1}]}`, `unknown key "ater"`},
		{`{"phases": [{"fault": {"kind": "reset", "ater": 1}}]}`, `unknown key "ater"`},
		{`{"phases": [{"fault": {"kind": "max_streams", "streams": 5}}]}`, ""},
		{`{"faults": [{"kind": "stall", "for": "1"}]}`, "is not a duration"},

		{"rules: [{token: a, answer: {reset: CANCEL, informational: [100, 199], trailers: {a: b}, header_bytes: 16777216}}]", ""},
		{"rules: [{token: a, answer: {reset: STOP}}]", `rule 1: answer: reset "STOP" is not one of NO_ERROR, `},
		{"rules: [{token: a, answer: {header_bytes: 16777217}}]", "header_bytes 16777217 is not within"},
		{"rules: [{token: a, answer: {header_bytes: -1}}]", "header_bytes -1 is not within"},
		{"rules: [{token: a, answer: {never: true, reset: CANCEL}}]", "never goes with neither"},
		{"rules: [{token: a, answer: {never: true, latency: 1s}}]", "never goes with neither"},
		{"rules: [{token: a, answer: {informational: [101]}}]", "informational: 101"},
		{"rules: [{token: a, answer: {informational: [200]}}]", "informational: 200"},
		{"rules: [{token: a, answer: {trailers: {a b: c}}}]", "trailers:"},
		{"rules: [{token: a, answer: {early: true}}]", "only platform apns"},
		{"rules: [{token: a, platform: apns, answer: {early: true}}]", ""},
	}
	for _, test := range tests {
		t.Run(test.script, func(t *testing.T) {
			_, err := ParseScript([]byte(test.script))
			if (test.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestDebugData(t *testing.T) {
	for want, f := range map[string]*Fault{"": {}, `{"reason":"a \"b\""}`: {Reason: `a "b"`}, "plain": {Debug: "plain"}} {
		if got := string(f.debugData()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// When a fault strikes if it does not say.
func TestDefaultStage(t *testing.T) {
	tests := []struct {
		fault         Fault
		alone, within string
	}{
		{Fault{Kind: GoAway}, onRequest, onReady},
		{Fault{Kind: GoAway, After: 1}, onRequest, onRequest},
		{Fault{Kind: Reset}, onRequest, onConnect},
		{Fault{Kind: Reset, On: onReady}, onReady, onReady},
		{Fault{Kind: Stall}, onRequest, onReady},
		{Fault{Kind: RefuseStream}, onRequest, onRequest},
		{Fault{Kind: TLSAlert}, onConnect, onConnect},
		{Fault{Kind: Window}, onReady, onReady},
		{Fault{Kind: Down}, onRequest, onConnect},
		{Fault{Kind: Down, At: 1}, onConnect, onConnect},
		{Fault{Kind: Garbage}, onRequest, onReady},
	}
	for _, test := range tests {
		if test.fault.stage(false) != test.alone || test.fault.stage(true) != test.within {
			t.Errorf("%+v strikes on %s, in a phase on %s", test.fault, test.fault.stage(false), test.fault.stage(true))
		}
	}
}

// Phases follow each other from when the script comes into force, and their answers come before the rules.
func TestPhaseAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script, err := ParseScript([]byte(`
rules: [{percent: 100, answer: {reason: rule}}]
phases:
  - {for: 10s}
  - {for: 10s, answer: {reason: first}}
  - {for: 10s, platform: gcm, answer: {reason: second}}
  - {for: 10s, fault: {kind: stall}}
  - {answer: {reason: last}}
`))
		if err != nil {
			t.Fatal(err)
		}
		scripts := NewScripts()
		if err := scripts.Set(script); err != nil {
			t.Fatal(err)
		}
		var got []string
		for range 5 {
			apns, _ := scripts.Answer(APNS, "t")
			gcm, _ := scripts.Peek(GCM, "t")
			got = append(got, apns.Reason+" "+gcm.Reason)
			<-time.After(10 * time.Second)
		}
		want := []string{"rule rule", "first first", "rule second", "rule rule", "last last"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestCourse(t *testing.T) {
	script, err := ParseScript([]byte(`
faults:
  - {kind: goaway}
  - {kind: stall, at: 5s}
  - {kind: stall, at: 5s, for: 2s, platform: gcm}
phases:
  - {for: 10s}
  - {for: 3s, platform: apns, fault: {kind: down}}
  - {answer: {status: 503}}
`))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	s := newState(script, began)
	var held []string
	for _, seconds := range []int{0, 4, 5, 6, 7, 10, 12, 13, 1000} {
		now := began.Add(time.Duration(seconds) * time.Second)
		line := now.Format("04:05")
		for _, n := range s.entries {
			if n.holds(APNS, now) {
				line += " " + n.name
			}
		}
		if next := s.next(now); !next.IsZero() {
			line += ", next " + next.Format("04:05")
		}
		held = append(held, line)
	}
	want := []string{
		"00:00 fault 1 phase 1, next 00:05", "00:04 fault 1 phase 1, next 00:05", "00:05 fault 1 fault 2 phase 1, next 00:07",
		"00:06 fault 1 fault 2 phase 1, next 00:07", "00:07 fault 1 fault 2 phase 1, next 00:10", "00:10 fault 1 fault 2 phase 2, next 00:13",
		"00:12 fault 1 fault 2 phase 2, next 00:13", "00:13 fault 1 fault 2 phase 3", "16:40 fault 1 fault 2 phase 3",
	}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("what holds when (-want +got):\n%s", diff)
	}
}
