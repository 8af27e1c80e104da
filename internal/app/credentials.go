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

// Apps and their credentials change while a worker runs, certificates run out, and an environment can be the wrong one. The keeper looks
// after all of it and tells of it in credential events.

// The states of credential events that the keeper raises; the pipeline's own is "rejected".
const (
	stateAdded            = "added"
	stateRemoved          = "removed"
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

// keeper looks after the apps of a worker and their credentials. Only run uses its fields once it runs; alarms may come from anywhere,
// and so may the wish that it looks now.
type keeper struct {
	registry *provider.Registry
	shares   quotas
	grants   grants
	rates    map[string]*provider.Rate
	now      func() time.Time
	logs     func(component string) zerolog.Logger
	log      zerolog.Logger
	every    time.Duration
	// want is the configuration that was read last and is valid, source where it comes from.
	want   *config.Config
	source *source
	seats  map[sideKey]*seat
	crew   crew
	alarms chan *results.Event
	asked  chan struct{}
}

// crew is what a worker does for an app beside sending.
type crew interface {
	// prepare makes the queues of an app.
	prepare(ctx context.Context, key sideKey) error
	// begin takes the side's work from the queue. Of one that it takes already it notes the settings.
	begin(s *side)
	// end has it take no more. What it has taken already is finished.
	end(key sideKey)
}

// alone is the crew of who only looks at credentials.
type alone struct{}

func (alone) prepare(context.Context, sideKey) error { return nil }
func (alone) begin(*side)                            {}
func (alone) end(sideKey)                            {}

// newKeeper makes a keeper of no apps. Until it runs, it keeps a few alarms.
func newKeeper(now func() time.Time, logs func(string) zerolog.Logger) *keeper {
	return &keeper{
		now: now, logs: logs, log: logs("volley.app"), every: credentialLook, want: &config.Config{}, seats: map[sideKey]*seat{}, rates: map[string]*provider.Rate{}, crew: alone{},
		alarms: make(chan *results.Event, 64), asked: make(chan struct{}, 1),
	}
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

// ask has the keeper look at the files at once and log what changed. Safe for concurrent use.
func (k *keeper) ask() {
	select {
	case k.asked <- struct{}{}:
	default: // it is about to
	}
}

// run looks after apps and credentials until the context ends. tell publishes and logs an event.
func (k *keeper) run(ctx context.Context, tell func(context.Context, *results.Event)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return nil
		case e := <-k.alarms:
			tell(ctx, e)
			continue
		case <-k.asked:
			asked = true
		case <-timer.C:
		}
		k.look(ctx, asked, func(e *results.Event) { tell(ctx, e) })
		timer.Reset(k.every)
	}
}

// speakOfEnds speaks of certificates that are about to run out.
func (k *keeper) speakOfEnds(tell func(*results.Event)) {
	for _, s := range k.sides() {
		if s.apple == nil {
			continue
		}
		if e := s.expiry(k.now()); e != nil {
			tell(e)
		}
	}
}

// expiry is what is to be said now of a certificate that runs out; nil for nothing new. Its time is when it had to be said first, so
// that all replicas, whenever they start, raise one event.
func (s *side) expiry(now time.Time) *results.Event {
	info, ok := s.apple.Certificate()
	if !ok {
		return nil
	}
	due, before := 0, time.Duration(0)
	for _, early := range warnings() {
		if !now.Before(info.NotAfter.Add(-early)) {
			due, before = due+1, early
		}
	}
	if due <= s.warned {
		return nil
	}
	s.warned = due
	state, verb := stateExpiring, "expires"
	if before == 0 {
		state, verb = stateExpired, "has expired:"
	}
	e := credentialEvent(jobs.APNS, s.name, state, fmt.Sprintf("app %q: certificate %q (%s) %s %s; make a new one on Apple's developer site and replace the file, it is taken without a restart",
		s.name, info.Name, s.app.APNS.Certificate, verb, describeExpiry(info.NotAfter, now)))
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
