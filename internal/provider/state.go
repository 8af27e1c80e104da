package provider

import (
	"slices"
	"strings"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

// State is what is known at one moment of an app's way to its provider.
type State struct {
	Platform jobs.Platform
	App      string
	sender.Load
	// CredentialExpires is when its certificate runs out; zero for a credential that does not by itself.
	CredentialExpires time.Time
	// ClockSkew is how far our clock was ahead of the provider's when that last told its time; 0 if it never did.
	ClockSkew time.Duration
}

// States lists the state of every app, in the order of platform and name. Nothing is asked of anybody. Safe for concurrent use.
func (r *Registry) States() []State {
	apps := *r.apps.Load()
	states := make([]State, 0, len(apps))
	for k, app := range apps {
		s := State{Platform: k.platform, App: k.name}
		app.state(&s)
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b State) int {
		return strings.Compare(string(a.Platform)+"."+a.App, string(b.Platform)+"."+b.App)
	})
	return states
}

func (a *apnsApp) state(s *State) {
	client := a.Client
	s.Load, s.ClockSkew = client.Load(), client.ClockSkew()
	if info, ok := client.Certificate(); ok {
		s.CredentialExpires = info.NotAfter
	}
}

func (a *gcmApp) state(s *State) { s.Load = a.Client.Load() }
