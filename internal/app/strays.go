package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

// Work of an app that a worker does not have waits in PUSH_WORK for one that has it. Every worker looks now and then at such work: when no
// worker has had the app for the grace, what has waited as long is handed to the pipeline as forsaken, which makes dead letters of it, and
// the queues that are empty then are removed.

const (
	// strayLook is the longest pause between two looks, strayLooks how many fit the grace, firstStrayLook the shortest pause.
	strayLook      = 30 * time.Second
	strayLooks     = 4
	firstStrayLook = 250 * time.Millisecond
	// strayTurn is the longest that one lane of an app is worked on before it is the next one's turn.
	strayTurn = 10 * time.Second
	// presenceTimeout is how long a worker that has an app may take to say so.
	presenceTimeout = 5 * time.Second
)

// presence is where whoever has the app answers.
func presence(key sideKey) string {
	return jobs.SubjectPresence + "." + string(key.platform) + "." + key.name
}

// strays looks after the work of apps that nobody has.
type strays struct {
	broker *Broker
	known  func(key sideKey) bool
	handle func(context.Context, pipeline.Delivery) pipeline.Disposition
	halted <-chan struct{}
	grace  time.Duration
	log    zerolog.Logger
	// absent is since when nobody has had an app, as far as this worker knows. A worker that has just started knows nothing yet.
	absent map[sideKey]time.Time
}

// run looks until the context ends.
func (s *strays) run(ctx context.Context) error {
	every := min(max(s.grace/strayLooks, firstStrayLook), strayLook)
	timer := time.NewTimer(every)
	defer timer.Stop()
	troubled := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		err := s.look(ctx)
		if err != nil && !troubled && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("looking after work of apps that nobody has; it is tried again")
		}
		troubled = err != nil
		timer.Reset(every)
	}
}

// look looks at every durable whose app this worker does not have.
func (s *strays) look(ctx context.Context) error {
	all, err := s.broker.Strays(ctx)
	if err != nil {
		return err
	}
	began := s.broker.Now()
	absent := map[sideKey]time.Time{}
	taken := map[sideKey]bool{}
	for _, one := range all {
		key := sideKey{one.Platform, one.App}
		taken[key] = taken[key] || one.Pulled
	}
	for key, pulled := range taken {
		if pulled || s.anybody(ctx, key) {
			continue
		}
		if absent[key] = began; !s.absent[key].IsZero() {
			absent[key] = s.absent[key]
		}
	}
	s.absent = absent
	for _, one := range all {
		key := sideKey{one.Platform, one.App}
		if since, gone := absent[key]; gone && began.Sub(since) >= s.grace && ctx.Err() == nil {
			err = errors.Join(err, s.sweep(ctx, key, one.Lane))
		}
	}
	return err
}

// anybody says whether a worker has the app, or whether that can't be known now.
func (s *strays) anybody(ctx context.Context, key sideKey) bool {
	if s.known(key) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, presenceTimeout)
	defer cancel()
	_, err := s.broker.Ask(ctx, presence(key), nil)
	return !errors.Is(err, queue.ErrNobody)
}

// sweep hands over what has waited for the grace, one after the other, as long as there is any and nobody comes who has the app.
func (s *strays) sweep(ctx context.Context, key sideKey, lane jobs.Lane) error {
	old := func() bool {
		since, some, err := s.broker.Waiting(ctx, key.platform, key.name, lane)
		return err == nil && some && s.broker.Now().Sub(since) >= s.grace && !s.anybody(ctx, key)
	}
	if old() {
		s.log.Warn().Str("platform", string(key.platform)).Str("app", key.name).Msg("no worker has the app; its jobs that have waited long enough become dead letters")
		turn, over := context.WithTimeout(ctx, strayTurn)
		defer over()
		err := s.broker.Pull(turn, queue.Puller{
			Stream: jobs.StreamWork, Durable: jobs.WorkDurable(key.platform, key.name, lane), Slots: queue.NewSlots(queue.SlotOptions{Size: 1}), HardStop: s.halted,
			Gate: func() (time.Duration, <-chan struct{}) {
				if old() {
					return 0, nil
				}
				over()
				return strayTurn, nil
			},
			Handle: func(ctx context.Context, d pipeline.Delivery) pipeline.Disposition {
				d.Forsaken = true
				return s.handle(ctx, d)
			},
		})
		if err != nil {
			return fmt.Errorf("taking the work of app %q: %w", key.name, err)
		}
	}
	if ctx.Err() != nil || s.anybody(ctx, key) {
		return nil
	}
	return s.broker.Unshelter(ctx, key.platform, key.name, lane)
}
