package enqueue

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

type resultsCmd struct {
	Follow   bool          `short:"f" help:"Go on with what comes, until interrupted."`
	Since    string        `placeholder:"1h|TIME" help:"Begin that long ago (30s, 1h, 0s for only what comes), or at a time, RFC 3339 (default: everything that is still stored)."`
	Platform jobs.Platform `enum:",apns,gcm" default:"" placeholder:"apns|gcm" help:"Only this platform."`
	App      string        `placeholder:"NAME" help:"Only this app."`
	Campaign string        `placeholder:"NAME" help:"Only this campaign."`
	Job      string        `placeholder:"ID" help:"Only this job."`
	cli.OutputFlags
}

// Help is shown below the usage line of "enqueue results --help".
func (*resultsCmd) Help() string {
	return `Examples:

    enqueue results --since 1h
    enqueue results --follow --platform apns --app default
    enqueue results --job promo-7 -o json | jq -r '.expired_tokens[].token'

JSON is whole events, with tokens in full; the table has none.

Exit codes: 0 done or interrupted, 1 a fault, 2 a wrong flag, 69 no server, 78 unreadable credentials.`
}

// Run implements the command.
func (c *resultsCmd) Run(s *session) error {
	ago, at, err := c.start()
	if err != nil {
		return err
	}
	conn, err := s.connect(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	query := queue.Query{Platform: c.Platform, App: c.App, Job: c.Job, Campaign: c.Campaign, Follow: c.Follow, Since: at}
	if c.Since != "" && at.IsZero() {
		query.Since = conn.Now().Add(-ago) // the broker's time: it is the one that stamped the events
	}
	err = conn.Results(s.ctx, query, func(e *results.Event) error {
		if c.JSON() {
			body, err := results.Encode(e)
			if err != nil {
				return fmt.Errorf("writing event %s: %w", e.ID, err)
			}
			_, err = fmt.Fprintf(s.stdout, "%s\n", body)
			return err
		}
		_, err := fmt.Fprintln(s.stdout, eventLine(e))
		return err
	})
	switch {
	case s.ctx.Err() != nil: // Ctrl-C is how --follow ends
		return nil
	case errors.Is(err, queue.ErrUnavailable), errors.Is(err, queue.ErrTopology):
		return cli.Exit(cli.ExitUnavailable, err)
	}
	return err
}

// start checks the filters and reads --since: so long ago, or at a time.
func (c *resultsCmd) start() (ago time.Duration, at time.Time, err error) {
	for _, filter := range []struct{ flag, value string }{{"--app", c.App}, {"--job", c.Job}} {
		// Both become part of a subject: a dot or wildcard would ask for something else.
		if strings.ContainsFunc(filter.value, notInName) {
			return 0, time.Time{}, cli.Exitf(cli.ExitUsage, "%s: a name has only letters, digits, _ and - in it", filter.flag)
		}
	}
	if c.Since == "" {
		return 0, time.Time{}, nil
	}
	if ago, err = time.ParseDuration(c.Since); err == nil && ago >= 0 {
		return ago, time.Time{}, nil
	}
	if at, err = time.Parse(time.RFC3339, c.Since); err == nil {
		return 0, at, nil
	}
	return 0, time.Time{}, cli.Exitf(cli.ExitUsage, "--since: must be a duration such as 90s or 1h, or a time such as 2026-11-23T10:00:00Z")
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}

// eventLine is an event in one line without tokens: when, which job, what happened, and why.
func eventLine(e *results.Event) string {
	var out strings.Builder
	out.WriteString(e.At.UTC().Format("2006-01-02T15:04:05.000Z"))
	fmt.Fprintf(&out, " %s/%s", e.Platform, e.App)
	if e.Job != "" {
		out.WriteString(" " + e.Job)
	}
	switch e.Kind {
	case results.KindCredential, results.KindProvider:
		return out.String() + fmt.Sprintf(" %s %s: %s", e.Kind, e.State, e.Detail)
	case results.KindFeedback:
		return out.String() + " feedback service: " + counted(len(e.ExpiredTokens), "expired token", "expired tokens")
	case results.KindDuplicateJob:
		return out.String() + " was published again; its first run counts"
	case results.KindJobDone:
		out.WriteString(" done")
		if e.Totals != nil {
			out.WriteString(": " + totalsWords(*e.Totals))
		}
		return out.String()
	case results.KindDead:
		out.WriteString(" dead letter")
		if e.Dead != nil {
			out.WriteString(": " + deadWords(e.Dead))
		}
		return out.String()
	case results.KindSegment:
	}
	if e.Segments > 1 {
		fmt.Fprintf(&out, " segment %d of %d", e.Segment+1, e.Segments)
	}
	if e.Round > 0 {
		fmt.Fprintf(&out, " round %d", e.Round)
	}
	out.WriteString(": " + segmentWords(e))
	if e.Detail != "" {
		out.WriteString("; " + e.Detail)
	}
	return out.String()
}

func segmentWords(e *results.Event) string {
	words := []string{fmt.Sprintf("sent %s of %s", count(e.Sent), count(e.Recipients))}
	reasons := counts{}
	reasons.add(e)
	// One word per reason: the events themselves tell the rest.
	short := map[string]int{}
	var order []string
	for _, r := range reasons.sorted() {
		name := r.Kind
		if r.Reason != "" {
			name += " " + r.Reason
		}
		if short[name] == 0 {
			order = append(order, name)
		}
		short[name] += reasons[r]
	}
	for _, name := range order {
		words = append(words, count(short[name])+" "+name)
	}
	if n := len(e.CanonicalIDs); n > 0 {
		words = append(words, counted(n, "new registration ID", "new registration IDs"))
	}
	if e.Retry != nil {
		words = append(words, fmt.Sprintf("%s again at %s", count(len(e.Retry.Indexes)), e.Retry.At.UTC().Format("15:04:05Z")))
	}
	return strings.Join(words, ", ")
}

func totalsWords(t results.Totals) string {
	line := fmt.Sprintf("sent %s of %s", count(t.Sent), count(t.Recipients))
	for _, part := range []struct {
		n    int
		what string
	}{
		{t.Failures, "failed"},
		{t.ExpiredTokens, "expired tokens"},
		{t.Uncertain, "uncertain"},
		{t.Skipped, "skipped"},
		{t.CanonicalIDs, "with a new registration ID"},
		{t.Retries, "retried"},
	} {
		if part.n > 0 {
			line += fmt.Sprintf(", %s %s", count(part.n), part.what)
		}
	}
	return line
}
