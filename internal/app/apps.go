package app

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
)

// openApps reads every app's credentials and makes the keeper of those that change. All faults come back at once, each named by app; nothing is dialled yet.
func openApps(c *config.Config, now func() time.Time, log func(string) zerolog.Logger) (*provider.Registry, *keeper, error) {
	registry := provider.NewRegistry()
	shares := quotas{workers: c.Workers}
	keeper := newKeeper(now, log("volley.apns"))
	keeper.registry = registry
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Apps)) {
		a := c.Apps[name]
		if a.APNS != nil {
			if err := addAPNS(registry, keeper, name, a, now); err != nil {
				errs = append(errs, fmt.Errorf("apps.%s.apns: %w", name, err))
			}
		}
		if a.GCM != nil {
			if err := addGCM(registry, keeper, name, a, now, log("volley.gcm"), &shares); err != nil {
				errs = append(errs, fmt.Errorf("apps.%s.gcm: %w", name, err))
			}
		}
	}
	if len(errs) > 0 {
		return nil, nil, errors.Join(marked{errors.Join(errs...), ErrCredentials}, registry.Close())
	}
	return registry, keeper, nil
}

func addAPNS(registry *provider.Registry, keeper *keeper, name string, a *config.App, now func() time.Time) error {
	s := a.APNS
	k := &kept{name: name, config: a, changes: watch(s.KeyFile, s.Certificate, s.CertificatePasswordFile, s.CAFile)}
	client, err := OpenAPNS(s, now)
	if err != nil {
		return err
	}
	k.client = client
	keeper.kept = append(keeper.kept, k)
	registry.AddAPNS(provider.APNSParams{
		Name: name, Client: client, Topic: s.Topic,
		ErrorTimeout: time.Duration(s.DefaultErrorTimeout * float64(time.Second)), Expiration: time.Duration(s.DefaultExpirationOffset) * time.Second,
		BatchSize: s.DefaultBatchSize, MaxPayloadLength: s.DefaultMaxPayloadLength, Retries: s.DefaultRetries,
		MaxAttempts: a.MaxAttempts, MessageIDs: a.MessageIDs, Source: s.KeyFile + s.Certificate, // one of them
		WrongEnvironment: func(detail string) { keeper.alarm(jobs.APNS, name, stateWrongEnvironment, detail) },
	})
	return nil
}

// pool reads the CA certificates that a provider endpoint is verified with; nil means the system's.
func pool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca_file can't be read: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file %s holds no PEM certificate", file)
	}
	return roots, nil
}
