package enqueue

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

// chooseFlags say which jobs are looked at.
type chooseFlags struct {
	Platform jobs.Platform `group:"Which jobs" enum:",apns,gcm" default:"" placeholder:"apns|gcm" help:"Those of this platform."`
	App      string        `group:"Which jobs" placeholder:"NAME" help:"Those of this app."`
	Campaign string        `group:"Which jobs" placeholder:"NAME" help:"Those of this campaign."`
}

func (f *chooseFlags) scope(job []string) (pipeline.Scope, error) {
	return (&scopeFlags{Job: job, Platform: f.Platform, App: f.App, Campaign: f.Campaign}).scope()
}

type statusCmd struct {
	Job []string `arg:"" optional:"" help:"A job: its id, or its platform, app and id."`
	chooseFlags
	Watch bool `short:"w" help:"Go on, a line each second, until it is done or interrupted."`
	cli.OutputFlags
}

// Help is shown below the usage line of "enqueue status --help".
func (*statusCmd) Help() string {
	return `Tells how far a job or a campaign is, from what the broker keeps: no worker is asked. States: queued, scheduled, running, paused, cancelled, done, dead (a dead letter),
unknown. Of a job that is older than the retention of results (24 hours, unless it is set otherwise) only the totals are left if it had several segments, and nothing if it had one.

Examples:

    enqueue status promo-7
    enqueue status apns default promo-7 --watch
    enqueue status --campaign spring -o json | jq '.totals.sent'

Exit codes: 0 told, 1 nothing is known of it or a fault, 2 a wrong flag or an id that several apps have, 69 no server, 78 unreadable credentials.`
}

// statusLine is how far a job or a campaign is, for machines.
type statusLine struct {
	// Kind is "job" or "campaign".
	Kind     string        `json:"kind"`
	Platform jobs.Platform `json:"platform,omitempty"`
	App      string        `json:"app,omitempty"`
	Job      string        `json:"job,omitempty"`
	Campaign string        `json:"campaign,omitempty"`
	State    queue.State   `json:"state"`
	// Jobs counts the jobs of a campaign by state.
	Jobs map[queue.State]int `json:"jobs,omitempty"`
	queue.Progress
	DeliverAt time.Time       `json:"deliver_at,omitzero"`
	Published time.Time       `json:"published,omitzero"`
	Reasons   []countedReason `json:"reasons"`
	// Partial says that there is more than was looked at: numbers are "at least".
	Partial bool `json:"partial,omitempty"`
}

// Run implements the command.
func (c *statusCmd) Run(s *session) error {
	scope, err := c.scope(c.Job)
	switch {
	case err != nil:
		return err
	case scope.Job == "" && scope.Campaign == "":
		return cli.Exitf(cli.ExitUsage, "say which: a job's id, or --campaign; \"enqueue jobs\" lists them")
	}
	conn, err := s.connect(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	census, reasons := conn.Census(scope), counts{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := census.Update(s.ctx, reasons.add); err != nil {
			if s.ctx.Err() != nil {
				return nil // Ctrl-C is how --watch ends
			}
			return brokerFault(err)
		}
		line, err := statusOf(census, scope, reasons)
		if err != nil {
			return err
		}
		if !c.Watch || line.over() {
			return s.sayStatus(c.JSON(), line)
		}
		s.tell(c.JSON(), line, "%s", line.short(time.Now()))
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return nil
		}
	}
}

// statusOf is what the census says of the one job, or the campaign.
func statusOf(census *queue.Census, scope pipeline.Scope, reasons counts) (*statusLine, error) {
	line := &statusLine{Kind: "job", Platform: scope.Platform, App: scope.App, Job: scope.Job, Campaign: scope.Campaign, State: queue.StateUnknown, Reasons: []countedReason{}}
	for _, r := range reasons.sorted() {
		line.Reasons = append(line.Reasons, countedReason{reasons[r], r})
	}
	line.Partial = census.Partial()
	if scope.Job == "" {
		line.Kind = "campaign"
		line.Progress, line.Jobs = census.Sum()
		line.State = stateOf(line.Jobs)
		return line, nil
	}
	found := census.Jobs()
	if len(found) > 1 {
		return nil, ambiguous(scope.Job, found)
	}
	for _, j := range found {
		line.Platform, line.App, line.Campaign, line.State = j.Platform, j.App, j.Campaign, j.State
		line.Progress, line.DeliverAt, line.Published = j.Progress, j.DeliverAt, j.Published
		if j.State != queue.StateScheduled {
			line.DeliverAt = time.Time{}
		}
	}
	return line, nil
}

// ambiguous lists the jobs that have the same id.
func ambiguous(id string, found []*queue.JobState) error {
	names := make([]string, 0, len(found))
	for _, j := range found {
		names = append(names, fmt.Sprintf("%s %s %s", j.Platform, j.App, j.Job))
	}
	slices.Sort(names)
	return cli.Exitf(cli.ExitUsage, "%d jobs have the id %s; name one by its platform and app: %s", len(found), id, strings.Join(names, ", "))
}

// stateOf is the state of a campaign: that of the job that is furthest from its end in a way that people care for.
func stateOf(states map[queue.State]int) queue.State {
	for _, state := range []queue.State{queue.StateRunning, queue.StatePaused, queue.StateQueued, queue.StateScheduled, queue.StateCancelled, queue.StateDone, queue.StateDead} {
		if states[state] > 0 {
			return state
		}
	}
	return queue.StateUnknown
}

// over says whether nothing more will happen.
func (l *statusLine) over() bool {
	switch l.State {
	case queue.StateDone, queue.StateDead, queue.StateUnknown:
		return true
	case queue.StateCancelled:
		return l.Left == 0
	case queue.StateQueued, queue.StateScheduled, queue.StateRunning, queue.StatePaused:
	}
	return false
}

// short is a line of --watch.
func (l *statusLine) short(now time.Time) string {
	done := l.Totals.Settled()
	text := fmt.Sprintf("%s %s: %s of %s told", now.UTC().Format("15:04:05Z"), l.State, count(done), count(l.Totals.Recipients))
	if l.Totals.Recipients > 0 {
		text += fmt.Sprintf(" (%d %%)", done*100/l.Totals.Recipients)
	}
	text += fmt.Sprintf(", %s sent", count(l.Totals.Sent))
	if l.Retrying > 0 {
		text += fmt.Sprintf(", %s wait for a retry", count(l.Retrying))
	}
	return text + fmt.Sprintf(", %s/s", pace(l.PerSecond))
}

// sayStatus tells all there is.
func (s *session) sayStatus(asJSON bool, l *statusLine) error {
	if asJSON {
		s.emit(l)
	} else if l.State != queue.StateUnknown {
		s.sayStatusWords(l)
	}
	if l.State == queue.StateUnknown {
		what := "job " + l.Job
		if l.Kind == "campaign" {
			what = "campaign " + l.Campaign
		}
		return cli.Exitf(cli.ExitFailure, "nothing is known of %s: it was never published, or it was done longer ago than results are kept; \"enqueue jobs\" lists the latest", what)
	}
	return nil
}

func (s *session) sayStatusWords(l *statusLine) {
	name := fmt.Sprintf("%s %s %s", l.Platform, l.App, l.Job)
	if l.Kind == "campaign" {
		name = "campaign " + l.Campaign
	}
	paint := s.paint()
	s.say("%s: %s", name, painted(paint, l.State))
	if l.Kind == "campaign" {
		var parts []string
		for _, state := range []queue.State{queue.StateQueued, queue.StateScheduled, queue.StateRunning, queue.StatePaused, queue.StateCancelled, queue.StateDone, queue.StateDead} {
			if n := l.Jobs[state]; n > 0 {
				parts = append(parts, count(n)+" "+painted(paint, state))
			}
		}
		s.say("jobs: %s", strings.Join(parts, ", "))
	}
	s.say("%s", totalsWords(l.Totals))
	if l.Left > 0 {
		s.say("%s without a final place, %s of them wait for a retry", count(l.Left), count(l.Retrying))
	}
	if l.Segments > 1 {
		s.say("segments: %s of %s", count(l.SegmentsDone), count(l.Segments))
	}
	if l.PerSecond > 0 {
		s.say("%s recipients a second", pace(l.PerSecond))
	}
	for _, at := range []struct {
		what string
		at   time.Time
	}{{"begins", l.DeliverAt}, {"published", l.Published}, {"first event", l.First}, {"last event", l.Last}} {
		if !at.at.IsZero() {
			s.say("%s: %s", at.what, at.at.UTC().Format(time.RFC3339))
		}
	}
	for _, r := range l.Reasons {
		s.say("%9s  %s", count(r.Count), r.words())
	}
	if l.Partial {
		s.say("there is more than was looked at: all numbers are \"at least\"")
	}
}
