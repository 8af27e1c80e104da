package app

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// loadEvery is how often the broker is asked the same, at most; who asks in between gets the last answer.
	loadEvery = 5 * time.Second
	// loadPatience is how long whoever asks waits for a fresh answer before he takes the last one.
	loadPatience = 250 * time.Millisecond
	// loadTimeout bounds one question to the broker.
	loadTimeout = 15 * time.Second
	// loadMaxAge is how old an answer may be and still be told.
	loadMaxAge = time.Minute
)

// remembered is what the broker last said to one question, for scrapes and pages: however many ask, the broker is asked now and then, one
// question at a time, and nobody waits for it. Nobody who asks, no question. Safe for concurrent use.
type remembered[T any] struct {
	ask func(context.Context) (T, error)
	now func() time.Time
	log zerolog.Logger

	mu    sync.Mutex
	last  T
	at    time.Time     // when last was asked for; zero for never
	asked time.Time     // when the latest question began
	under chan struct{} // closed when the question under way has ended; nil if there is none
	over  bool
	wg    sync.WaitGroup
}

// get returns what the broker said at most loadMaxAge ago; false if it has not.
func (r *remembered[T]) get() (T, bool) {
	if under := r.refresh(); under != nil {
		patience := time.NewTimer(loadPatience)
		defer patience.Stop()
		select {
		case <-under:
		case <-patience.C:
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, !r.at.IsZero() && r.now().Sub(r.at) <= loadMaxAge
}

// refresh asks the broker if it is time and nobody does. It returns what ends with the question under way, nil for none.
func (r *remembered[T]) refresh() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.under != nil || r.over || !r.asked.IsZero() && now.Sub(r.asked) < loadEvery {
		return r.under
	}
	under := make(chan struct{})
	r.under, r.asked = under, now
	r.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
		defer cancel()
		answer, err := r.ask(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		defer close(under)
		r.under = nil
		if err != nil {
			r.log.Debug().Err(err).Msg("the broker does not say what waits")
			return
		}
		r.last, r.at = answer, now
	})
	return under
}

// close asks no more and waits for the question under way: end the broker's connection first.
func (r *remembered[T]) close() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.wg.Wait()
}
