package app

import (
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

func TestReadiness(t *testing.T) {
	good := provider.State{Platform: jobs.APNS, App: "good"}
	refused := provider.State{Platform: jobs.APNS, App: "refused"}
	expired := provider.State{Platform: jobs.APNS, App: "expired", CredentialExpires: observedAt}
	lasting := provider.State{Platform: jobs.APNS, App: "lasting", CredentialExpires: observedAt.Add(time.Second)}
	for name, c := range map[string]struct {
		draining, cut bool
		states        []provider.State
		why           string // of the worker
		apps          string // of the apps, by their order
	}{
		"ready":                         {states: []provider.State{good}},
		"one usable app is enough":      {states: []provider.State{refused, good}, apps: "the provider refuses its credential: InvalidProviderToken"},
		"a certificate that lasts":      {states: []provider.State{lasting}},
		"all certificates have expired": {states: []provider.State{expired}, why: "no app has a usable credential", apps: "its certificate expired on 2026-11-23"},
		"all credentials are refused":   {states: []provider.State{refused}, why: "no app has a usable credential", apps: "refuses its credential"},
		"no app":                        {why: "no app has a usable credential"},
		"draining":                      {draining: true, states: []provider.State{good}, why: "draining"},
		"no broker":                     {cut: true, states: []provider.State{good}, why: "not connected to NATS"},
	} {
		t.Run(name, func(t *testing.T) {
			got := readinessOf(c.draining, !c.cut, c.states, func(s provider.State) *sender.Reason {
				if s.App == "refused" {
					return &sender.Reason{Name: "InvalidProviderToken", Class: sender.Credential}
				}
				return nil
			}, observedAt)
			if got.Ready != (c.why == "") || !strings.Contains(strings.Join(got.Why, "; "), c.why) || len(got.Why) > 1 {
				t.Errorf("ready %v: %q, want %q", got.Ready, got.Why, c.why)
			}
			apps := ""
			for _, a := range got.Apps {
				if a.Usable != (a.Why == "") {
					t.Errorf("%+v", a)
				}
				apps += a.Why
			}
			if len(got.Apps) != len(c.states) || !strings.Contains(apps, c.apps) || (c.apps == "") != (apps == "") {
				t.Errorf("apps: %q, want %q", apps, c.apps)
			}
		})
	}
}
