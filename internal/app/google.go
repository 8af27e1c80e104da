package app

import (
	"crypto/sha256"
	"fmt"
	"net/url"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/sender/gcm"
)

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

// grants has apps with the same credential share its access tokens, so that one is fetched for all of them.
type grants struct {
	shared map[grant]*gcm.Tokens
	// before are those of the look before: apps that stay go on with theirs.
	before map[grant]*gcm.Tokens
}

// grant is what two apps must have in common to share access tokens: what their files hold, and whom they trust with it.
type grant struct {
	content  [sha256.Size]byte
	metadata bool
	endpoint string
}

// again forgets who shares what, because some of them are about to change.
func (g *grants) again() { g.before, g.shared = g.shared, nil }

// of are the access tokens of an app.
func (g *grants) of(m material) *gcm.Tokens {
	k := grant{m.content, m.app.GCM.MetadataServer, m.app.GCM.Endpoint}
	if g.shared[k] == nil {
		if g.shared == nil {
			g.shared = map[grant]*gcm.Tokens{}
		}
		if g.shared[k] = g.before[k]; g.shared[k] == nil {
			g.shared[k] = &gcm.Tokens{}
		}
	}
	return g.shared[k]
}

// quotas gives the apps of one project this worker's share of its quota, one for all of them.
type quotas struct {
	workers int
	shared  map[string]share
	// before are those of the look before: a quota that stays as it is keeps what it knows of the last minute.
	before map[string]share
}

// again forgets who shares what, because some of them are about to change. Those that stay are named anew by of.
func (q *quotas) again() {
	if q.shared != nil {
		q.before, q.shared = q.shared, nil
	}
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
	if earlier, ok := q.before[project]; ok && earlier.perMinute == perMinute {
		s.quota = earlier.quota
	} else if perMinute > 0 {
		s.quota = gcm.NewQuota(perMinute / max(q.workers, 1))
	}
	if q.shared == nil {
		q.shared = map[string]share{}
	}
	q.shared[project] = s
	return s.quota, nil
}
