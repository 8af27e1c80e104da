// Package worker is the command line of the worker: run, demo, simulate, check, dead, bench.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/version"
)

// Terminal is where a command reads its surroundings from and writes to.
type Terminal struct {
	Out, Err io.Writer
	// Env looks up an environment variable, like os.LookupEnv.
	Env func(string) (string, bool)
	// Environ lists the whole environment, like os.Environ, to find misspelt variables; nil for nobody looks.
	Environ func() []string
	// In is where a person's answers come from; nil, or anything but a terminal, is nobody to be asked.
	In io.Reader
}

// grammar is the whole command line.
type grammar struct {
	Run      runCommand      `cmd:"" default:"withargs" help:"Run the worker (the default)."`
	Demo     demoCommand     `cmd:"" help:"Send a mixed campaign to simulated providers and prove that nothing is lost or doubled. Needs no configuration and no network."`
	Simulate simulateCommand `cmd:"" help:"Run the simulated providers alone, on fixed ports."`
	Check    checkCommand    `cmd:"" help:"Validate the configuration and the credentials, and say what would be used."`
	Dead     deadCommand     `cmd:"" help:"List, show, requeue or drop dead letters: what could not be sent."`
	Bench    benchCommand    `cmd:"" help:"Measure what a notification costs on this machine."`
	Part     benchPart       `cmd:"" hidden:"" name:"bench-part"`
	Version  versionCommand  `cmd:"" help:"Print the version."`

	Completion completionCommand `cmd:"" help:"Print a script that lets bash, zsh or fish complete command lines."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version and quit."`
}

const description = `Volley takes push jobs from NATS JetStream, sends them to Apple (APNs) and Google (FCM/GCM), and publishes what became of every recipient on push.results.

Try it:

  worker demo                                        a whole system in one process
  worker --simulate                                  a worker with simulated providers
  worker --config volley.yaml                        a NATS server runs inside
  worker --config volley.yaml --nats-url nats://127.0.0.1:4222

Settings come from flags, then the environment (VOLLEY_…, NATS_URL, NATS_CREDS, GOOGLE_APPLICATION_CREDENTIALS), then the file, then defaults.

Exit codes:

  0   ok
  1   runtime fault
  2   usage
  69  no broker: NATS can't be reached, or the server inside can't start or has lost its disk; or a port is taken
  70  work was left when the drain timeout ended
  78  configuration or credentials`

// controlVariable is the one VOLLEY_ variable that belongs to a flag and not to the configuration.
const controlVariable = "VOLLEY_CONTROL"

// Run parses args and runs the command. The error carries its exit code; see cli.Code.
func Run(ctx context.Context, args []string, t Terminal) error {
	exited := false
	parser, err := newParser(kong.Writers(t.Out, t.Err), kong.Exit(func(int) { exited = true }))
	if err != nil {
		return err
	}
	if len(args) > 0 && args[0] == cli.CompleteWord {
		cli.Complete(t.Out, parser.Model, args[1:])
		return nil
	}
	command, err := parser.Parse(cli.Asked(args))
	if exited { // --help
		return nil
	}
	if err != nil {
		return cli.Usage(parser, err)
	}
	return command.Run(&session{ctx: ctx, Terminal: t})
}

// newParser makes the parser of the whole command line.
func newParser(more ...kong.Option) (*kong.Kong, error) {
	parser, err := kong.New(&grammar{}, append(more, kong.Name("worker"), kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Vars{"version": "volley " + version.String()})...)
	if err != nil {
		return nil, fmt.Errorf("the command line's own definition: %w", err)
	}
	return parser, nil
}

// Model is the command line as it is defined: commands, flags, variables.
func Model() (*kong.Application, error) {
	parser, err := newParser()
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}

// session is what every command's Run gets.
type session struct {
	Terminal
	ctx context.Context //nolint:containedctx // kong calls Run with bound values, not with a context
}

type completionCommand struct{ cli.Completion }

// Run prints the script.
func (c *completionCommand) Run(s *session) error { return c.Print(s.Out, "worker") }

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(s *session) error {
	_, err := fmt.Fprintln(s.Out, "volley", version.String())
	return err
}

func exit(code int, err error) error {
	var coded *cli.ExitError
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return &cli.ExitError{Code: code, Err: err}
}
