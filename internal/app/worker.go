// Package app is the worker as an embeddable process: it wires configuration, broker, providers and pipeline together and
// owns their lifecycle. Several workers can run in one process; there is no global state.
package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/dash"
	"github.com/volleypush/volley/internal/obs"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// Options are what a worker is started with.
type Options struct {
	// Config is validated and complete.
	Config *config.Config
	// Log returns the logger of a component ("volley.apns"); nil for silence.
	Log func(component string) zerolog.Logger
	// File is the configuration's file, and Read reads it as it was read for Config, validated: so apps come and go while the worker runs.
	// "" and nil leave the apps as they are.
	File string
	Read func() (*config.Config, error)
	// SetLevels puts the levels of a configuration that was read again in force; nil leaves them as they are.
	SetLevels func(config.Log) error
	// CredentialLook is the pause between two looks at the files of credentials; 0 is half a minute.
	CredentialLook time.Duration
}

// Worker is a running worker.
type Worker struct {
	options  Options
	broker   *Broker
	registry *provider.Registry
	keeper   *keeper
	// running ends when the worker is asked to stop: pulls end with it.
	running context.Context //nolint:containedctx // it is the worker's lifetime, read by the health endpoint
	stop    context.CancelFunc
	halt    context.CancelFunc
	done    chan struct{}
	err     error
	http    *httpServer
	core    *pipeline.Core
	pages   *dash.Server
	member  sync.WaitGroup // tells the fleet
	roster  roster
	metrics *obs.Metrics
	loads   *remembered[queue.Load]
	waits   *remembered[dash.Waiting]
	// closed says that the web page is not shown, because others could reach it without a token.
	closed bool
}

// highShare is the part of max_deliveries, one in so many, that is kept for the lane high.
const highShare = 8

// Start starts a worker: credentials, broker, streams, pulls, in this order. An error leaves nothing running.
func Start(ctx context.Context, o Options) (*Worker, error) {
	if o.Log == nil {
		o.Log = func(string) zerolog.Logger { return zerolog.Nop() }
	}
	w := &Worker{options: o, done: make(chan struct{})}
	// The broker's time is asked for when the first job is prepared, long after the broker is there.
	registry, keeper, err := openApps(o.Config, func() time.Time { return w.broker.Now() }, o.Log)
	if err != nil {
		return nil, err
	}
	w.registry, w.keeper = registry, keeper
	if o.CredentialLook > 0 {
		keeper.every = o.CredentialLook
	}
	if o.Read != nil {
		keeper.source = &source{changes: watch(o.File), read: o.Read, setLevels: o.SetLevels}
	}
	if w.broker, err = StartBroker(ctx, o.Config, o.Log); err != nil {
		return nil, errors.Join(err, registry.Close())
	}
	if err := w.begin(ctx); err != nil {
		w.broker.Stop()
		return nil, errors.Join(err, registry.Close())
	}
	return w, nil
}

func (w *Worker) begin(ctx context.Context) error {
	c := w.options.Config
	for _, platform := range jobs.Platforms() {
		for _, name := range w.registry.Known(platform) {
			if err := w.broker.EnsureApp(ctx, platform, name); err != nil {
				return fmt.Errorf("preparing the queues of app %q: %w", name, err)
			}
		}
	}
	// Pulls end with running; what was pulled goes on until handling ends.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	handling, halt := context.WithCancel(context.WithoutCancel(ctx))
	w.stop, w.halt = stop, halt
	group, running := errgroup.WithContext(running)
	w.running = running
	w.loads = &remembered[queue.Load]{ask: w.broker.Load, now: time.Now, log: w.options.Log("volley.http")}
	w.waits = &remembered[dash.Waiting]{ask: pageBroker{conn: w.broker.Conn}.lookAtWaiting, now: time.Now, log: w.options.Log("volley.http")}
	from := &sources{worker: w}
	w.metrics = from.metrics()
	observed := newObserver(w.options.Log("volley.pipeline"), w.metrics, w.registry, time.Now)
	orders := w.broker.Watch()
	dying := newMortal(w.broker.Conn)
	core := pipeline.New(dying.ports(pipeline.Params{
		Events: w.broker, Work: w.broker, Status: w.broker, Dead: w.broker, Claims: w.broker, Clock: w.broker, Control: orders, Apps: w.registry,
		Observer: observed, Random: rand.Float64, Wait: wait,
		MaxPayload: w.broker.MaxPayload(), MaxSegments: c.MaxSegments, MaxDeliveries: c.MaxDeliveries, Worker: c.Worker,
		AckWait: c.AckWait, UnknownAppGrace: c.UnknownAppGrace, StrangerBacklog: int64(config.DefaultBacklog), Nonce: uuid.NewString, Draining: running,
	}))
	// Segments have slots of their own, as many as are sent at once: a worker that pulled more would keep them from the others.
	deliveries, segments := queue.NewSlots(queue.SlotOptions{
		Size: c.MaxDeliveries, Reserve: c.MaxDeliveries / highShare, Bytes: pipeline.DeliveryBytes,
	}), queue.NewSlots(queue.SlotOptions{Size: c.MaxSegments + pipeline.HighSegments, Reserve: pipeline.HighSegments})
	w.core = core
	from.of(deliveries, segments)
	group.Go(func() error { return observed.run(running) })
	crew := &shift{
		worker: w, core: core, running: running, handling: handling, group: group, orders: orders, handle: dying.handle(core.Handle), together: dying.together(core.HandleTogether), segments: segments,
		pulls: map[sideKey]pulls{}, own: map[string]*queue.Slots{}, silence: map[sideKey]func(){}, feedback: w.newFeedback(), readers: map[string]reader{},
	}
	for _, s := range w.keeper.sides() {
		w.roster.put(s)
		if err := crew.readFeedback(s); err != nil {
			stop()
			halt()
			return err
		}
	}
	if err := w.show(handling); err != nil {
		stop()
		halt()
		return err
	}
	group.Go(func() error {
		err := w.broker.watch(running)
		if err != nil {
			log := w.options.Log("volley")
			log.Error().Err(err).Msg("the worker ends")
		}
		return err
	})
	group.Go(func() error { return orders.Run(running) })
	for _, platform := range jobs.Platforms() {
		for _, lane := range jobs.Lanes() {
			crew.pull(running, queue.Puller{
				Stream: jobs.StreamJobs, Durable: jobs.IntakeDurable(platform, lane), Slots: deliveries,
				Turn: queue.Turn{Lane: lane}, Together: crew.together,
			})
		}
	}
	for _, s := range w.keeper.sides() {
		crew.begin(s)
	}
	w.keeper.crew = crew
	strays := &strays{
		broker: w.broker, grace: c.UnknownAppGrace, halted: handling.Done(), handle: crew.handle, log: w.options.Log("volley.app"),
		known: func(key sideKey) bool {
			_, ok := w.registry.App(key.platform, key.name)
			return ok
		},
	}
	group.Go(func() error { return strays.run(running) })
	group.Go(func() error {
		return w.keeper.run(running, func(ctx context.Context, e *results.Event) {
			if e.State == stateReloaded || e.State == stateAdded {
				core.TryNow(e.Platform, e.App) // what was refused may be taken now
			}
			core.News(ctx, e)
		})
	})
	go func() {
		w.err = group.Wait()
		observed.tellSums()
		close(w.done)
	}()
	return nil
}

// Reload looks at once for what has changed, in the configuration's file and in those of credentials, and logs it in one line. Safe for
// concurrent use.
func (w *Worker) Reload() { w.keeper.ask() }

// Ending is closed when the worker stops pulling, asked or not. Stop then waits for what is in flight and says why.
func (w *Worker) Ending() <-chan struct{} { return w.running.Done() }

// NATS is the URL under which publishers reach the worker's broker; "" if it does not listen.
func (w *Worker) NATS() string { return w.broker.Address() }

// HTTP is the host:port of the HTTP server; "" if it has none.
func (w *Worker) HTTP() string {
	if w.http == nil {
		return ""
	}
	return w.http.addr
}

// Queue is the worker's connection to the broker.
func (w *Worker) Queue() *queue.Conn { return w.broker.Conn }

// Stop drains: it stops pulling, waits for what is in flight as long as ctx and the drain timeout allow, then gives up on it
// (ErrWorkLeft). Everything the worker started has ended when Stop returns. Call it once.
func (w *Worker) Stop(ctx context.Context) error {
	log := w.options.Log("volley")
	log.Info().Msg("stopping: what is in flight is finished first; a second signal ends the worker now")
	w.stop()
	timeout := time.NewTimer(w.options.Config.DrainTimeout)
	defer timeout.Stop()
	var left error
	select {
	case <-w.done:
	case <-timeout.C:
		left = ErrWorkLeft
	case <-ctx.Done():
		left = ErrWorkLeft
	}
	w.halt()
	<-w.done
	w.member.Wait()
	if w.http != nil {
		w.http.close()
		w.pages.Close()
	}
	err := errors.Join(left, w.registry.Close())
	w.broker.Stop()
	w.loads.close()
	w.waits.close()
	if w.err != nil && !errors.Is(w.err, context.Canceled) {
		err = errors.Join(err, w.err)
	}
	return err
}

// wait blocks for d or until the context ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
