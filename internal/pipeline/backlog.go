package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// What is put aside for an app, because it is paused, can't send, is over its rate, slow or not due yet, takes room in a store that all apps share. So
// an app has a limit for it, and a publisher's job that comes when it is reached becomes a dead letter. What goes on from there already, such
// as the next round of a segment, is never refused.
//
// The broker knows how many messages an app has, not how many bytes. The bytes are estimated: whoever puts something aside knows its size, and
// those of the messages that the others put aside meanwhile are taken to be alike.

const (
	// backlogLook is how long a look at what an app has put aside is good for. What this worker puts aside meanwhile is added; what the
	// others do is not known, so the limit may be exceeded by as much as they take in that time.
	backlogLook = 2 * time.Second
	// aside is about what a message of PUSH_WORK has beside its body: headers, subject, and what the broker stores with it.
	aside = 300
	// backlogNews is how long what the last look found is told to people.
	backlogNews = time.Minute
	// maxBacklogs is how many apps are remembered; anybody may invent names.
	maxBacklogs = 10_000
)

// Parked is what an app has on PUSH_WORK.
type Parked struct {
	// Messages counts those of the app, runnable and for later, Size is how many bytes one of all apps' has on average.
	Messages int
	Size     int64
}

// backlog is what is known of what an app has put aside. It is safe for concurrent use.
type backlog struct {
	mu sync.Mutex
	// asked is when the last look began; zero for never.
	asked time.Time
	// messages is what the last look found, bytes about how many these have.
	messages int
	bytes    int64
	// mine and mineBytes are what this worker has put aside since.
	mine      int
	mineBytes int64
}

// due says whether it is time for another look. Who is told so looks.
func (b *backlog) due(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.asked.IsZero() && now.Sub(b.asked) < backlogLook {
		return false
	}
	b.asked = now
	return true
}

// learn takes what a look has found.
func (b *backlog) learn(found Parked) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := found.Size
	if b.mine > 0 {
		size = b.mineBytes / int64(b.mine)
	}
	if grown := found.Messages - b.messages; grown >= 0 {
		b.bytes += int64(grown) * size
	} else {
		b.bytes = b.bytes * int64(found.Messages) / int64(b.messages)
	}
	b.messages, b.mine, b.mineBytes = found.Messages, 0, 0
}

// take counts a message that is put aside, unless there are as many bytes as the limit allows already.
func (b *backlog) take(size, limit int64) (about int64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	about = b.bytes + b.mineBytes
	if about >= limit {
		return about, false
	}
	b.mine++
	b.mineBytes += size
	return about, true
}

// backlogs keeps one for each app and platform.
type backlogs struct {
	mu  sync.Mutex
	all map[sideKey]*backlog
}

func (s *backlogs) of(platform jobs.Platform, app string) *backlog {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sideKey{platform, app}
	if s.all == nil || len(s.all) >= maxBacklogs {
		s.all = map[sideKey]*backlog{}
	}
	if s.all[k] == nil {
		s.all[k] = &backlog{}
	}
	return s.all[k]
}

// Backlog is about how many bytes the app has put aside; 0 if this worker has not put anything aside lately. Safe for concurrent use.
func (c *Core) Backlog(platform jobs.Platform, app string) (about int64) {
	b := c.backlogs.of(platform, app)
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.Clock.Now().Sub(b.asked) > backlogNews {
		return 0
	}
	return b.bytes + b.mineBytes
}

// room counts a publisher's job as put aside; false if its app has no room for it. A broker that does not say how much there is refuses
// nobody.
func (c *Core) room(ctx context.Context, h held) (about int64, ok bool) {
	limit := c.backlogLimit(h)
	if limit == 0 {
		return 0, true
	}
	job := h.seg.Job
	b := c.backlogs.of(job.Platform, job.App)
	if b.due(c.Clock.Now()) {
		found, err := c.Work.Parked(ctx, job.Platform, job.App)
		if err == nil {
			b.learn(found)
		} else {
			c.Observer.Trouble(fmt.Sprintf("looking at the backlog of app %s.%s", job.Platform, job.App), err, true)
		}
	}
	return b.take(int64(len(h.Body))+aside, limit)
}

// backlogLimit is how many bytes the delivery's app may have put aside; 0 is no limit.
func (c *Core) backlogLimit(h held) int64 {
	if h.app == nil {
		return c.StrangerBacklog
	}
	return h.app.Backlog()
}

// overflow buries a job for which its app has no room. If a copy of the same job was put aside before, that one counts.
func (c *Core) overflow(ctx context.Context, h held, about int64) error {
	living, err := c.Work.Living(ctx, h.seg)
	switch {
	case err != nil:
		return fmt.Errorf("looking for a copy of the job that waits: %w", err)
	case living == h.seg.Fingerprint:
		return c.duplicate(ctx, h, nil)
	case living != "":
		return c.reused(ctx, h)
	}
	job := h.seg.Job
	return c.giveUp(ctx, h, results.DeadBacklogFull, jobs.Faults{{Field: "app", Problem: fmt.Sprintf(
		"%s, and about %s of app %q wait on %s already, which fills its backlog of %s; when it sends again: worker dead requeue --reason %s --app %s",
		c.whyAside(h), roundly(about), job.App, job.Platform, roundly(c.backlogLimit(h)), results.DeadBacklogFull, job.App)}})
}

// roundly is a number of bytes for people.
func roundly(bytes int64) string {
	if bytes < 10<<20 {
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

// whyAside says why a job would have been put aside.
func (c *Core) whyAside(h held) string {
	switch now := c.Clock.Now(); {
	case h.app == nil:
		return "no worker here has the app"
	case h.seg.Job.DeliverAt.After(now):
		return "the job is for later"
	case c.paused(h):
		return "the job is paused"
	case c.Breaker(h.seg.Job.Platform, h.seg.Job.App).Open:
		return "the app can't send now, see its provider and credential events"
	case h.app.Rated():
		return "the app is over its rate"
	default:
		return "the app's provider answers slowly, and other apps' jobs must not wait for it"
	}
}
