package app

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender/gcm"
)

func addGCM(registry *provider.Registry, keeper *keeper, name string, a *config.App, now func() time.Time, log zerolog.Logger, shares *quotas) error {
	s := a.GCM
	log = log.With().Str("app", name).Logger()
	files := watch(s.ServiceAccount)
	roots, err := pool(s.CAFile)
	if err != nil {
		return err
	}
	client := gcm.Config{Protocol: gcm.Protocol(s.Protocol), Engine: gcm.Engine(s.Engine), Connections: s.Connections, Endpoint: s.Endpoint, ProjectID: s.ProjectID, RootCAs: roots, Now: now}
	project := ""
	if s.Protocol == config.ProtocolLegacy {
		key, err := s.Key()
		if err != nil {
			return err
		}
		client.APIKey = key.Reveal()
	} else {
		if client.Credential, err = googleCredential(s); err != nil {
			return err
		}
		project = strings.TrimSuffix(cmp.Or(s.Endpoint, gcm.DefaultEndpoint), "/") + "/v1/projects/" + cmp.Or(s.ProjectID, client.Credential.Project())
		if client.Quota, err = shares.of(project, name, s.QuotaPerMinute); err != nil {
			return err
		}
	}
	connection, err := gcm.New(client)
	if err != nil {
		return err
	}
	if s.ServiceAccount != "" {
		keeper.google = append(keeper.google, &keptGoogle{name: name, config: s, client: connection, changes: files, log: log})
	}
	registry.AddGCM(provider.GCMParams{
		Name: name, Client: connection, Protocol: client.Protocol, Project: project, Now: now, MaxAttempts: a.MaxAttempts, MessageIDs: a.MessageIDs,
		Notice:          func(text string) { log.Warn().Msg(text) },
		PushKeyRejected: func(detail string) { keeper.alarm(jobs.GCM, name, statePushKeyRejected, detail) },
	})
	return nil
}

// keptGoogle is one app's credential file for FCM v1.
type keptGoogle struct {
	name   string
	config *config.GCM
	client *gcm.Client
	changes
	log zerolog.Logger
}

// look takes a file that has changed, or says why it is not usable and leaves what is in force. nil is for nothing new.
func (k *keptGoogle) look() *results.Event {
	if !k.settled() {
		return nil
	}
	credential, err := googleCredential(k.config)
	if err == nil {
		err = k.client.Replace(credential)
	}
	if err != nil {
		k.log.Error().Err(err).Msg("a changed credential can't be used; the old one stays in force")
		return credentialEvent(jobs.GCM, k.name, stateUnusable, fmt.Sprintf("app %q: its credential has changed and can't be used, so the old one stays in force: %v", k.name, err))
	}
	k.log.Info().Stringer("credential", credential).Msg("a changed credential is in force")
	return credentialEvent(jobs.GCM, k.name, stateReloaded, fmt.Sprintf("app %q: its credential has changed and is in force: %s from %s", k.name, credential, k.config.ServiceAccount))
}

// googleCredential reads the credential of an app for FCM v1. A workload identity may send its tokens to Google, and to the app's own endpoint
// if it has one: that is a simulator then.
func googleCredential(s *config.GCM) (gcm.Credential, error) {
	if s.MetadataServer {
		return gcm.MetadataServer{}, nil
	}
	var trusted []string
	if u, err := url.Parse(s.Endpoint); err == nil && s.Endpoint != "" {
		trusted = append(trusted, u.Host)
	}
	return gcm.LoadCredential(s.ServiceAccount, trusted...)
}

// quotas gives the apps of one project this worker's share of its quota, one for all of them.
type quotas struct {
	workers int
	shared  map[string]share
}

// share is the quota of a project, as the first of its apps has it.
type share struct {
	app       string
	perMinute int
	quota     *gcm.Quota
}

// of is the project's quota for an app; nil if it has none. That another app of the project has another one is an error: it would hold for
// neither.
func (q *quotas) of(project, app string, perMinute int) (*gcm.Quota, error) {
	first, ok := q.shared[project]
	switch {
	case ok && first.perMinute != perMinute:
		return nil, fmt.Errorf("quota_per_minute is %d, but app %q of the same project has %d: a project has one quota, set the same for both",
			perMinute, first.app, first.perMinute)
	case ok:
		return first.quota, nil
	}
	s := share{app: app, perMinute: perMinute}
	if perMinute > 0 {
		s.quota = gcm.NewQuota(perMinute / max(q.workers, 1))
	}
	if q.shared == nil {
		q.shared = map[string]share{}
	}
	q.shared[project] = s
	return s.quota, nil
}
