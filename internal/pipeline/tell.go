package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// The states of provider and credential events.
const (
	stateOpened   = "opened"
	stateClosed   = "closed"
	stateRejected = "rejected"
)

// tell publishes that the breaker opened or closed: one event for each state and ten minutes, whichever replica is first. It is
// news, not part of the books: if it can't be stored, sending goes on.
func (c *Core) tell(ctx context.Context, h held, v *verdict) {
	job := h.seg.Job
	held := c.holdProject(h, v)
	switch {
	case v.opened != nil && v.opened.Class == sender.Credential:
		c.news(ctx, job.Platform, job.App, results.KindCredential, stateRejected, fmt.Sprintf("the provider refuses the credential of app %q: %s; "+
			"its jobs wait, and the credential is tried again every %s", job.App, h.app.Explain(v.opened), credentialProbe))
	case v.opened != nil:
		c.news(ctx, job.Platform, job.App, results.KindProvider, stateOpened, fmt.Sprintf("the provider can't take notifications of app %q: %s; "+
			"its jobs wait and lose no attempts, one recipient is tried every few seconds", job.App, h.app.Explain(v.opened)))
	case v.closed != nil:
		c.news(ctx, job.Platform, job.App, results.KindProvider, stateClosed, fmt.Sprintf("the provider takes notifications of app %q again", job.App))
	}
	for _, app := range held {
		c.news(ctx, job.Platform, app, results.KindProvider, stateOpened, fmt.Sprintf("the provider can't take notifications of app %q: %s, "+
			"as app %q learnt, which sends for the same project; its jobs wait and lose no attempts", app, h.app.Explain(v.quota), job.App))
	}
	v.opened, v.closed, v.quota = nil, nil, nil
}

// holdProject pauses the other apps of the project whose quota is exceeded: what they sent now would only be refused, and count. It returns
// those that were not paused before.
func (c *Core) holdProject(h held, v *verdict) (apps []string) {
	project := h.app.Project()
	if v.quota == nil || project == "" {
		return nil
	}
	platform := h.seg.Job.Platform
	for _, name := range c.Apps.Known(platform) {
		if name == h.seg.Job.App {
			continue
		}
		if app, ok := c.Apps.App(platform, name); ok && app.Project() == project && c.breakers.of(platform, name).hold(v.quota, v.until) {
			apps = append(apps, name)
		}
	}
	return apps
}

func (c *Core) news(ctx context.Context, platform jobs.Platform, app string, kind results.Kind, state, detail string) {
	c.News(ctx, &results.Event{Kind: kind, Platform: platform, App: app, State: state, Detail: detail})
}

// News publishes a provider or credential event. Without a time of its own it is about now. Replicas that say the same of
// the same ten minutes raise one event together.
func (c *Core) News(ctx context.Context, e *results.Event) {
	e.V, e.Worker = results.Version, c.Worker
	if e.At.IsZero() {
		e.At = c.Clock.Now()
	}
	e.At = e.At.UTC().Truncate(time.Millisecond)
	e.SetID()
	c.Observer.News(e)
	if _, err := c.Events.Commit(ctx, e); err != nil {
		c.Observer.Trouble("publishing event "+e.ID, err, false)
	}
}

// commits knows how many commits are being repeated. While there are any, nothing new is sent: each sending would only be one more
// that a crash repeats.
type commits struct {
	mu      sync.Mutex
	refused int
	clear   chan struct{}
}

// trouble notes a commit that is being repeated; the function it returns notes that it is over.
func (s *commits) trouble() (over func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == 0 {
		s.clear = make(chan struct{})
	}
	s.refused++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.refused--; s.refused == 0 {
			close(s.clear)
		}
	}
}

// wait blocks while a commit is being repeated; false if the context ended first.
func (s *commits) wait(ctx context.Context) bool {
	for {
		s.mu.Lock()
		refused, clear := s.refused, s.clear
		s.mu.Unlock()
		if refused == 0 {
			return ctx.Err() == nil
		}
		select {
		case <-clear:
		case <-ctx.Done():
			return false
		}
	}
}
