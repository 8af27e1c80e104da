// Command worker takes push jobs from NATS JetStream and sends them to Apple and Google.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/cli/worker"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		// The first signal asks for an orderly end. The default action is back before anybody hears of it, so a second one ends the
		// process now.
		signal.Stop(signals)
		cancel()
	}()
	err := worker.Run(ctx, os.Args[1:], worker.Terminal{Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv, Environ: os.Environ, In: os.Stdin})
	os.Exit(cli.Report(os.Stderr, "worker", err))
}
