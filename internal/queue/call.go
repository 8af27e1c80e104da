package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// callTimeout is how long one question to the broker may take. A leader that is killed is replaced in 4 to 9 s; the callers ask
// again.
const callTimeout = 5 * time.Second

// link is the connection that is up now: a context that ends when it is lost.
type link struct {
	mu  sync.Mutex
	ctx context.Context
	end context.CancelFunc
}

// up begins a new connection.
func (l *link) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end != nil {
		l.end()
	}
	l.ctx, l.end = context.WithCancel(context.Background())
}

// down ends it.
func (l *link) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end()
}

func (l *link) current() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ctx
}

// call asks the broker something. It ends after callTimeout, and at once when the connection is lost: the answer would not come
// over the next one.
func (c *Conn) call(ctx context.Context, ask func(context.Context) error) error {
	before := c.violation.Load()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	defer context.AfterFunc(c.link.current(), func() { lose(nats.ErrDisconnected) })()
	err := ask(ctx)
	if err != nil && errors.Is(context.Cause(ctx), nats.ErrDisconnected) {
		return fmt.Errorf("%w (%w)", nats.ErrDisconnected, err)
	}
	return c.blame(before, "", err)
}
