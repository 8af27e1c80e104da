package provider

import (
	"context"
	"fmt"
	"sync"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender/apns"
)

// An app that changes is replaced by another one with a client of its own: what is under way ends with the old one, what begins takes
// the new one.

// tenancy counts who uses a client that is closed after the last of them. A client connects again when it is used after that: so
// somebody who was late to begin still sends, and closes it once more. Safe for concurrent use.
type tenancy struct {
	end func() error

	mu    sync.Mutex
	users int
	over  bool
}

// enter begins a use; leave ends it.
func (t *tenancy) enter() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users++
}

func (t *tenancy) leave() {
	t.mu.Lock()
	t.users--
	last := t.over && t.users == 0
	t.mu.Unlock()
	if last {
		_ = t.end()
	}
}

// retire says that the client is not in force any more.
func (t *tenancy) retire() {
	t.mu.Lock()
	t.over = true
	last := t.users == 0
	t.mu.Unlock()
	if last {
		_ = t.end()
	}
}

// ExpiredTokens reads the feedback service of an app; see apns.Client.ExpiredTokens. Safe for concurrent use.
func (r *Registry) ExpiredTokens(ctx context.Context, name string) ([]apns.ExpiredToken, error) {
	a, ok := (*r.apps.Load())[key{jobs.APNS, name}].(*apnsApp)
	if !ok {
		return nil, fmt.Errorf("app %q has no APNs credential", name)
	}
	a.enter()
	defer a.leave()
	return a.Client.ExpiredTokens(ctx)
}
