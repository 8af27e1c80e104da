// Package demo is `worker demo`: a whole Volley in one process. A broker, both simulated providers and a worker are
// started, a mixed campaign is published through the real subjects, and at the end the events on push.results are
// compared, token by token, with what arrived at the providers.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// Options are what the demo is started with.
type Options struct {
	// Out gets the table and, on a terminal, the progress bar.
	Out io.Writer
	// Log returns the logger of a component; nil for silence.
	Log func(component string) zerolog.Logger
	// Chaos sends the campaign through worker processes that are killed again and again (kill -9).
	Chaos bool
	// Keep leaves everything running after the campaign, until the context ends.
	Keep bool
}

// ErrBooks says that the events and the providers' ledger do not agree.
var ErrBooks = errors.New("the books do not balance: this is a defect in Volley, please report it with the output above")

// Run runs the demo. It leaves nothing behind. The error is ErrBooks if the campaign's books do not balance.
func Run(ctx context.Context, o Options) (err error) {
	dir, remove, err := app.Scratch("demo")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()

	published, err := campaign()
	if err != nil {
		return err
	}
	simulators, err := app.StartSimulators(app.SimulatorOptions{Script: script(), Control: control(o.Keep)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, simulators.Close()) }()
	if o.Chaos {
		return underFire(ctx, o, dir, simulators, published)
	}
	worker, err := start(ctx, o, dir, simulators)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, worker.Stop(context.WithoutCancel(ctx))) }()
	if err := proof(ctx, o, worker.Queue(), simulators, published, &audit{}); err != nil {
		return err
	}
	if o.Keep {
		explore(o.Out, worker, simulators)
		<-ctx.Done()
	}
	return nil
}

// proof plays the campaign, audits it and prints the result.
func proof(ctx context.Context, o Options, q *queue.Conn, simulators *app.Simulators, published []publication, a *audit) error {
	began := time.Now()
	seen, err := play(ctx, q, published, newProgress(o.Out, published))
	if err != nil {
		return err
	}
	took := time.Since(began)
	a.check(published, seen, simulators.Ledger.All())
	if err := a.letters(ctx, q); err != nil {
		return err
	}
	a.print(o.Out, took)
	if len(a.faults) > 0 {
		return ErrBooks
	}
	return nil
}

func control(keep bool) string {
	if keep {
		return "127.0.0.1:0"
	}
	return ""
}

// start starts a worker with a broker of its own, which listens only if somebody is to look around.
func start(ctx context.Context, o Options, dir string, simulators *app.Simulators) (*app.Worker, error) {
	c := config.Default()
	c.NATS.StoreDir, c.NATS.Listen = dir+"/nats", ""
	if o.Keep {
		c.NATS.Listen = "127.0.0.1:0"
	}
	c.Worker, c.HTTP, c.UnknownAppGrace = "demo", "", 0 // nobody is coming with the app that is missing
	if err := os.Mkdir(dir+"/credentials", 0o700); err != nil {
		return nil, fmt.Errorf("making a folder for the simulated credentials: %w", err)
	}
	var err error
	if c.Apps, err = simulators.Credentials(dir + "/credentials"); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("the demo's own configuration: %w", err)
	}
	return app.Start(ctx, app.Options{Config: c, Log: o.Log})
}

// play publishes the campaign and follows the events until every job has its last one.
func play(ctx context.Context, q *queue.Conn, published []publication, bar *progress) (map[string]*outcome, error) {
	defer bar.stop()
	open := make(map[string]bool, len(published))
	for _, p := range published {
		open[key(p.platform, p.app, p.shown)] = true
	}
	seen := make(map[string]*outcome, len(published))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for _, p := range published {
			if _, err := q.PublishJob(ctx, p.platform, p.lane, p.app, p.id, p.body); err != nil {
				return fmt.Errorf("publishing job %s: %w", p.id, err)
			}
		}
		return nil
	})
	group.Go(func() error {
		err := q.Results(ctx, queue.Query{Follow: true}, func(e *results.Event) error {
			k := key(e.Platform, e.App, e.Job)
			o := seen[k]
			if o == nil {
				o = &outcome{}
				seen[k] = o
			}
			o.events = append(o.events, e)
			bar.event(e)
			if e.Done || e.Kind == results.KindJobDone {
				o.done = true
				delete(open, k)
			}
			if len(open) == 0 {
				return errAllDone
			}
			return nil
		})
		if errors.Is(err, errAllDone) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("stopped with %d jobs unfinished, %s among them: %w", len(open), anyKey(open), context.Cause(ctx))
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return seen, nil
}

func anyKey(set map[string]bool) string {
	for k := range set {
		return k
	}
	return ""
}

var errAllDone = errors.New("every job has its last event")

// letters compares the dead letters with the jobs that had to become one.
func (a *audit) letters(ctx context.Context, q *queue.Conn) error {
	stored := 0
	err := q.DeadLetters(ctx, queue.DeadFilter{}, func(queue.DeadLetter) error {
		stored++
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the dead letters: %w", err)
	}
	if stored != a.dead {
		a.fault("%d dead letters are stored for %d dead jobs", stored, a.dead)
	}
	return nil
}

func explore(out io.Writer, worker *app.Worker, simulators *app.Simulators) {
	lines := []string{
		"", "Everything is still running; end it with Ctrl-C. Try:",
		"  enqueue apns --nats-url " + worker.NATS() + ` --to ` + strings.Repeat("ab", 32) + ` --message "Hello" --wait`,
		"  enqueue results --nats-url " + worker.NATS() + " --follow",
		"  curl http://" + simulators.Control() + "/ledger/summary",
	}
	_, _ = fmt.Fprintln(out, strings.Join(lines, "\n"))
}

// recipients counts the recipients of the good jobs for a platform.
func recipients(published []publication, platform jobs.Platform) int {
	n := 0
	for _, p := range published {
		if p.platform == platform && p.dead == "" {
			n += len(p.recipients)
		}
	}
	return n
}
