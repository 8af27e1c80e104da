package natsembed

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/rs/zerolog"
)

// bridge hands nats-server's log to ours. Notices become debug lines: what they tell (streams recovered, port opened) the
// worker says in its own words.
type bridge struct {
	out zerolog.Logger

	mu    sync.Mutex
	first error
	// lost is what made the store unusable, broken is closed with it.
	lost   error
	broken chan struct{}
}

// writeError is how nats-server begins to tell that it writes no more to a stream, or knows no more what it has written. Nothing but
// its log tells, and only a start anew mends it, also when the disk has room again.
const writeError = "critical write error"

func (b *bridge) Noticef(format string, v ...any) { b.out.Debug().Msgf(format, v...) }
func (b *bridge) Warnf(format string, v ...any)   { b.out.Warn().Msgf(format, v...) }
func (b *bridge) Debugf(format string, v ...any)  { b.out.Debug().Msgf(format, v...) }
func (b *bridge) Tracef(format string, v ...any)  { b.out.Trace().Msgf(format, v...) }

// Errorf also keeps what makes the store unusable.
func (b *bridge) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	b.out.Error().Msg(text)
	if !strings.Contains(strings.ToLower(text), writeError) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost == nil {
		b.lost = errors.New(text)
		close(b.broken)
	}
}

// fault returns what made the store unusable, nil if nothing has.
func (b *bridge) fault() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// Fatalf keeps the first fault. nats-server calls it where its own program would end; ours must not.
func (b *bridge) Fatalf(format string, v ...any) {
	b.out.Debug().Msgf(format, v...)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first != nil {
		return
	}
	b.first = fmt.Errorf(format, v...)
	for _, arg := range v {
		if err, ok := arg.(error); ok {
			b.first = err // keeps the kind of the fault: an address in use is told apart from a broken store
		}
	}
}

// fatal returns the first fault, nil if there was none.
func (b *bridge) fatal() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.first
}
