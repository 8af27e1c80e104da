// Package provider turns jobs into what the senders take and keeps the registry of apps. It implements the pipeline's Apps,
// App and Batch ports.
package provider

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// Registry holds the apps that jobs can be sent for. Apps come, change and go while deliveries are handled: whoever has got an App
// sends with it to the end, also when another one stands in its place. Safe for concurrent use.
type Registry struct {
	mu sync.Mutex // held by who changes apps
	// apps is never changed, only exchanged: every delivery asks it.
	apps atomic.Pointer[map[key]App]
}

type key struct {
	platform jobs.Platform
	name     string
}

// App is an app with connections of its own.
type App interface {
	pipeline.App
	// Close closes the connections at once; requests under way become uncertain.
	Close() error
	state(s *State)
	// retire closes the connections after the last of who uses them.
	retire()
}

// NewRegistry makes an empty registry.
func NewRegistry() *Registry {
	r := &Registry{}
	r.apps.Store(&map[key]App{})
	return r
}

// App implements pipeline.Apps.
func (r *Registry) App(platform jobs.Platform, name string) (pipeline.App, bool) {
	app, ok := (*r.apps.Load())[key{platform, name}]
	return app, ok
}

// Known implements pipeline.Apps.
func (r *Registry) Known(platform jobs.Platform) []string {
	var names []string
	for k := range *r.apps.Load() {
		if k.platform == platform {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}

// Put puts an app in force, in the place of the one of that name. Who sends with that one does so to the end; then its connections are
// closed. The registry closes app.
func (r *Registry) Put(platform jobs.Platform, name string, app App) {
	r.change(key{platform, name}, app)
}

// Remove takes an app away. Who sends with it does so to the end. That there is none is no error.
func (r *Registry) Remove(platform jobs.Platform, name string) { r.change(key{platform, name}, nil) }

func (r *Registry) change(k key, app App) {
	r.mu.Lock()
	defer r.mu.Unlock()
	apps := maps.Clone(*r.apps.Load())
	old := apps[k]
	if app != nil {
		apps[k] = app
	} else {
		delete(apps, k)
	}
	r.apps.Store(&apps)
	if old != nil {
		old.retire()
	}
}

// Close closes the connections of every app. Call it when nobody sends any more.
func (r *Registry) Close() error {
	var errs []error
	for k, app := range *r.apps.Load() {
		if err := app.Close(); err != nil {
			errs = append(errs, fmt.Errorf("closing the %s connections of app %q: %w", k.platform, k.name, err))
		}
	}
	return errors.Join(errs...)
}
