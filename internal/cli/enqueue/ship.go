package enqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// shipment is a plan on its way to the broker.
type shipment struct {
	conn     *queue.Conn
	platform jobs.Platform
	lane     jobs.Lane
	plan     []planned
	// repeats were removed from the recipients, skipped are bad lines that were left out.
	repeats, skipped int
	// again says how to go on after a fault in the middle.
	again string
}

// publishedLine is one published job in the output of --json.
type publishedLine struct {
	Kind       string        `json:"kind"`
	Platform   jobs.Platform `json:"platform"`
	App        string        `json:"app"`
	Job        string        `json:"job"`
	Subject    string        `json:"subject"`
	Recipients int           `json:"recipients"`
	Bytes      int           `json:"bytes"`
	// Sequence is where PUSH_JOBS stored it; absent for a dry run.
	Sequence uint64 `json:"sequence,omitempty"`
	// Duplicate says that the broker had a job with this id already and stored nothing.
	Duplicate bool `json:"duplicate,omitempty"`
}

// summaryLine is the last line of the output of --json. What concerns results is there with --wait only.
type summaryLine struct {
	Kind            string          `json:"kind"`
	Jobs            int             `json:"jobs"`
	Recipients      int             `json:"recipients"`
	RepeatsRemoved  int             `json:"repeats_removed"`
	BadLinesSkipped int             `json:"bad_lines_skipped"`
	Preview         string          `json:"preview,omitempty"`
	Totals          *results.Totals `json:"totals,omitempty"`
	Reasons         []countedReason `json:"reasons,omitempty"`
	// Left is how many recipients had no result yet when the waiting ended.
	Left int `json:"left,omitempty"`
	// IDReused are jobs that another job had taken the id of.
	IDReused []string `json:"id_reused,omitempty"`
}

type countedReason struct {
	Count int `json:"count"`
	reason
}

// ship publishes the plan, tells what was published, and with --wait follows it to the end. bodies calls visit with the
// body of each planned job in order.
func (s *session) ship(sh *shipment, outcome outcomeFlags, bodies func(visit func(body []byte) error) error) error {
	subject := jobs.IntakeSubject(sh.platform, sh.lane)
	bar := s.startProgress("publishing", len(sh.plan))
	published := 0
	var later []publishedLine // what would run into the bar, if there is one
	err := bodies(func(body []byte) error {
		job := sh.plan[published]
		receipt, err := sh.conn.PublishJob(s.ctx, sh.platform, sh.lane, job.App, job.publishID(), body)
		if err != nil {
			return err
		}
		published++
		bar.set(published)
		line := publishedLine{
			Kind: "published", Platform: sh.platform, App: job.App, Job: job.ID, Subject: subject,
			Recipients: job.Recipients, Bytes: job.Bytes, Sequence: receipt.Sequence, Duplicate: receipt.Duplicate,
		}
		if bar != nil {
			later = append(later, line)
			return nil
		}
		s.sayPublished(line, outcome.JSON)
		return nil
	})
	bar.stop()
	for _, line := range later {
		s.sayPublished(line, outcome.JSON)
	}
	if err != nil {
		return sh.broken(published, err)
	}
	summary := summaryLine{Kind: "summary", Jobs: published, Recipients: recipientsOf(sh.plan), RepeatsRemoved: sh.repeats, BadLinesSkipped: sh.skipped}
	if !outcome.JSON {
		s.sayIntake(summary.Jobs, summary.Recipients, summary.RepeatsRemoved, summary.BadLinesSkipped)
	}
	if outcome.Wait {
		return s.follow(sh, outcome, summary)
	}
	if outcome.JSON {
		s.emit(summary)
	}
	return nil
}

func (s *session) sayPublished(line publishedLine, asJSON bool) {
	switch {
	case asJSON:
		s.emit(line)
	case line.Duplicate:
		s.say("%s was published before; the broker kept the first one", line.Job)
	default:
		s.say("published %s on %s: %s", line.Job, line.Subject, counted(line.Recipients, "recipient", "recipients"))
	}
}

// sayIntake says what the lines about single jobs don't.
func (s *session) sayIntake(published, recipients, repeats, skipped int) {
	if published > 1 {
		s.say("%s, %s", counted(published, "job", "jobs"), counted(recipients, "recipient", "recipients"))
	}
	if repeats > 0 {
		s.say("%s removed (--keep-duplicates sends them too)", counted(repeats, "repeated id", "repeated ids"))
	}
	if skipped > 0 {
		s.say("%s left out", counted(skipped, "bad line", "bad lines"))
	}
}

// broken explains a fault in the middle of publishing.
func (sh *shipment) broken(published int, err error) error {
	code := cli.ExitFailure
	switch {
	case errors.Is(err, queue.ErrUnavailable):
		code = cli.ExitUnavailable
	case errors.Is(err, context.Canceled):
		err = errors.New("interrupted, and the next one may be stored or not")
	}
	if published == 0 && len(sh.plan) == 1 {
		return cli.Exit(code, err)
	}
	return cli.Exit(code, fmt.Errorf("%s of %s are published, then: %w; %s", count(published), counted(len(sh.plan), "job", "jobs"), err, sh.again))
}
