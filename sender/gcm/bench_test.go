//go:build unix

package gcm

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/gcm/gcmtest"
)

// BenchmarkDeliverV1 is one message of a call for a thousand, over each engine, with the simulator in the same process: compare
// the engines by it. `worker bench` has a lean provider in a process of its own.
func BenchmarkDeliverV1(b *testing.B) {
	for _, e := range []Engine{EnginePipelined, EngineNetHTTP} {
		b.Run(string(e), func(b *testing.B) {
			s, err := gcmtest.New(gcmtest.Options{Projects: []string{"demo"}})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			c, err := New(Config{Engine: e, Endpoint: s.URL(), RootCAs: s.Authority().Pool(), Credential: benchAccount(b, s)})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			message, err := c.Prepare(&Message{Data: map[string]any{"title": "hello", "body": "a text of some length"}})
			if err != nil {
				b.Fatal(err)
			}
			const size = 1000
			request := &Request{Message: message, NoProviderIDs: true}
			for i := range size {
				request.Tokens = append(request.Tokens, fmt.Sprintf("fGc%0150d", i))
			}
			out := make([]sender.Outcome, size)
			c.Deliver(b.Context(), request, out)
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			for done := 0; done < b.N; done += size {
				c.Deliver(b.Context(), request, out)
				if out[0].Class != sender.Accepted {
					b.Fatal(out[0].Reason)
				}
				s.Ledger().Reset()
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

func benchAccount(b *testing.B, s *gcmtest.Server) Credential {
	b.Helper()
	text, err := s.ServiceAccount("demo")
	if err != nil {
		b.Fatal(err)
	}
	account, err := ParseServiceAccount(text)
	if err != nil {
		b.Fatal(err)
	}
	return account
}

// cpu is the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
