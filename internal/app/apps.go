package app

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
)

// openApps reads every app's credentials and makes the keeper of the apps. All faults come back at once, each named by app; nothing is dialled yet.
func openApps(c *config.Config, now func() time.Time, logs func(string) zerolog.Logger) (*provider.Registry, *keeper, error) {
	registry := provider.NewRegistry()
	k := newKeeper(now, logs)
	k.registry, k.want, k.shares.workers = registry, c, c.Workers
	var errs []error
	for _, key := range wantedBy(c) {
		m := materialOf(key, c.Apps[key.name])
		s, err := k.open(key, m)
		if err != nil {
			errs = append(errs, fmt.Errorf("apps.%s.%s: %w", key.name, key.platform, err))
			continue
		}
		k.seats[key] = &seat{side: s, seen: m, judged: m}
		registry.Put(key.platform, key.name, s.sender)
	}
	if len(errs) > 0 {
		return nil, nil, errors.Join(marked{errors.Join(errs...), ErrCredentials}, registry.Close())
	}
	return registry, k, nil
}

// wantedBy lists the sides that a configuration has, by name.
func wantedBy(c *config.Config) []sideKey {
	var keys []sideKey
	for name, a := range c.Apps {
		if a.APNS != nil {
			keys = append(keys, sideKey{jobs.APNS, name})
		}
		if a.GCM != nil {
			keys = append(keys, sideKey{jobs.GCM, name})
		}
	}
	return sorted(keys)
}

// sorted puts sides in the order of their apps' names, Apple first.
func sorted(keys []sideKey) []sideKey {
	slices.SortFunc(keys, func(a, b sideKey) int {
		if a.name != b.name {
			return strings.Compare(a.name, b.name)
		}
		return strings.Compare(string(a.platform), string(b.platform))
	})
	return keys
}

// sides are those in force, in order.
func (k *keeper) sides() []*side {
	var all []*side
	for _, key := range sorted(slices.Collect(maps.Keys(k.seats))) {
		if s := k.seats[key].side; s != nil {
			all = append(all, s)
		}
	}
	return all
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
