package dash

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/jobs"
)

const (
	// tellEvery is the pause between two states of a worker.
	tellEvery = time.Second
	// historyPatience is how long a worker that has just started waits for the history of another.
	historyPatience = 2 * time.Second
)

// MembershipParams are what a worker's part in the fleet is made of.
type MembershipParams struct {
	Bus Bus
	Log zerolog.Logger
	// Fleet is nil for a worker that serves no page: it tells, and does not listen.
	Fleet *Fleet
	// Self says how this worker is.
	Self func() *State
}

// Run tells the fleet how this worker is, and listens to the others, until the context ends; then it says goodbye. An error says that
// the subjects can't be listened to.
func (p MembershipParams) Run(ctx context.Context) error {
	if p.Fleet != nil {
		stop, err := p.Bus.Hear(jobs.SubjectFleet, func(body []byte) {
			s, err := decodeState(body)
			if err != nil {
				p.Log.Debug().Err(err).Msg("what a worker told is left out")
				return
			}
			p.Fleet.Note(s)
		})
		if err != nil {
			return err
		}
		defer stop()
		p.adopt(ctx)
		// Only now: nobody answers itself.
		if stop, err = p.Bus.Serve(jobs.SubjectFleetHistory, func([]byte) []byte {
			body, err := p.Fleet.History()
			if err != nil {
				p.Log.Warn().Err(err).Msg("the fleet's history can't be told")
			}
			return body
		}); err != nil {
			return err
		}
		defer stop()
	}
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		p.tell(p.Self())
		select {
		case <-tick.C:
		case <-ctx.Done():
			last := p.Self()
			last.Gone = true
			p.tell(last)
			return nil
		}
	}
}

// tell sends a state. What can't be sent, our own page shows all the same; the next state says all of it.
func (p MembershipParams) tell(s *State) {
	body, err := s.encode()
	if err == nil {
		err = p.Bus.Tell(jobs.SubjectFleet, body)
	}
	if err != nil {
		p.Log.Debug().Err(err).Msg("the fleet is not told")
		if p.Fleet != nil {
			p.Fleet.Note(s)
		}
	}
}

// adopt asks another worker for what we missed. That there is none is no trouble.
func (p MembershipParams) adopt(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, historyPatience)
	defer cancel()
	body, err := p.Bus.Ask(ctx, jobs.SubjectFleetHistory, nil)
	if err == nil {
		err = p.Fleet.Adopt(body)
	}
	if err != nil {
		p.Log.Debug().Err(err).Msg("no other worker told of the last hour")
	}
}
