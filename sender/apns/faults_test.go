package apns

import (
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// faults are what goes wrong with connections in the middle of sending, each while much is in the air.
func faults() map[string]simulator.Fault {
	few, none := uint32(3), uint32(0)
	short := simulator.Duration(50 * time.Millisecond)
	soon := simulator.Duration(20 * time.Millisecond)
	return map[string]simulator.Fault{
		"GOAWAY, drained":         {Kind: simulator.GoAway, After: 30, Catch: 20, LastStream: "mid", Patience: soon},
		"GOAWAY, closed":          {Kind: simulator.GoAway, After: 30, Catch: 20, LastStream: "mid", Then: "close", Patience: soon},
		"GOAWAY, reset":           {Kind: simulator.GoAway, After: 30, Catch: 20, LastStream: "none", Then: "reset", Patience: soon},
		"GOAWAY, stays":           {Kind: simulator.GoAway, After: 30, Catch: 20, Then: "stay", Patience: soon},
		"GOAWAY twice":            {Kind: simulator.GoAwayTwice, After: 30, Catch: 20, LastStream: "mid", Patience: soon},
		"reset":                   {Kind: simulator.Reset, After: 30, Catch: 20, Patience: soon},
		"reset, requests lost":    {Kind: simulator.Reset, After: 30, Catch: 20, Lose: "requests", Patience: soon},
		"closed":                  {Kind: simulator.Close, After: 30, Catch: 20, Patience: soon},
		"half closed":             {Kind: simulator.HalfClose, After: 30, Catch: 20, Patience: soon},
		"stalled":                 {Kind: simulator.Stall, After: 30, For: short},
		"black hole":              {Kind: simulator.BlackHole, After: 30, Catch: 20, For: short, Lose: "nothing", Patience: soon},
		"black hole, answers":     {Kind: simulator.BlackHole, After: 30, Catch: 20, For: short, Patience: soon},
		"HTTP/1.1":                {Kind: simulator.Garbage, After: 30, Catch: 20, Garbage: "http1", Patience: soon},
		"noise":                   {Kind: simulator.Garbage, After: 30, Catch: 20, Garbage: "noise", Patience: soon},
		"a frame too large":       {Kind: simulator.Garbage, After: 30, Catch: 20, Garbage: "frame", Patience: soon},
		"HPACK of nonsense":       {Kind: simulator.Garbage, After: 30, Catch: 20, Garbage: "hpack", Patience: soon},
		"no TLS any more":         {Kind: simulator.Garbage, After: 30, Catch: 20, Garbage: "tls", Patience: soon},
		"refused streams":         {Kind: simulator.RefuseStream, After: 30, Catch: 20, Again: true, Patience: soon},
		"fewer streams, refusing": {Kind: simulator.MaxStreams, After: 30, Catch: 20, Streams: &few, For: short, Patience: soon},
		"no streams":              {Kind: simulator.MaxStreams, After: 30, Streams: &none, For: short},
		"small windows":           {Kind: simulator.Window, Bytes: 10},
	}
}

// TestOutcomesAgreeWithTheLedger: whatever happens to connections, whoever is told to be accepted was sent to once, whoever is
// told to be unsent was not, and nobody was sent to twice.
func TestOutcomesAgreeWithTheLedger(t *testing.T) { onEngines(t, testOutcomesAgreeWithTheLedger) }

func testOutcomesAgreeWithTheLedger(t *testing.T, e Engine) {
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scripts := simulator.NewScripts()
			if err := scripts.Set(simulator.Script{Faults: []simulator.Fault{fault}}); err != nil {
				t.Fatal(err)
			}
			s := simulateOn(t, e, func(o *apnstest.Options, c *Config) {
				o.Scripts, o.MaxConcurrentStreams, c.Connections = scripts, 100, 2
			})
			ids := tokens(600)
			out := deliver(t, s.Client, &Request{Tokens: ids, ErrorTimeout: 3 * time.Second})
			got := make(map[string]int)
			for n := range s.server.Ledger().Each() {
				got[n.Token]++
			}
			accepted := 0
			for i, o := range out {
				n := got[ids[i]]
				switch {
				case n > 1, o.Class == sender.Unsent && n != 0, o.Class == sender.Accepted && n != 1:
					t.Errorf("recipient %d is %s and arrived %d times", i, o.Class, n)
				case o.Class == sender.Accepted:
					accepted++
				case o.Class != sender.Unsent && o.Class != sender.Uncertain:
					t.Errorf("recipient %d is %s: %s", i, o.Class, o.Reason.Name)
				}
			}
			if accepted < 30 {
				t.Errorf("%d accepted: %v", accepted, names(out))
			}
		})
	}
}
