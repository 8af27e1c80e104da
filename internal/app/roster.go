package app

import (
	"sync"

	"github.com/volleypush/volley/internal/config"
)

// roster is the settings in force of each app, for whoever shows them: the keeper's own belong to the keeper. Safe for concurrent use.
type roster struct {
	mu   sync.Mutex
	apps map[sideKey]*config.App
}

func (r *roster) put(s *side) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.apps == nil {
		r.apps = make(map[sideKey]*config.App)
	}
	r.apps[s.sideKey] = s.app
}

func (r *roster) remove(key sideKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.apps, key)
}

// of is nil for an app that is not there (any more).
func (r *roster) of(key sideKey) *config.App {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.apps[key]
}
