package app

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/apns"
)

// Files of credentials change while a worker runs, certificates run out, and an environment can be the wrong one. The keeper looks after
// all of it and tells of it in credential events.

// The states of credential events that the keeper raises; the pipeline's own is "rejected".
const (
	stateReloaded         = "reloaded"
	stateUnusable         = "unusable"
	stateExpiring         = "expiring"
	stateExpired          = "expired"
	stateWrongEnvironment = "wrong_environment"
	statePushKeyRejected  = "push_key_rejected"
)

// credentialLook is the pause between two looks at the files. One that changed is taken when it was the same for two looks, so that
// no half-written file is read; that is a minute at most.
const credentialLook = 30 * time.Second

// warnings are how long before its end a certificate is spoken of, once each; the last is the end itself.
func warnings() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{30 * day, 7 * day, day, 0}
}

// keeper looks after the credentials of a worker. Only run uses its fields once it runs; alarms may come from anywhere.
type keeper struct {
	registry *provider.Registry
	now      func() time.Time
	log      zerolog.Logger
	every    time.Duration
	kept     []*kept
	google   []*keptGoogle
	alarms   chan *results.Event
}

// kept is one app's credential for Apple.
type kept struct {
	name   string
	config *config.App
	client *apns.Client
	changes
	// warned is how many of the warnings are due and told.
	warned int
}

// newKeeper makes a keeper of no apps. Until it runs, it keeps a few alarms.
func newKeeper(now func() time.Time, log zerolog.Logger) *keeper {
	return &keeper{now: now, log: log, every: credentialLook, alarms: make(chan *results.Event, 64)}
}

// alarm tells of something without waiting for anything. What does not fit is only logged: it would be raised again.
func (k *keeper) alarm(platform jobs.Platform, app, state, detail string) {
	select {
	case k.alarms <- credentialEvent(platform, app, state, detail):
	default:
		k.log.Warn().Str("app", app).Str("state", state).Msg(detail)
	}
}

func credentialEvent(platform jobs.Platform, app, state, detail string) *results.Event {
	return &results.Event{Kind: results.KindCredential, Platform: platform, App: app, State: state, Detail: detail}
}

// run looks after the credentials until the context ends. tell publishes and logs an event.
func (k *keeper) run(ctx context.Context, tell func(context.Context, *results.Event)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-k.alarms:
			tell(ctx, e)
		case <-timer.C:
			for _, c := range k.kept {
				k.look(c, func(e *results.Event) { tell(ctx, e) })
			}
			for _, c := range k.google {
				if e := c.look(); e != nil {
					tell(ctx, e)
				}
			}
			timer.Reset(k.every)
		}
	}
}

// look takes files that have changed, and speaks of a certificate that is about to run out.
func (k *keeper) look(c *kept, tell func(*results.Event)) {
	if c.settled() {
		tell(k.take(c))
	}
	if e := c.expiry(k.now()); e != nil {
		tell(e)
	}
}

// take puts the files' content in force, or says why it is not usable and leaves what is in force.
func (k *keeper) take(c *kept) *results.Event {
	client, err := OpenAPNS(c.config.APNS, k.now)
	if err == nil {
		err = k.registry.ReplaceAPNS(c.name, client)
	}
	if err != nil {
		k.log.Error().Str("app", c.name).Err(err).Msg("a changed credential can't be used; the old one stays in force")
		return credentialEvent(jobs.APNS, c.name, stateUnusable, fmt.Sprintf("app %q: its credential has changed and can't be used, so the old one stays in force: %v", c.name, err))
	}
	c.client, c.warned = client, 0
	k.log.Info().Str("app", c.name).Str("credential", describeCredential(c.config.APNS, client)).Msg("a changed credential is in force")
	return credentialEvent(jobs.APNS, c.name, stateReloaded, fmt.Sprintf("app %q: its credential has changed and is in force: %s", c.name, describeCredential(c.config.APNS, client)))
}

// expiry is what is to be said now of a certificate that runs out; nil for nothing new. Its time is when it had to be said first, so
// that all replicas, whenever they start, raise one event.
func (c *kept) expiry(now time.Time) *results.Event {
	info, ok := c.client.Certificate()
	if !ok {
		return nil
	}
	due, before := 0, time.Duration(0)
	for _, early := range warnings() {
		if !now.Before(info.NotAfter.Add(-early)) {
			due, before = due+1, early
		}
	}
	if due <= c.warned {
		return nil
	}
	c.warned = due
	state, verb := stateExpiring, "expires"
	if before == 0 {
		state, verb = stateExpired, "has expired:"
	}
	e := credentialEvent(jobs.APNS, c.name, state, fmt.Sprintf("app %q: certificate %q (%s) %s %s; make a new one on Apple's developer site and replace the file, it is taken without a restart",
		c.name, info.Name, c.config.APNS.Certificate, verb, describeExpiry(info.NotAfter, now)))
	e.At = info.NotAfter.Add(-before)
	return e
}

// describeExpiry is "2026-12-24, in 26 days".
func describeExpiry(at, now time.Time) string {
	date := at.UTC().Format(time.DateOnly)
	switch left := at.Sub(now); {
	case left < 0:
		return date
	case left < 48*time.Hour:
		return fmt.Sprintf("%s, in %d hours", date, int(left.Hours()))
	default:
		return fmt.Sprintf("%s, in %d days", date, int(left.Hours()/24))
	}
}

// OpenAPNS reads an app's credential and makes its client. Nothing is dialled.
func OpenAPNS(s *config.APNS, now func() time.Time) (*apns.Client, error) {
	roots, err := pool(s.CAFile)
	if err != nil {
		return nil, err
	}
	client := apns.Config{
		Protocol: apns.Protocol(s.Protocol), FeedbackEndpoint: s.FeedbackEndpoint,
		Endpoint: s.Endpoint, Environment: apns.Environment(s.Environment), Topic: s.Topic, RootCAs: roots, Now: now,
		Engine: apns.Engine(s.Engine), Connections: s.Connections,
	}
	if s.KeyFile != "" {
		if client.Key, err = apns.LoadKey(s.KeyFile, s.KeyID, s.TeamID); err != nil {
			return nil, err
		}
		return apns.New(client)
	}
	password, err := s.Password()
	if err != nil {
		return nil, err
	}
	if client.Certificate, err = apns.LoadCertificate(s.Certificate, password.Reveal()); err != nil {
		return nil, err
	}
	return apns.New(client)
}

// describeCredential names a credential for people.
func describeCredential(s *config.APNS, client *apns.Client) string {
	info, ok := client.Certificate()
	if !ok {
		return fmt.Sprintf("key %s (team %s) from %s", s.KeyID, s.TeamID, s.KeyFile)
	}
	return fmt.Sprintf("certificate %q from %s, topics %q, expires %s", info.Name, s.Certificate, info.Topics, info.NotAfter.UTC().Format(time.DateOnly))
}
