//go:build unix

package apns

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
)

// BenchmarkDeliver is one notification of a call for a thousand, over each engine, with the simulator in the same process:
// compare the engines by it. `worker bench` has a lean provider in a process of its own.
func BenchmarkDeliver(b *testing.B) {
	for _, e := range []Engine{EnginePipelined, EngineNetHTTP} {
		b.Run(string(e), func(b *testing.B) {
			s := simulateOn(b, e, nil)
			const size = 1000
			request := &Request{Tokens: tokens(size), Payload: []byte(`{"aps":{"alert":"hello"}}`), BatchSize: size, NoProviderIDs: true}
			for i := range size {
				request.IDs = append(request.IDs, fmt.Sprintf("123e4567-e89b-12d3-a456-%012x", i))
			}
			out := make([]sender.Outcome, size)
			s.Deliver(b.Context(), request, out)
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			for done := 0; done < b.N; done += size {
				s.Deliver(b.Context(), request, out)
				if out[0].Class != sender.Accepted {
					b.Fatal(out[0].Reason)
				}
				s.server.Ledger().Reset()
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpu is the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
