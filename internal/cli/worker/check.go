package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/cli"
)

type checkCommand struct {
	settings
	cli.OutputFlags
	Connect bool `help:"Also look at the broker, its streams and durables, and ask the providers whether they take each app's credential: Apple with one notification to a device token that no device has, Google with a message that it checks and does not deliver. Nothing is changed."`
	Strict  bool `help:"Warnings count as errors."`
	Print   bool `help:"Print the configuration that results from file, environment and flags, with secrets redacted."`
}

// Help is shown below the usage line of "worker check --help".
func (checkCommand) Help() string {
	return `Each line is ok, a warning or an error, with what to do about it. Exit code: 0 if there is no error (with --strict: and no warning), 78 for configuration and
credentials, 69 for the broker, 1 for anything else.

Examples:
  worker check --config volley.yaml
  worker check --config volley.yaml --connect
  worker check --config volley.yaml --connect --strict -o json
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
	report, err := app.Check(s.ctx, c, r.Connect)
	switch {
	case errors.Is(err, app.ErrCredentials):
		return exit(cli.ExitConfig, err)
	case err != nil:
		return exit(cli.ExitFailure, err)
	}
	if err := r.write(s, report); err != nil {
		return exit(cli.ExitFailure, fmt.Errorf("writing the report: %w", err))
	}
	return r.verdict(report)
}

// write writes the report.
func (r *checkCommand) write(s *session, report *app.Report) error {
	if r.JSON() {
		for _, f := range report.Findings {
			if err := json.NewEncoder(s.Out).Encode(f); err != nil {
				return err
			}
		}
		return nil
	}
	paint := cli.NewPaint(s.Out, s.Env)
	colours := map[app.Verdict]func(string) string{app.OK: paint.Good, app.Warning: paint.Warn, app.Bad: paint.Bad}
	table := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, f := range report.Findings {
		text := f.Text
		if f.Remedy != "" {
			text += ": " + f.Remedy
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", colours[f.Verdict](string(f.Verdict)), f.Subject, text)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	errs, warnings := report.Count(app.Bad), report.Count(app.Warning)
	if errs > 0 || r.Strict && warnings > 0 {
		return nil // the verdict says it
	}
	end := "The configuration and its credentials can be used. Nothing was contacted."
	if r.Connect {
		end = "The configuration and its credentials can be used. The providers take them."
	}
	if warnings > 0 {
		end += fmt.Sprintf(" Look at %s.", counted(warnings, "warning"))
	}
	_, err := fmt.Fprintln(s.Out, end)
	return err
}

// verdict is the exit code.
func (r *checkCommand) verdict(report *app.Report) error {
	errs, warnings := report.Count(app.Bad), report.Count(app.Warning)
	switch {
	case report.Is(app.ErrCredentials):
		return cli.Exitf(cli.ExitConfig, "%s, %s", counted(errs, "error"), counted(warnings, "warning"))
	case report.Is(app.ErrBroker):
		return cli.Exitf(cli.ExitUnavailable, "%s, %s", counted(errs, "error"), counted(warnings, "warning"))
	case errs > 0:
		return cli.Exitf(cli.ExitFailure, "%s, %s", counted(errs, "error"), counted(warnings, "warning"))
	case r.Strict && warnings > 0:
		return cli.Exitf(cli.ExitFailure, "%s, which --strict takes for errors", counted(warnings, "warning"))
	}
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
