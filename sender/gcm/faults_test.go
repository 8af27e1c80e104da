package gcm

import (
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/gcm/gcmtest"
	"github.com/volleypush/volley/sender/simulator"
)

// faults are what goes wrong with connections in the middle of sending, each while much is in the air.
func faults() map[string]simulator.Fault {
	few, none := uint32(3), uint32(0)
	short, soon := simulator.Duration(50*time.Millisecond), simulator.Duration(20*time.Millisecond)
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
		"black hole, answers":     {Kind: simulator.BlackHole, After: 30, Catch: 20, For: short, Patience: soon},
		"noise":                   {Kind: simulator.Garbage, After: 30, Catch: 20, Garbage: "noise", Patience: soon},
		"HPACK of nonsense":       {Kind: simulator.Garbage, After: 30, Catch: 20, Garbage: "hpack", Patience: soon},
		"refused streams":         {Kind: simulator.RefuseStream, After: 30, Catch: 20, Again: true, Patience: soon},
		"fewer streams, refusing": {Kind: simulator.MaxStreams, After: 30, Catch: 20, Streams: &few, For: short, Patience: soon},
		"no streams":              {Kind: simulator.MaxStreams, After: 30, Streams: &none, For: short},
		"small windows":           {Kind: simulator.Window, Bytes: 10},
	}
}

// Whatever happens to connections, whoever is told to be accepted was sent to once, whoever is told to be unsent was not, and nobody was
// sent to twice.
func TestOutcomesAgreeWithTheLedger(t *testing.T) { onEngines(t, testOutcomesAgreeWithTheLedger) }

func testOutcomesAgreeWithTheLedger(t *testing.T, e Engine) {
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e == EngineNetHTTP && name == "no streams" {
				return // net/http takes it for the end of the connection, and its pool for a server that takes none
			}
			s, err := gcmtest.New(gcmtest.Options{Projects: []string{"demo"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			if err := s.Scripts().Set(simulator.Script{Faults: []simulator.Fault{fault}}); err != nil {
				t.Fatal(err)
			}
			text, err := s.ServiceAccount("demo")
			if err != nil {
				t.Fatal(err)
			}
			account, err := ParseServiceAccount(text)
			if err != nil {
				t.Fatal(err)
			}
			c, err := New(Config{Engine: e, Connections: 2, Endpoint: s.URL(), RootCAs: s.Authority().Pool(), Credential: account, RequestTimeout: 3 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			all := ids(600)
			out := deliver(t, t.Context(), c, all...)
			got := make(map[string]int)
			for n := range s.Ledger().Each() {
				got[n.Token]++
			}
			accepted := 0
			for i, o := range out {
				n := got[all[i]]
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
				t.Errorf("%d accepted: %v", accepted, count(out))
			}
		})
	}
}
