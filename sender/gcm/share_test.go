package gcm

import (
	"sync"
	"testing"

	"github.com/volleypush/volley/sender"
)

// sharing are two clients of one account that share its tokens.
func sharing(t *testing.T) (issued func() int, revoke func(), one, two *Client) {
	t.Helper()
	s, c := simulate(t, V1)
	config := c.config
	config.Tokens = &Tokens{}
	for _, client := range []**Client{&one, &two} {
		made, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = made.Close() })
		*client = made
	}
	return s.Issued, s.RevokeTokens, one, two
}

func sends(t *testing.T, c *Client) {
	t.Helper()
	if out := deliver(t, t.Context(), c, "a"); out[0].Class != sender.Accepted {
		t.Fatalf("%+v", out[0])
	}
}

// A token that one client fetches serves both, also when both want one at the same time and when it is refused; it ends with the last of them.
func TestClientsShareTokens(t *testing.T) {
	issued, revoke, one, two := sharing(t)
	var both sync.WaitGroup
	for _, c := range []*Client{one, two} {
		both.Go(func() { sends(t, c) })
	}
	both.Wait()
	if n := issued(); n != 1 {
		t.Errorf("%d tokens for two clients", n)
	}
	revoke()
	sends(t, one)
	sends(t, two)
	if n := issued(); n != 2 {
		t.Errorf("%d tokens after the first was refused", n)
	}
	// The end of one client costs the other nothing, and one that goes on takes what is there.
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	sends(t, two)
	sends(t, one)
	if n := issued(); n != 2 {
		t.Errorf("%d tokens after one was closed", n)
	}
	for _, c := range []*Client{one, two, two} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	sends(t, two)
	if n := issued(); n != 3 {
		t.Errorf("%d tokens: the last that was closed left one", n)
	}
}
