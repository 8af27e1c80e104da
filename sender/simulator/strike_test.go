package simulator

import "testing"

// Each fault, as a client of four requests sees it, which come in one write and are followed by a PING. taken is what
// was processed: what the ledger of a simulator would have.
func TestStrikesOnRequests(t *testing.T) {
	tests := []struct {
		fault string
		story []string
		taken string
	}{
		{"kind: goaway", []string{"away after 1: NO_ERROR", "1: 200", "eof"}, "/1"},
		{
			"kind: goaway, after: 1, catch: 2, last_stream: mid, reason: Shutdown",
			[]string{"1: 200", `away after 3: NO_ERROR {"reason":"Shutdown"}`, "3: 200", "eof"},
			"/1 /3",
		},
		{"kind: goaway, after: 1, catch: 3, last_stream: none", []string{"1: 200", "away after 1: NO_ERROR", "eof"}, "/1"},
		{
			"kind: goaway, last_stream: none, code: ENHANCE_YOUR_CALM, debug: too_many_pings",
			[]string{"away after 0: ENHANCE_YOUR_CALM too_many_pings", "eof"},
			"",
		},
		{"kind: goaway, catch: 2, then: stay", []string{"away after 3: NO_ERROR", "1: 200", "3: 200", "pong", "silence"}, "/1 /3"},
		{"kind: goaway, catch: 2, last_stream: mid, then: close", []string{"away after 1: NO_ERROR", "eof"}, "/1"},
		{"kind: goaway, then: reset", []string{"away after 1: NO_ERROR", "cut"}, "/1"},
		{
			"kind: goaway_twice, catch: 2, last_stream: none, debug: bye", // what came in between was taken, so all is left in
			[]string{"away after 2147483647: NO_ERROR bye", "5: 200", "7: 200", "pong", "away after 7: NO_ERROR bye", "1: 200", "3: 200", "eof"}, "/1 /3 /5 /7",
		},
		{
			"kind: goaway_twice, catch: 4, last_stream: mid",
			[]string{"away after 2147483647: NO_ERROR", "pong", "away after 3: NO_ERROR", "1: 200", "3: 200", "eof"},
			"/1 /3",
		},
		{"kind: reset", []string{"cut"}, "/1"},
		{"kind: reset, after: 2, catch: 2", []string{"1: 200", "3: 200", "cut"}, "/1 /3 /5 /7"},
		{"kind: reset, after: 2, lose: requests", []string{"1: 200", "3: 200", "cut"}, "/1 /3"},
		{"kind: close, catch: 2", []string{"eof"}, "/1 /3"},
		{"kind: close, after: 1, lose: requests", []string{"1: 200", "eof"}, "/1"},
		{"kind: half_close, after: 1", []string{"1: 200", "eof"}, "/1 /3 /5 /7"},
		{"kind: half_close, after: 1, lose: requests", []string{"1: 200", "eof"}, "/1"},
		{"kind: stall, after: 1", []string{"1: 200", "pong", "silence"}, "/1 /3 /5 /7"},
		{"kind: stall, for: 1ms", []string{"pong", "1: 200", "3: 200", "5: 200", "7: 200", "silence"}, "/1 /3 /5 /7"},
		{"kind: black_hole, after: 1", []string{"1: 200", "silence"}, "/1 /3 /5 /7"},
		{"kind: black_hole, after: 1, lose: requests", []string{"1: 200", "silence"}, "/1"},
		{"kind: black_hole, lose: nothing", []string{"silence"}, "/1 /3 /5 /7"},
		{"kind: black_hole, lose: nothing, for: 10ms", []string{"1: 200", "3: 200", "5: 200", "7: 200", "pong", "silence"}, "/1 /3 /5 /7"},
		{"kind: black_hole, for: 10ms", []string{"cut"}, "/1 /3 /5 /7"},
		{"kind: garbage, after: 1", []string{"1: 200", "error: frame too large"}, "/1 /3"},
		{"kind: garbage, text: no frame at all", []string{"error: frame too large"}, "/1"},
		{"kind: garbage, garbage: noise, lose: requests", []string{"error: frame too large"}, ""},
		{"kind: garbage, garbage: frame", []string{"error: frame too large"}, "/1"},
		{"kind: garbage, garbage: hpack", []string{"error: connection error: COMPRESSION_ERROR"}, "/1"},
		{"kind: garbage, garbage: tls", []string{"error: not TLS"}, "/1"},
		{"kind: refuse_stream, after: 1, catch: 2", []string{"1: 200", "3: REFUSED_STREAM", "5: REFUSED_STREAM", "7: 200", "pong"}, "/1 /7"},
		{"kind: refuse_stream, after: 1, again: true, code: CANCEL", []string{"1: 200", "3: CANCEL", "5: 200", "7: CANCEL", "pong"}, "/1 /5"},
		{
			"kind: max_streams, streams: 2, catch: 4",
			[]string{"limit 2", "1: 200", "3: 200", "5: REFUSED_STREAM", "7: REFUSED_STREAM", "pong"},
			"/1 /3",
		},
		{
			"kind: max_streams, streams: 0, after: 1", // the client cannot have known
			[]string{"1: 200", "limit 0", "3: 200", "5: REFUSED_STREAM", "7: REFUSED_STREAM", "pong"}, "/1 /3",
		},
		{"kind: max_streams, streams: 7, after: 3, for: 1ms", []string{"1: 200", "3: 200", "5: 200", "limit 7", "7: 200", "pong", "limit 100"}, "/1 /3 /5 /7"},
		{"kind: goaway, catch: 9, patience: 5ms, last_stream: mid", []string{"pong", "away after 3: NO_ERROR", "1: 200", "3: 200", "eof"}, "/1 /3"},
		{"kind: goaway, after: 4", []string{"1: 200", "3: 200", "5: 200", "7: 200", "pong", "silence"}, "/1 /3 /5 /7"},
		{"kind: goaway, platform: gcm", []string{"1: 200", "3: 200", "5: 200", "7: 200", "pong", "silence"}, "/1 /3 /5 /7"},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			s := play(t, "faults: [{"+test.fault+"}]", nil)
			p := s.dial()
			p.ready()
			p.post(1, 3, 5, 7)
			p.expect(test.story...)
			until(t, func() bool { return len(s.taken()) >= len(test.taken) })
			if got := s.taken(); got != test.taken {
				t.Errorf("taken are %q, want %q", got, test.taken)
			}
		})
	}
}

// Requests may be complete in another order than that of their streams; a GOAWAY goes by the streams.
func TestMidOfRequestsOutOfOrder(t *testing.T) {
	s := play(t, "faults: [{kind: goaway, catch: 4, last_stream: mid}]", nil)
	p := s.dial()
	p.ready()
	p.open(1, 3, 5, 7)
	p.end(5, 1, 7, 3)
	p.expect("away after 3: NO_ERROR", "1: 200", "3: 200", "eof")
	if got := s.taken(); got != "/1 /3" {
		t.Errorf("taken are %q", got)
	}
}

func TestTimesAreCountedOverAllConnections(t *testing.T) {
	s := play(t, "faults: [{kind: goaway, times: 2, after: 1}]", nil)
	for i := range 4 {
		p := s.dial()
		p.ready()
		p.post(1, 3)
		if i < 2 {
			p.expect("1: 200", "away after 3: NO_ERROR", "3: 200", "eof")
		} else {
			p.expect("1: 200", "3: 200", "pong")
		}
	}
	if got := s.scripts.Faults().Faults[0].Strikes; got != 2 {
		t.Errorf("%d strikes are reported", got)
	}
}

func TestFaultsInOrder(t *testing.T) {
	s := play(t, `
faults:
  - {kind: refuse_stream, after: 1}
  - {kind: refuse_stream, after: 1, code: CANCEL}
  - {kind: close, after: 3} # counts what others have caught
`, nil)
	p := s.dial()
	p.ready()
	p.post(1, 3, 5, 7, 9)
	p.expect("1: 200", "3: REFUSED_STREAM", "5: CANCEL", "eof")
}

// The fault of a new script counts from then on, and what the old one did ends.
func TestNewScriptEndsOldFaults(t *testing.T) {
	s := play(t, "faults: [{kind: stall}, {kind: goaway, catch: 9, after: 1, patience: 1h}]", nil)
	p := s.dial()
	p.ready()
	p.post(1, 3)
	p.expect("pong", "silence")
	s.script("faults: [{kind: refuse_stream, after: 1}]")
	p.expect("1: 200", "3: 200")
	p.post(5, 7)
	p.expect("5: 200", "7: REFUSED_STREAM", "pong")

	hole := play(t, "faults: [{kind: black_hole, after: 1}]", nil)
	p = hole.dial()
	p.ready()
	p.post(1, 3)
	p.expect("1: 200", "silence")
	hole.script("")
	p.expect("cut")
}

func TestGoAwayTwiceDoesNotWaitForEver(t *testing.T) {
	s := play(t, "faults: [{kind: goaway_twice, patience: 5ms}]", nil)
	p := s.dial()
	p.ready()
	p.quiet = true
	p.post(1)
	p.expect("away after 2147483647: NO_ERROR", "pong", "away after 1: NO_ERROR", "1: 200", "eof")
}
