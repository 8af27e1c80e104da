package worker

import (
	"fmt"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/cli"
)

type checkCommand struct {
	settings
	Print bool `help:"Print the configuration that results from file, environment and flags, with secrets redacted."`
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
	if err := app.Check(c, s.Out); err != nil {
		return exit(cli.ExitConfig, err)
	}
	_, err = fmt.Fprintln(s.Out, "The configuration and its credentials can be used. Nothing was contacted.")
	return err
}
