package worker

import (
	"errors"
	"fmt"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/cli"
)

type checkCommand struct {
	settings
	Connect bool `help:"Also ask the providers whether they take each app's credential: Apple with one notification to a device token that no device has, Google with a message that it checks and does not deliver."`
	Print   bool `help:"Print the configuration that results from file, environment and flags, with secrets redacted."`
}

// Help is shown below the usage line of "worker check --help".
func (checkCommand) Help() string {
	return `Examples:
  worker check --config volley.yaml
  worker check --config volley.yaml --connect
  worker check --config volley.yaml --print`
}

// Run checks and reports.
func (r *checkCommand) Run(s *session) error {
	c, err := r.load(s.Terminal)
	if err != nil {
		return err
	}
	if r.Print {
		if err := c.Print(s.Out); err != nil {
			return exit(cli.ExitFailure, fmt.Errorf("printing the configuration: %w", err))
		}
	}
	if len(c.Apps) == 0 {
		return &cli.ExitError{Code: cli.ExitConfig, Err: errNoApps}
	}
	if err := c.Validate(); err != nil {
		return exit(cli.ExitConfig, err)
	}
	switch err := app.Check(s.ctx, c, r.Connect, s.Out); {
	case errors.Is(err, app.ErrCredentials):
		return exit(cli.ExitConfig, err)
	case err != nil:
		return exit(cli.ExitFailure, err)
	}
	contacted := "Nothing was contacted."
	if r.Connect {
		contacted = "The providers take them."
	}
	_, err = fmt.Fprintln(s.Out, "The configuration and its credentials can be used. "+contacted)
	return err
}
