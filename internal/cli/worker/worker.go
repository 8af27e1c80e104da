// Package worker is the command line of the worker: run, demo, simulate, check.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/version"
)

// Terminal is where a command reads its surroundings from and writes to.
type Terminal struct {
	Out, Err io.Writer
	// Env looks up an environment variable, like os.LookupEnv.
	Env func(string) (string, bool)
}

// grammar is the whole command line.
type grammar struct {
	Run      runCommand      `cmd:"" default:"withargs" help:"Run the worker (the default)."`
	Demo     demoCommand     `cmd:"" help:"Send a mixed campaign to simulated providers and prove that nothing is lost or doubled. Needs no configuration and no network."`
	Simulate simulateCommand `cmd:"" help:"Run the simulated providers alone, on fixed ports."`
	Check    checkCommand    `cmd:"" help:"Validate the configuration and the credentials, and say what would be used."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

const description = `Volley takes push jobs from NATS JetStream, sends them to Apple (APNs) and Google (FCM/GCM), and publishes what became of every recipient on push.results.

Try it:          worker demo
Without NATS:    worker --config volley.yaml            (a server runs inside)
With NATS:       worker --config volley.yaml --nats-url nats://127.0.0.1:4222
Without Apple:   worker --simulate

Settings come from flags, then the environment (VOLLEY_…, NATS_URL, NATS_CREDS, GOOGLE_APPLICATION_CREDENTIALS), then the file, then defaults.
Exit codes: 0 ok, 1 runtime fault, 2 usage, 69 broker unavailable, 70 work left at drain, 78 configuration.`

// Run parses args and runs the command. The error carries its exit code; see cli.Code.
func Run(ctx context.Context, args []string, t Terminal) error {
	var g grammar
	exited := false
	parser, err := kong.New(&g, kong.Name("worker"), kong.Description(description), kong.Writers(t.Out, t.Err),
		kong.Exit(func(int) { exited = true }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.UsageOnError())
	if err != nil {
		return fmt.Errorf("the command line's own definition: %w", err)
	}
	command, err := parser.Parse(args)
	if exited { // --help
		return nil
	}
	if err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("%w (worker --help lists everything)", err)}
	}
	return command.Run(&session{ctx: ctx, Terminal: t})
}

// session is what every command's Run gets.
type session struct {
	Terminal
	ctx context.Context //nolint:containedctx // kong calls Run with bound values, not with a context
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(s *session) error {
	_, err := fmt.Fprintln(s.Out, "volley", version.String())
	return err
}

func joined(err error) string {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		lines = append(lines, "  "+line)
	}
	return strings.Join(lines, "\n")
}

func exit(code int, err error) error {
	var coded *cli.ExitError
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return &cli.ExitError{Code: code, Err: err}
}
