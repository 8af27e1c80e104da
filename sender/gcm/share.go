package gcm

import (
	"context"
	"sync"

	"github.com/volleypush/volley/sender"
)

// Tokens lets clients share their access tokens: one that any of them fetches serves all. Give the same one to clients of the same credential; what the
// first says of RootCAs, Proxy, Dial and times holds for all, and so does a Replace of any. The zero value is ready. It is safe for concurrent use.
type Tokens struct {
	mu     sync.Mutex
	shared *tokens
}

// of are the tokens that all share; those of the config alone if there is nobody to share with.
func (s *Tokens) of(config Config) *tokens {
	if s == nil {
		return newTokens(config)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shared == nil {
		s.shared = newTokens(config)
	}
	return s.shared
}

// token returns an access token, as tokens.get does.
func (c *Client) token(ctx context.Context) (string, *sender.Outcome) {
	if !c.shares.Swap(true) {
		c.tokens.join()
	}
	return c.tokens.get(ctx)
}

// leave ends the client's part in the tokens, until it asks for one again.
func (c *Client) leave() {
	if c.shares.Swap(false) {
		c.tokens.leave()
	}
}

// join counts another user.
func (t *tokens) join() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users++
}

// leave is the end of one user; with the last one everything ends.
func (t *tokens) leave() {
	t.mu.Lock()
	t.users--
	last := t.users == 0
	t.mu.Unlock()
	if last {
		t.close()
	}
}
