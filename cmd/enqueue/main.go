// Command enqueue publishes push notification jobs and shows what became of them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/cli/enqueue"
)

func main() { os.Exit(run()) }

// run returns the exit code, so that its deferred calls happen before the process ends.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Report(os.Stderr, "enqueue", enqueue.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}
