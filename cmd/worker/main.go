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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; from then on the default action is back, so a second one ends the process now.
	context.AfterFunc(ctx, stop)
	err := worker.Run(ctx, os.Args[1:], worker.Terminal{Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv, Environ: os.Environ, In: os.Stdin})
	os.Exit(cli.Report(os.Stderr, "worker", err))
}
