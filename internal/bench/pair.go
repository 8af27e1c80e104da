package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/queue"
)

// pairWorkers is how many workers a pair has.
const pairWorkers = 2

// pair is two workers with their broker and their provider, each a process of its own, and a connection to the broker.
type pair struct {
	*crew
	provider *part
	conn     *queue.Conn
}

// startPair starts one. of says what the provider is like, and what the workers' app is.
func startPair(ctx context.Context, of Part) (_ *pair, err error) {
	dir, remove, err := app.Scratch("bench")
	if err != nil {
		return nil, err
	}
	p := &pair{crew: &crew{dir: dir, remove: remove}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.end())
		}
	}()
	of.Role = "provider"
	if p.provider, err = p.launch(ctx, of, &ready{}); err != nil {
		return nil, err
	}
	var broker ready
	if _, err = p.launch(ctx, Part{Role: "broker"}, &broker); err != nil {
		return nil, err
	}
	for n := range pairWorkers {
		if _, err = p.launch(ctx, Part{Role: "worker", Broker: broker.Address, Worker: fmt.Sprintf("w-%d", n)}, &ready{}); err != nil {
			return nil, err
		}
	}
	if p.conn, err = queue.Connect(ctx, queue.Options{URL: broker.Address, Name: "bench", Logger: zerolog.Nop()}); err != nil {
		return nil, fmt.Errorf("connecting to the broker: %w", err)
	}
	return p, nil
}

// end ends all of it.
func (p *pair) end() error {
	if p.conn != nil {
		p.conn.Close()
	}
	return p.crew.end()
}
