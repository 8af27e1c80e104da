package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// A stray is work of an app that this process does not have. Its durable on PUSH_WORK is how it is found: by a worker that has the app and
// pulls from it, or by one that looks after what nobody has. So whoever puts such work there sees to the durable, and it goes when the
// last of the work is gone.

// maxStrays is how many durables there may be of which no app is ours. A publisher that invents apps would else fill the stream with
// durables, of which a server has room for a thousand.
const maxStrays = 100

// strays knows the durables of PUSH_WORK of which no app is ours.
type strays struct {
	mu    sync.Mutex
	known map[string]bool
}

// note replaces what is known.
func (s *strays) note(names map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = names
}

// admit says whether there is room for the durable.
func (s *strays) admit(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[name] || len(s.known) < maxStrays {
		if s.known == nil {
			s.known = map[string]bool{}
		}
		s.known[name] = true
		return true
	}
	return false
}

// Shelter implements pipeline.Work.
func (c *Conn) Shelter(ctx context.Context, platform jobs.Platform, app string, lane jobs.Lane) error {
	name := jobs.WorkDurable(platform, app, lane)
	if _, ours := c.durables.filter(durableName{jobs.StreamWork, name}); ours {
		return nil
	}
	if !c.strays.admit(name) {
		return fmt.Errorf("%w: %d of them", pipeline.ErrCrowded, maxStrays)
	}
	c.durables.mu.Lock()
	wait := c.durables.ackWait
	c.durables.mu.Unlock()
	if err := c.makeDurable(ctx, jobs.StreamWork, name, jobs.WorkFilter(platform, app, lane), wait); err != nil {
		return explain("making the durable "+name, err)
	}
	return nil
}

// Stray is one durable of PUSH_WORK whose app is not ours.
type Stray struct {
	Platform jobs.Platform
	App      string
	Lane     jobs.Lane
	// Pulled says that somebody waits for its messages or has some.
	Pulled bool
}

// Strays lists the durables of PUSH_WORK whose apps this process has not asked for. It costs one question for each 256 durables.
func (c *Conn) Strays(ctx context.Context) (all []Stray, err error) {
	names := map[string]bool{}
	err = c.call(ctx, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, jobs.StreamWork)
		if err != nil {
			return err
		}
		list := stream.ListConsumers(ctx)
		for info := range list.Info() {
			if _, ours := c.durables.filter(durableName{jobs.StreamWork, info.Name}); ours {
				continue
			}
			s := Stray{Pulled: info.NumWaiting > 0 || info.NumAckPending > 0}
			if s.Platform, s.App, s.Lane = jobs.ParseDurable(info.Name); s.App != "" {
				all, names[info.Name] = append(all, s), true
			}
		}
		return list.Err()
	})
	if err != nil {
		return nil, explain("listing the durables of "+jobs.StreamWork, err)
	}
	c.strays.note(names)
	return all, nil
}

// Waiting says since when the oldest runnable work of the app and lane waits; false if there is none.
func (c *Conn) Waiting(ctx context.Context, platform jobs.Platform, app string, lane jobs.Lane) (since time.Time, some bool, err error) {
	return c.firstOf(ctx, jobs.WorkFilter(platform, app, lane))
}

// firstOf is when the first message of PUSH_WORK on the subject was stored.
func (c *Conn) firstOf(ctx context.Context, subject string) (stored time.Time, some bool, err error) {
	err = c.call(ctx, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, jobs.StreamWork)
		if err != nil {
			return err
		}
		m, err := stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subject))
		switch {
		case answered(err) == jetstream.JSErrCodeMessageNotFound:
			return nil
		case err == nil:
			stored, some = m.Time, true
		}
		return err
	})
	if err != nil {
		err = explain("looking for work on "+subject, err)
	}
	return stored, some, err
}

// Unshelter removes the durable of an app that nobody has, unless there is work left, runnable or for later. What is put there
// meanwhile is found: whoever puts it looks for the durable afterwards, or we find it here.
func (c *Conn) Unshelter(ctx context.Context, platform jobs.Platform, app string, lane jobs.Lane) error {
	some, err := c.anyOf(ctx, platform, app, lane)
	if err != nil || some {
		return err
	}
	for _, name := range []string{jobs.WorkDurable(platform, app, lane), jobs.LaterDurable(platform, app)} {
		err = c.call(ctx, func(ctx context.Context) error { return c.js.DeleteConsumer(ctx, jobs.StreamWork, name) })
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return explain("removing the durable "+name, err)
		}
	}
	if some, err = c.anyOf(ctx, platform, app, lane); err == nil && some {
		err = c.Shelter(ctx, platform, app, lane)
	}
	return err
}

// anyOf says whether the app and lane have any work, runnable or for later.
func (c *Conn) anyOf(ctx context.Context, platform jobs.Platform, app string, lane jobs.Lane) (bool, error) {
	_, some, err := c.firstOf(ctx, jobs.AnyFilter(platform, app, lane))
	return some, err
}
