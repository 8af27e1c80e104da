package queue

import (
	"context"
	"time"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// What one look at what waits costs at most, in each lane of each platform of PUSH_JOBS, and of PUSH_WORK.
const (
	waitsWalk     = 300
	waitsBytes    = 4 << 20
	waitsPatience = 500 * time.Millisecond
)

// Waits finds the jobs of the scope that lie in the queues: those that nobody has taken, those for later, those that are paused, and those
// that are being sent. It looks at the first messages of each lane only; partial says that there are more. Events are not read, so nothing is
// known of what is done. Safe for concurrent use.
func (c *Conn) Waits(ctx context.Context, scope pipeline.Scope) (all []*JobState, partial bool, err error) {
	return c.waits(ctx, scope, walkLimits{waitsWalk, waitsBytes, waitsPatience})
}

func (c *Conn) waits(ctx context.Context, scope pipeline.Scope, most walkLimits) (all []*JobState, partial bool, err error) {
	given, err := c.Given(ctx)
	if err != nil {
		return nil, false, err
	}
	s := c.Census(scope)
	s.most = most
	for _, platform := range jobs.Platforms() {
		for _, lane := range jobs.Lanes() {
			if scope.Platform != "" && scope.Platform != platform || scope.Lane != "" && scope.Lane != lane {
				continue
			}
			s.scope.Platform, s.scope.Lane = platform, lane // so that no lane hides another
			for _, look := range []func(context.Context) error{s.lookAtJobs, s.lookAtWork} {
				if err := look(ctx); err != nil {
					return nil, false, err
				}
			}
		}
	}
	orders := pipeline.NewOrders(given)
	for _, j := range s.found {
		j.settle(orders, c.Now())
	}
	return s.Jobs(), s.missed, nil
}
