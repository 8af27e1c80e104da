// Package provider turns jobs into what the senders take and keeps the registry of apps. It implements the pipeline's Apps,
// App and Batch ports.
package provider

import (
	"errors"
	"fmt"
	"slices"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// Registry holds the configured apps. It is complete before the first delivery and read-only from then on.
type Registry struct {
	apps map[key]closer
}

type key struct {
	platform jobs.Platform
	name     string
}

// closer is an app with connections of its own.
type closer interface {
	pipeline.App
	Close() error
	state(s *State)
}

// NewRegistry makes an empty registry.
func NewRegistry() *Registry { return &Registry{apps: map[key]closer{}} }

// App implements pipeline.Apps.
func (r *Registry) App(platform jobs.Platform, name string) (pipeline.App, bool) {
	app, ok := r.apps[key{platform, name}]
	return app, ok
}

// Known implements pipeline.Apps.
func (r *Registry) Known(platform jobs.Platform) []string {
	var names []string
	for k := range r.apps {
		if k.platform == platform {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}

// Close closes the connections of every app.
func (r *Registry) Close() error {
	var errs []error
	for k, app := range r.apps {
		if err := app.Close(); err != nil {
			errs = append(errs, fmt.Errorf("closing the %s connections of app %q: %w", k.platform, k.name, err))
		}
	}
	return errors.Join(errs...)
}
