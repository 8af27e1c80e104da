package apns

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/sender/simulator"
)

func TestExpiredTokens(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	since := time.Unix(1_795_430_000, 0).UTC()
	var want []ExpiredToken
	for i, token := range tokens(300) {
		at := since.Add(time.Duration(i) * time.Second)
		if err := f.gateway.Expired().Add(token, at); err != nil {
			t.Fatal(err)
		}
		want = append(want, ExpiredToken{Index: i, Token: token, Timestamp: at})
	}
	got, err := f.ExpiredTokens(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got, err := f.ExpiredTokens(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("once read it has %d tokens, %v", len(got), err)
	}
}

// TestExpiredTokensOfTheGateway: who is gone is accepted by the gateway, and told of here.
func TestExpiredTokensOfTheGateway(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, []simulator.Rule{refuse(1, simulator.Answer{Reason: "Unregistered", TimestampMS: 30_000})}, nil)
	if diff := cmp.Diff(map[string]int{"": 3}, names(deliver(t, f.Client, &Request{Tokens: tokens(3)}))); diff != "" {
		t.Error(diff)
	}
	got, err := f.ExpiredTokens(t.Context())
	if diff := cmp.Diff([]ExpiredToken{{Token: tokens(2)[1], Timestamp: time.Unix(30, 0).UTC()}}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// TestExpiredTokensInTrouble: what was read is not lost with the rest.
func TestExpiredTokensInTrouble(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trouble simulator.Feedback
		tokens  int
		err     error
	}{
		"in the middle of a time":  {simulator.Feedback{After: 2, Truncate: 4}, 2, io.ErrUnexpectedEOF},
		"in the middle of a token": {simulator.Feedback{After: 2, Truncate: 20}, 2, io.ErrUnexpectedEOF},
		"before a token":           {simulator.Feedback{After: 2, Truncate: 6}, 2, io.ErrUnexpectedEOF},
		"a pause":                  {simulator.Feedback{After: 2, Stall: simulator.Duration(50 * time.Millisecond)}, 5, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := simulateBinary(t, nil, nil)
			for _, token := range tokens(5) {
				if err := f.gateway.Expired().Add(token, time.Unix(30, 0)); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.gateway.Scripts().Set(simulator.Script{Feedback: &test.trouble}); err != nil {
				t.Fatal(err)
			}
			got, err := f.ExpiredTokens(t.Context())
			if len(got) != test.tokens || !errors.Is(err, test.err) {
				t.Errorf("%d tokens, %v", len(got), err)
			}
		})
	}
}

func TestExpiredTokensCancelled(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	if err := f.gateway.Scripts().Set(simulator.Script{Feedback: &simulator.Feedback{Stall: simulator.Duration(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := f.ExpiredTokens(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > feedbackWait/2 {
		t.Errorf("it ends after %s with %v", time.Since(began), err)
	}
}

// TestExpiredTokensUnreachable: each trouble is one sentence that says what to do.
func TestExpiredTokensUnreachable(t *testing.T) {
	t.Parallel()
	f := simulateBinary(t, nil, nil)
	if err := f.gateway.Scripts().Set(simulator.Script{Faults: []simulator.Fault{{Kind: simulator.TLSAlert}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ExpiredTokens(t.Context()); err == nil || !strings.Contains(err.Error(), "refused our certificate") {
		t.Errorf("a refused certificate: %v", err)
	}
	_ = f.feedback.Close()
	if _, err := f.ExpiredTokens(t.Context()); err == nil || !strings.Contains(err.Error(), "check the network, a firewall and the endpoint") {
		t.Errorf("nobody there: %v", err)
	}
	over := simulate(t, nil)
	if _, err := over.ExpiredTokens(t.Context()); !errors.Is(err, ErrNoFeedback) {
		t.Errorf("over HTTP/2: %v", err)
	}
}
