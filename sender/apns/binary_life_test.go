package apns

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/simulator"
)

// TestBinaryShared: calls that come together share connections; each gets its own outcomes.
func TestBinaryShared(t *testing.T) {
	t.Parallel()
	const calls = 40
	all := tokens(calls * 5)
	var rules []simulator.Rule
	for i := 0; i < calls; i += 4 {
		rules = append(rules, refuse(i*5+2, simulator.Answer{Reason: "InvalidToken"}))
	}
	f := simulateBinary(t, rules, nil)
	done := make(chan error, calls)
	for i := range calls {
		go func() {
			out := make([]sender.Outcome, 5)
			f.Deliver(t.Context(), &Request{Tokens: all[i*5 : i*5+5], Payload: []byte(`{}`), BatchSize: 2}, out)
			want := map[string]int{"": 5}
			if i%4 == 0 {
				want = map[string]int{"": 4, "InvalidToken": 1}
			}
			if diff := cmp.Diff(want, names(out)); diff != "" {
				done <- fmt.Errorf("call %d: %s", i, diff)
				return
			}
			done <- nil
		}()
	}
	for range calls {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	accepted, _ := f.arrived()
	if len(accepted) != len(all)-calls/4 {
		t.Errorf("%d accepted", len(accepted))
	}
	for token, n := range accepted {
		if n != 1 {
			t.Errorf("%s was taken %d times", token, n)
		}
	}
}

// TestBinaryProceed: a call that may not go on gives the rest back.
func TestBinaryProceed(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	asked := 0
	out := deliver(t, f.Client, &Request{Tokens: tokens(10), BatchSize: 3, Proceed: func() bool { asked++; return asked < 3 }})
	if diff := cmp.Diff(map[string]int{"": 6, NotBegun: 4}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestBinaryCancelled: what is written is not known, the rest was not begun.
func TestBinaryCancelled(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, []simulator.Rule{refuse(1, simulator.Answer{Never: true})}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_ = f.gateway.Ledger().Wait(ctx, 2)
		cancel()
	}()
	if diff := cmp.Diff(map[string]int{AnswerNotAwaited: 4}, names(deliverContext(t, ctx, f.Client, &Request{Tokens: tokens(4)}))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{NotBegun: 2}, names(deliverContext(t, ctx, f.Client, &Request{Tokens: tokens(2)}))); diff != "" {
		t.Error(diff)
	}
}

// TestBinaryClose: Close ends calls under way, and the client connects again.
func TestBinaryClose(t *testing.T) {
	t.Parallel()
	rule := refuse(1, simulator.Answer{Never: true})
	rule.Times = 1
	f := simulateBinary(t, []simulator.Rule{rule}, nil)
	go func() {
		_ = f.gateway.Ledger().Wait(t.Context(), 2)
		_ = f.Close()
	}()
	if diff := cmp.Diff(map[string]int{AnswerLost: 4}, names(deliver(t, f.Client, &Request{Tokens: tokens(4)}))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"": 4}, names(deliver(t, f.Client, &Request{Tokens: tokens(4)}))); diff != "" {
		t.Error(diff)
	}
}

// TestBinaryNoGateway: no connection is one answer for all, at once, with the cause to be read.
func TestBinaryNoGateway(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	_ = f.gateway.Close()
	if diff := cmp.Diff(map[string]int{ConnectionFailed: 4}, names(deliver(t, f.Client, &Request{Tokens: tokens(4)}))); diff != "" {
		t.Error(diff)
	}
	if f.LastFailure() == nil {
		t.Error("nobody can read why")
	}
}

// TestBinaryEndlessEnds: a gateway that ends every connection is not dialled for ever. retries is how often.
func TestBinaryEndlessEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault simulator.Fault
		want  map[string]int
	}{
		"at once":             {simulator.Fault{Kind: simulator.Close, On: "ready"}, nil},
		"with every shutdown": {simulator.Fault{Kind: simulator.Close, Lose: "requests"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := simulateBinary(t, nil, nil)
			if err := f.gateway.Scripts().Set(simulator.Script{Faults: []simulator.Fault{test.fault}}); err != nil {
				t.Fatal(err)
			}
			out := deliver(t, f.Client, &Request{Tokens: tokens(10), BatchSize: 1, Retries: 3})
			for i, o := range out {
				if o.Class != sender.Unsent && o.Class != sender.Uncertain {
					t.Errorf("recipient %d is %s", i, o.Class)
				}
			}
			if n := f.gateway.State().Accepted; n > 3 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestBinaryProcessingErrors: a gateway that is in trouble is left alone after some connections.
func TestBinaryProcessingErrors(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, []simulator.Rule{{Percent: 100, Answer: simulator.Answer{Reason: "ServiceUnavailable"}}}, nil)
	out := deliver(t, f.Client, &Request{Tokens: tokens(20), Retries: 5})
	if diff := cmp.Diff(map[string]int{"ProcessingError": 5, ConnectionLost: 15}, names(out)); diff != "" {
		t.Error(diff)
	}
}

// TestBinaryCertificates: what the gateway does not like about a certificate is one sentence and one connection.
func TestBinaryCertificates(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	if err := f.gateway.Scripts().Set(simulator.Script{Faults: []simulator.Fault{{Kind: simulator.TLSAlert}}}); err != nil {
		t.Fatal(err)
	}
	out := deliver(t, f.Client, &Request{Tokens: tokens(4)})
	if diff := cmp.Diff(map[string]int{CertificateRefused: 4}, names(out)); diff != "" {
		t.Error(diff)
	}
	if n := f.gateway.State().Accepted; n != 1 {
		t.Errorf("%d connections", n)
	}
	if err := f.LastFailure(); err == nil {
		t.Error("nobody can read why")
	}
}
