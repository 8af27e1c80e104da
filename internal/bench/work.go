package bench

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/config"
)

// work is the process that is a whole worker, the same as `worker run`.
func work(ctx context.Context, p Part, std Standard) error {
	c, err := config.Load(filepath.Join(p.Dir, configFile), func(string) (string, bool) { return "", false })
	if err != nil {
		return err
	}
	c.NATS.URL, c.Worker = config.NewURL(p.Broker), p.Worker
	tended, stopTending := context.WithCancel(ctx)
	defer stopTending()
	go app.TendHeap(tended)
	worker, err := app.Start(ctx, app.Options{Config: c, Log: func(string) zerolog.Logger { return zerolog.Nop() }})
	if err != nil {
		return fmt.Errorf("starting a worker: %w", err)
	}
	meter := newMeter(p.Profile)
	err = obey(std.In, std.Out, ready{}, func(do string) (any, error) {
		used := meter.read()
		if do == doReset {
			meter.reset()
		}
		return used, nil
	})
	if stopped := worker.Stop(ctx); err == nil {
		err = stopped
	}
	return err
}
