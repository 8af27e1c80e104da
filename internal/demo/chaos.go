package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/jobs"
)

// The measures of `worker demo --chaos`.
const (
	fireWorkers = 3
	fireKills   = 5
	// fireEvery is the pause between two kills: longer than an ack wait, so that what one of them interrupted is under way again
	// before the next.
	fireEvery    = 3500 * time.Millisecond
	fireAckWait  = time.Second
	fireSegments = 4
)

// underFire plays the campaign through worker processes of this very program, which are killed one after the other.
func underFire(ctx context.Context, o Options, dir string, simulators *app.Simulators, published []publication) (err error) {
	log := o.Log
	if log == nil {
		log = func(string) zerolog.Logger { return zerolog.Nop() }
	}
	c := config.Default()
	c.NATS.StoreDir, c.NATS.Listen, c.Worker, c.AckWait = dir+"/nats", "127.0.0.1:0", "demo", fireAckWait
	broker, err := app.StartBroker(ctx, c, log)
	if err != nil {
		return err
	}
	defer broker.Stop()
	if err := simulators.WriteConfig(dir + "/credentials"); err != nil {
		return err
	}
	// Slow enough for the campaign to last as long as the kills do.
	if err := simulators.Scripts.Set(slowed(script())); err != nil {
		return fmt.Errorf("the demo's own script: %w", err)
	}
	crew, err := muster(dir+"/credentials/volley.yaml", broker.Address(), o.Out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, crew.dismiss()) }()
	_, _ = fmt.Fprintf(o.Out, "%d workers; one of them is killed every %s and replaced.\n", fireWorkers, fireEvery)
	firing, cease := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- crew.fire(firing) }()
	a := &audit{kills: crew.fallen, allowed: func() int { return crew.fallen() * fireSegments * jobs.MaxSegmentRecipients }}
	err = proof(ctx, o, broker.Conn, simulators, published, a)
	cease()
	return errors.Join(err, <-done)
}

// crew is some worker processes.
type crew struct {
	config, nats string
	out          io.Writer
	program      string

	mu      sync.Mutex
	workers []*exec.Cmd
	started int
	killed  int
}

func muster(config, nats string, out io.Writer) (*crew, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program's own file: %w", err)
	}
	c := &crew{config: config, nats: nats, out: out, program: program}
	for range fireWorkers {
		if err := c.enlist(); err != nil {
			return nil, errors.Join(err, c.dismiss())
		}
	}
	return c, nil
}

// enlist starts one more worker.
func (c *crew) enlist() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started++
	worker := exec.Command(c.program, "run", "--config", c.config, "--nats-url", c.nats, "--worker", "demo-"+strconv.Itoa(c.started), //nolint:gosec,noctx // it is this program, and dismiss ends it
		"--ack-wait", fireAckWait.String(), "--max-segments", strconv.Itoa(fireSegments), "--log-level", "error",
		"--http", "", "--unknown-app-grace", "0s") // nobody is coming with the app that is missing
	worker.Stderr = c.out
	if err := worker.Start(); err != nil {
		return fmt.Errorf("starting a worker: %w", err)
	}
	c.workers = append(c.workers, worker)
	return nil
}

// fire kills the oldest worker and replaces it, again and again.
func (c *crew) fire(ctx context.Context) error {
	tick := time.NewTicker(fireEvery)
	defer tick.Stop()
	for range fireKills {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		c.mu.Lock()
		oldest := c.workers[0]
		c.workers = c.workers[1:]
		c.killed++
		c.mu.Unlock()
		if err := end(oldest); err != nil {
			return err
		}
		if err := c.enlist(); err != nil {
			return err
		}
	}
	return nil
}

// end kills a process and waits until it is gone.
func end(worker *exec.Cmd) error {
	if err := worker.Process.Kill(); err != nil {
		return fmt.Errorf("killing a worker: %w", err)
	}
	_ = worker.Wait() // it was killed
	return nil
}

// fallen is how many were killed so far.
func (c *crew) fallen() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed
}

// dismiss ends whoever is left.
func (c *crew) dismiss() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, worker := range c.workers {
		errs = append(errs, end(worker))
	}
	c.workers = nil
	return errors.Join(errs...)
}
