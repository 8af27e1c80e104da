package enqueue

import (
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
)

type jobsCmd struct {
	chooseFlags
	State     queue.State `group:"Which jobs" enum:",queued,scheduled,running,paused,cancelled,done,dead" default:"" placeholder:"STATE" help:"Those in this state: queued, scheduled, running, paused, cancelled, done or dead."`
	Scheduled bool        `group:"Which jobs" help:"Those that wait for their deliver_at, the next one first."`
	Limit     int         `default:"20" placeholder:"N" help:"At most that many (default: ${default})."`
	cli.OutputFlags
}

// Help is shown below the usage line of "enqueue jobs --help".
func (*jobsCmd) Help() string {
	return `Lists jobs, the one that was last heard of first: those that wait, and those of the last 50,000 events (with --campaign, of all that are kept).

Examples:

    enqueue jobs
    enqueue jobs --scheduled --app shop
    enqueue jobs --campaign spring --state running -o json | jq -r .job

Exit codes: 0 done, 1 a fault, 2 a wrong flag, 69 no server, 78 unreadable credentials.`
}

// Run implements the command.
func (c *jobsCmd) Run(s *session) error {
	state := c.State
	if c.Scheduled {
		if state != "" && state != queue.StateScheduled {
			return cli.Exitf(cli.ExitUsage, "--scheduled and --state %s contradict each other", state)
		}
		state = queue.StateScheduled
	}
	if c.Limit < 1 {
		return cli.Exitf(cli.ExitUsage, "--limit is 1 or more")
	}
	scope, err := c.scope(nil)
	if err != nil {
		return err
	}
	conn, err := s.connect(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	census := conn.Census(scope)
	if err := census.Update(s.ctx, nil); err != nil {
		return brokerFault(err)
	}
	list := slices.DeleteFunc(census.Jobs(), func(j *queue.JobState) bool { return state != "" && j.State != state })
	if c.Scheduled {
		slices.SortStableFunc(list, func(a, b *queue.JobState) int { return a.DeliverAt.Compare(b.DeliverAt) })
	}
	more := max(len(list)-c.Limit, 0)
	list = list[:len(list)-more]
	if c.JSON() {
		for _, j := range list {
			s.emit(j)
		}
		return nil
	}
	if len(list) == 0 {
		s.say("no jobs")
		return nil
	}
	return s.sayJobs(list, more, census.Partial())
}

func (s *session) sayJobs(list []*queue.JobState, more int, partial bool) error {
	table, paint := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0), s.paint()
	_, _ = fmt.Fprintln(table, "APP\tJOB\tCAMPAIGN\t"+paint.Head("STATE")+"\tRECIPIENTS\tSENT\tNOT SENT\tLEFT\tWHEN")
	for _, j := range list {
		when := j.Last
		switch {
		case j.State == queue.StateScheduled:
			when = j.DeliverAt
		case when.IsZero():
			when = j.Published
		}
		t := j.Totals
		_, _ = fmt.Fprintf(table, "%s/%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", j.Platform, j.App, j.Job, j.Campaign, painted(paint, j.State), count(t.Recipients), count(t.Sent),
			count(t.Settled()-t.Sent), count(j.Left), when.UTC().Format(time.RFC3339))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more > 0 {
		s.say("and %s more; --limit shows them", count(more))
	}
	if partial {
		s.say("there are more than were looked at; narrow with --app, --platform or --campaign")
	}
	return nil
}

// painted is a state in its colour.
func painted(paint cli.Paint, state queue.State) string {
	switch word := string(state); state {
	case queue.StateDone:
		return paint.Good(word)
	case queue.StatePaused, queue.StateCancelled:
		return paint.Warn(word)
	case queue.StateDead:
		return paint.Bad(word)
	case queue.StateUnknown, queue.StateQueued, queue.StateScheduled, queue.StateRunning:
	}
	return paint.Plain(string(state))
}
