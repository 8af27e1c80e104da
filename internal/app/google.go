package app

import (
	"cmp"
	"fmt"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/sender/gcm"
)

func addGCM(registry *provider.Registry, name string, a *config.App, now func() time.Time, log zerolog.Logger, shares *quotas) error {
	s := a.GCM
	roots, err := pool(s.CAFile)
	if err != nil {
		return err
	}
	client := gcm.Config{Protocol: gcm.Protocol(s.Protocol), Endpoint: s.Endpoint, ProjectID: s.ProjectID, RootCAs: roots, Now: now}
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
		project = cmp.Or(s.Endpoint, gcm.DefaultEndpoint) + " " + cmp.Or(s.ProjectID, client.Credential.Project())
		if client.Quota, err = shares.of(project, name, s.QuotaPerMinute); err != nil {
			return err
		}
	}
	connection, err := gcm.New(client)
	if err != nil {
		return err
	}
	registry.AddGCM(provider.GCMParams{
		Name: name, Client: connection, Protocol: client.Protocol, Project: project, Now: now, MaxAttempts: a.MaxAttempts, MessageIDs: a.MessageIDs,
		Notice: func(text string) { log.Warn().Str("app", name).Msg(text) },
	})
	return nil
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
