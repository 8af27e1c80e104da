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
	"github.com/volleypush/volley/sender/apns"
)

// openApps reads every app's credentials. All faults come back at once, each named by app; nothing is dialled yet.
func openApps(c *config.Config, now func() time.Time, log func(string) zerolog.Logger) (*provider.Registry, error) {
	registry := provider.NewRegistry()
	shares := quotas{workers: c.Workers}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Apps)) {
		a := c.Apps[name]
		if a.APNS != nil {
			if err := addAPNS(registry, name, a, now); err != nil {
				errs = append(errs, fmt.Errorf("apps.%s.apns: %w", name, err))
			}
		}
		if a.GCM != nil {
			if err := addGCM(registry, name, a, now, log("volley.gcm"), &shares); err != nil {
				errs = append(errs, fmt.Errorf("apps.%s.gcm: %w", name, err))
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(marked{errors.Join(errs...), ErrCredentials}, registry.Close())
	}
	return registry, nil
}

func addAPNS(registry *provider.Registry, name string, a *config.App, now func() time.Time) error {
	s := a.APNS
	if s.Protocol == config.ProtocolBinary {
		return errors.New("protocol binary is not supported yet; use http2")
	}
	roots, err := pool(s.CAFile)
	if err != nil {
		return err
	}
	client := apns.Config{
		Endpoint: s.Endpoint, Environment: apns.Environment(s.Environment), Topic: s.Topic, RootCAs: roots, Now: now,
	}
	if s.KeyFile != "" {
		if client.Key, err = apns.LoadKey(s.KeyFile, s.KeyID, s.TeamID); err != nil {
			return err
		}
	} else {
		password, err := s.Password()
		if err != nil {
			return err
		}
		if client.Certificate, err = apns.LoadCertificate(s.Certificate, password.Reveal()); err != nil {
			return err
		}
	}
	connection, err := apns.New(client)
	if err != nil {
		return err
	}
	registry.AddAPNS(provider.APNSParams{
		Name: name, Client: connection, Topic: s.Topic,
		ErrorTimeout: time.Duration(s.DefaultErrorTimeout * float64(time.Second)), Expiration: time.Duration(s.DefaultExpirationOffset) * time.Second,
		BatchSize: s.DefaultBatchSize, MaxPayloadLength: s.DefaultMaxPayloadLength,
		MaxAttempts: a.MaxAttempts, MessageIDs: a.MessageIDs,
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
