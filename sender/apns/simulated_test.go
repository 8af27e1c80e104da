package apns

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// bundle is the app of all tests.
const bundle = "com.example.app"

// onEngines runs a test on each engine: what a test says holds for both.
func onEngines(t *testing.T, test func(t *testing.T, e Engine)) {
	for _, e := range []Engine{EnginePipelined, EngineNetHTTP} {
		t.Run(string(e), func(t *testing.T) { test(t, e) })
	}
}

// simulated is a client of a simulator with its key registered.
type simulated struct {
	*Client
	server *apnstest.Server
	key    apnstest.Key
	p8     []byte
}

// simulate starts a simulator and a client of it. change may alter both before they start.
func simulate(t *testing.T, change func(*apnstest.Options, *Config)) *simulated {
	t.Helper()
	return simulateOn(t, EnginePipelined, change)
}

// simulateOn is simulate with one of the engines.
func simulateOn(t testing.TB, e Engine, change func(*apnstest.Options, *Config)) *simulated {
	t.Helper()
	public, p8, err := apnstest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey(p8, public.KeyID, public.TeamID)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	options := apnstest.Options{Keys: []apnstest.Key{public}, Authority: authority}
	config := Config{Engine: e, Key: key, Topic: bundle}
	if change != nil {
		change(&options, &config)
	}
	server, err := apnstest.New(options)
	if err != nil {
		t.Fatal(err)
	}
	config.Endpoint = server.URL()
	if config.RootCAs == nil {
		config.RootCAs = server.Authority().Pool()
	}
	client := newClient(t, config)
	t.Cleanup(func() { _ = server.Close() })
	return &simulated{client, server, public, p8}
}

func newClient(t testing.TB, config Config) *Client {
	t.Helper()
	client, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// tokens makes n device tokens.
func tokens(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%064x", i+1)
	}
	return out
}

// deliver sends a plain alert and returns the outcomes.
func deliver(t *testing.T, c *Client, r *Request) []sender.Outcome {
	t.Helper()
	return deliverContext(t, t.Context(), c, r)
}

func deliverContext(t *testing.T, ctx context.Context, c *Client, r *Request) []sender.Outcome {
	t.Helper()
	if r.Payload == nil {
		r.Payload = []byte(`{"aps":{"alert":"hello"}}`)
	}
	out := make([]sender.Outcome, len(r.Tokens))
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Deliver(ctx, r, out)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("Deliver does not return")
	}
	for i, o := range out {
		if o.Class == sender.Unset {
			t.Fatalf("recipient %d has no outcome", i)
		}
		if (o.Reason == nil) != (o.Class == sender.Accepted) || (o.Reason != nil && o.Reason.Class != o.Class) {
			t.Fatalf("recipient %d: class %s does not fit its reason %+v", i, o.Class, o.Reason)
		}
	}
	return out
}

// names lists the reasons of outcomes with their numbers; "" is accepted.
func names(out []sender.Outcome) map[string]int {
	counts := make(map[string]int)
	for _, o := range out {
		name := ""
		if o.Reason != nil {
			name = o.Reason.Name
		}
		counts[name]++
	}
	return counts
}
