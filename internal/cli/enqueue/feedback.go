package enqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

type feedbackCmd struct {
	App     string        `default:"default" placeholder:"NAME" help:"The app, which must have protocol binary (default: ${default})."`
	Timeout time.Duration `default:"1m" help:"How long to wait for the worker's answer (default: ${default})."`
	cli.OutputFlags
}

// Help is shown below the usage line of "enqueue feedback --help".
func (*feedbackCmd) Help() string {
	return `Asks a worker to read Apple's feedback service now, which lists the device tokens that are gone. The worker stores them as events of the kind
feedback on push.results, as it also does by itself at the app's feedback_interval.

Examples:

    enqueue feedback --app old
    enqueue feedback --app old -o json | jq -r '.expired_tokens[].token'

JSON is the events that hold the tokens.

Exit codes: 0 read and stored, 1 a fault, 2 a wrong flag, 69 no server or no worker with the app, 78 unreadable credentials.`
}

// Run implements the command.
func (c *feedbackCmd) Run(s *session) error {
	if c.App == "" || strings.ContainsFunc(c.App, notInName) {
		return cli.Exitf(cli.ExitUsage, "--app: a name has only letters, digits, _ and - in it")
	}
	conn, err := s.connect(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(s.ctx, c.Timeout)
	defer cancel()
	text, err := conn.Ask(ctx, jobs.SubjectFeedback+"."+c.App, nil)
	switch {
	case errors.Is(err, queue.ErrNobody):
		return cli.Exitf(cli.ExitUnavailable, "no worker has an app %q with protocol binary; start one, or name another app with --app", c.App)
	case err != nil && s.ctx.Err() == nil && ctx.Err() != nil:
		return fmt.Errorf("the worker has not answered within %s; what it reads is stored all the same (enqueue results --app %s), or give it more time with --timeout", c.Timeout, c.App)
	case err != nil:
		return err
	}
	var reading app.FeedbackReading
	if err := json.Unmarshal(text, &reading); err != nil {
		return fmt.Errorf("the worker's answer can't be read: %w", err)
	}
	if c.JSON() {
		err = c.print(s, conn, reading)
	} else {
		_, err = fmt.Fprintf(s.stdout, "%s in %s of app %s (job %s in their subjects, reading %s)\n", counted(reading.Tokens, "expired token", "expired tokens"),
			counted(reading.Events, "event", "events"), c.App, results.JobFeedback, reading.Reading)
	}
	if reading.Error != "" {
		err = errors.Join(err, errors.New(reading.Error))
	}
	return err
}

// print prints the reading's events.
func (c *feedbackCmd) print(s *session, conn *queue.Conn, reading app.FeedbackReading) error {
	if reading.Events == 0 {
		return nil
	}
	return conn.Results(s.ctx, queue.Query{Platform: jobs.APNS, App: c.App, Job: results.JobFeedback}, func(e *results.Event) error {
		if e.Reading != reading.Reading {
			return nil
		}
		body, err := results.Encode(e)
		if err != nil {
			return fmt.Errorf("writing event %s: %w", e.ID, err)
		}
		_, err = fmt.Fprintf(s.stdout, "%s\n", body)
		return err
	})
}
