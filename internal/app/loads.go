package app

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/queue"
)

const (
	// loadEvery is how often the broker is asked what waits, at most; who asks in between gets the last answer.
	loadEvery = 5 * time.Second
	// loadPatience is how long whoever asks waits for a fresh answer before he takes the last one.
	loadPatience = 250 * time.Millisecond
	// loadTimeout bounds one question to the broker.
	loadTimeout = 15 * time.Second
	// loadMaxAge is how old an answer may be and still be told.
	loadMaxAge = time.Minute
)

// loads remembers what the broker last said of its queues, for scrapes and pages: however many ask, the broker is asked now and then, one
// question at a time, and nobody waits for it. Safe for concurrent use.
type loads struct {
	ask func(context.Context) (queue.Load, error)
	now func() time.Time
	log zerolog.Logger

	mu    sync.Mutex
	last  queue.Load
	at    time.Time     // when last was asked for; zero for never
	asked time.Time     // when the latest question began
	under chan struct{} // closed when the question under way has ended; nil if there is none
	over  bool
	wg    sync.WaitGroup
}

// get returns what the broker said at most loadMaxAge ago; false if it has not.
func (l *loads) get() (queue.Load, bool) {
	if under := l.refresh(); under != nil {
		patience := time.NewTimer(loadPatience)
		defer patience.Stop()
		select {
		case <-under:
		case <-patience.C:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, !l.at.IsZero() && l.now().Sub(l.at) <= loadMaxAge
}

// refresh asks the broker if it is time and nobody does. It returns what ends with the question under way, nil for none.
func (l *loads) refresh() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.under != nil || l.over || !l.asked.IsZero() && now.Sub(l.asked) < loadEvery {
		return l.under
	}
	under := make(chan struct{})
	l.under, l.asked = under, now
	l.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
		defer cancel()
		load, err := l.ask(ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		defer close(under)
		l.under = nil
		if err != nil {
			l.log.Debug().Err(err).Msg("the broker does not say what waits in its queues")
			return
		}
		l.last, l.at = load, now
	})
	return under
}

// close asks no more and waits for the question under way: end the broker's connection first.
func (l *loads) close() {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.wg.Wait()
}
