package provider

import (
	"context"
	"fmt"
	"sync"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender/apns"
)

// A credential is replaced by a client of its own: what is under way ends with the old one, what begins takes the new one.

// tenant is a client and who uses it.
type tenant struct {
	client *apns.Client
	users  sync.WaitGroup
}

func newTenant(client *apns.Client) *tenant { return &tenant{client: client} }

// client is the one in force. It may be asked everything that does not send.
func (a *apnsApp) client() *apns.Client {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tenant.client
}

// borrow returns the client in force, which stays open until it is given back.
func (a *apnsApp) borrow() (client *apns.Client, giveBack func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tenant
	t.users.Add(1)
	return t.client, t.users.Done
}

// ExpiredTokens reads the feedback service of an app; see apns.Client.ExpiredTokens. Safe for concurrent use.
func (r *Registry) ExpiredTokens(ctx context.Context, name string) ([]apns.ExpiredToken, error) {
	a, ok := r.apps[key{jobs.APNS, name}].(*apnsApp)
	if !ok {
		return nil, fmt.Errorf("app %q has no APNs credential", name)
	}
	client, giveBack := a.borrow()
	defer giveBack()
	return client.ExpiredTokens(ctx)
}

// ReplaceAPNS puts another client in force for an app that has one. Calls under way end on the old client, which is closed
// after the last of them. Safe for concurrent use. The error is about an app that is not there.
func (r *Registry) ReplaceAPNS(name string, client *apns.Client) error {
	a, ok := r.apps[key{jobs.APNS, name}].(*apnsApp)
	if !ok {
		return fmt.Errorf("app %q has no APNs credential to replace", name)
	}
	a.mu.Lock()
	old := a.tenant
	a.tenant = newTenant(client)
	a.moving.Go(func() {
		old.users.Wait() // nobody new comes: the tenant is not in force any more
		_ = old.client.Close()
	})
	a.mu.Unlock()
	a.environment.reset()
	return nil
}

// Close closes the client in force and waits for those before it.
func (a *apnsApp) Close() error {
	err := a.client().Close()
	a.moving.Wait()
	return err
}
