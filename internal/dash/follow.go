package dash

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/results"
)

const (
	// readBack is how many of the last stored events are read when somebody looks first.
	readBack = maxEntries
	// idleAfter is how long after the last look the events are not followed any more: following costs each worker as much as decoding
	// what all of them store.
	idleAfter = 15 * time.Minute
	// followAgain is the pause before a reading that failed begins again.
	followAgain = 2 * time.Second
)

// follower keeps an index of the events while somebody looks at it.
type follower struct {
	broker Broker
	now    func() time.Time
	log    zerolog.Logger
	// every is the pause between two looks whether anybody looks.
	every time.Duration
	// wanted is sent to when an index was made that nobody fills yet.
	wanted chan *Index

	mu    sync.Mutex
	index *Index // nil while nobody looks
	seen  time.Time
}

func newFollower(broker Broker, now func() time.Time, log zerolog.Logger) *follower {
	return &follower{broker: broker, now: now, log: log, every: idleAfter / 15, wanted: make(chan *Index, 1)}
}

// look returns the index, which is followed from now on if it was not.
func (f *follower) look() *Index {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = f.now()
	if f.index == nil {
		f.index = NewIndex()
		select {
		case f.wanted <- f.index:
		default: // it was forgotten and is wanted again before run has seen that; the next look finds it
			f.index = nil
			return NewIndex()
		}
	}
	return f.index
}

// run follows whenever it is wanted, until the context ends.
func (f *follower) run(ctx context.Context) {
	for {
		select {
		case index := <-f.wanted:
			f.whileLookedAt(ctx, index)
		case <-ctx.Done():
			return
		}
	}
}

// whileLookedAt fills the index until nobody has looked at it for a while.
func (f *follower) whileLookedAt(ctx context.Context, index *Index) {
	ctx, stop := context.WithCancel(ctx)
	var filling sync.WaitGroup
	filling.Go(func() { f.fill(ctx, index) })
	defer filling.Wait()
	defer stop()
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for !f.idle() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// fill reads until the context ends.
func (f *follower) fill(ctx context.Context, index *Index) {
	for ctx.Err() == nil {
		err := f.broker.Follow(ctx, readBack, func(e *results.Event) error {
			index.Note(e)
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		f.log.Debug().Err(err).Msg("the events for the web page can't be followed, trying again")
		pause := time.NewTimer(followAgain)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// idle says whether nobody has looked for a while. Then the index is forgotten.
func (f *follower) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now().Sub(f.seen) < idleAfter {
		return false
	}
	f.index = nil
	return true
}
