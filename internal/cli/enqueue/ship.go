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
	// repeatedJobs are jobs of the input that are there more than once.
	repeatedJobs int
	// again says how to go on after a fault in the middle.
	again string
	// named says that the publisher chose the id of the one job of the plan.
	named bool
}

// publishedLine is one published job in the output of --output json.
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
	// Duplicate says that the broker had a job with this id already and stored nothing. SameContent is whether that one is the
	// same; absent if it is not known.
	Duplicate   bool  `json:"duplicate,omitempty"`
	SameContent *bool `json:"same_content,omitempty"`
	// Repeated says that a job with this id and content was published before, however long ago events are kept: nothing is sent again.
	// Status is how far that one is.
	Repeated bool        `json:"repeated,omitempty"`
	Status   *statusLine `json:"status,omitempty"`
}

// summaryLine is the last line of the output of --output json. What concerns results is there with --wait only. Jobs and Recipients are
// without those of Dropped.
type summaryLine struct {
	Kind            string `json:"kind"`
	Jobs            int    `json:"jobs"`
	Recipients      int    `json:"recipients"`
	RepeatsRemoved  int    `json:"repeats_removed"`
	BadLinesSkipped int    `json:"bad_lines_skipped"`
	// File says what --ids-file was taken for; in a dry run only.
	File string `json:"file,omitempty"`
	// RepeatedJobs are jobs that the input held again; they were left out.
	RepeatedJobs int             `json:"repeated_jobs,omitempty"`
	Preview      string          `json:"preview,omitempty"`
	Totals       *results.Totals `json:"totals,omitempty"`
	Reasons      []countedReason `json:"reasons,omitempty"`
	// Left is how many recipients had no result yet when the waiting ended.
	Left int `json:"left,omitempty"`
	// Dropped are jobs that the broker did not take, because it had just taken another one of that id. Doubtful are those of which
	// it is not known yet whether they are the same.
	Dropped  []string `json:"dropped,omitempty"`
	Doubtful []string `json:"doubtful,omitempty"`
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
	var lost taken
	var kept []planned
	var later []publishedLine // what would run into the bar, if there is one
	err := bodies(func(body []byte) error {
		job := sh.plan[published]
		repeated := sh.named && sh.before(s.ctx, job)
		receipt, err := sh.conn.PublishJob(s.ctx, sh.platform, sh.lane, job.App, job.publishID(), body)
		if err != nil {
			return err
		}
		published++
		bar.set(published)
		var same *bool
		if receipt.Duplicate {
			same = sh.sameContent(s.ctx, job, receipt)
		}
		switch job.Doubtful = receipt.Duplicate && same == nil; {
		case same != nil && !*same:
			lost.dropped = append(lost.dropped, job.ID)
		case job.Doubtful && !outcome.Wait: // else its events tell
			lost.doubtful = append(lost.doubtful, job.ID)
			fallthrough
		default:
			kept = append(kept, job)
		}
		line := publishedLine{
			Kind: "published", Platform: sh.platform, App: job.App, Job: job.ID, Subject: subject,
			Recipients: job.Recipients, Bytes: job.Bytes, Sequence: receipt.Sequence, Duplicate: receipt.Duplicate, SameContent: same,
			Repeated: repeated || same != nil && *same,
		}
		if line.Repeated && sh.named && !outcome.Wait {
			line.Status = sh.status(s.ctx, job)
		}
		if bar != nil {
			later = append(later, line)
			return nil
		}
		s.sayPublished(line, outcome.JSON())
		s.sayRepeated(line, outcome.JSON())
		return nil
	})
	bar.stop()
	for _, line := range later {
		s.sayPublished(line, outcome.JSON())
		s.sayRepeated(line, outcome.JSON())
	}
	if err != nil {
		return sh.broken(published, err)
	}
	sh.plan = kept
	summary := summaryLine{Kind: "summary", Jobs: len(kept), Recipients: recipientsOf(kept), Dropped: lost.dropped, Doubtful: lost.doubtful, RepeatsRemoved: sh.repeats, BadLinesSkipped: sh.skipped, RepeatedJobs: sh.repeatedJobs}
	if !outcome.JSON() {
		s.sayIntake(summary)
	}
	if outcome.Wait && len(kept) > 0 {
		return s.follow(sh, outcome, summary, lost)
	}
	if outcome.JSON() {
		s.emit(summary)
	}
	return lost.err()
}

func (s *session) sayPublished(line publishedLine, asJSON bool) {
	switch {
	case asJSON:
		s.emit(line)
	case line.Duplicate && line.SameContent == nil:
		s.say("%s was not published: a job with its id was, within the last two minutes; whether that one has the same content is not known yet", line.Job)
	case line.Duplicate && !*line.SameContent:
		s.say("%s was not published: its id was taken within the last two minutes, by a job with other content", line.Job)
	case line.Duplicate:
		s.say("%s was published before; the broker kept the first one", line.Job)
	case line.Repeated:
		s.say("%s was published before, with the same content; nothing is sent again", line.Job)
	default:
		s.say("published %s on %s: %s", line.Job, line.Subject, counted(line.Recipients, "recipient", "recipients"))
	}
}

// sayRepeated says how far the first one is.
func (s *session) sayRepeated(line publishedLine, asJSON bool) {
	if line.Status != nil && !asJSON {
		s.sayStatusWords(line.Status)
	}
}

// sayIntake says what the lines about single jobs don't.
func (s *session) sayIntake(all summaryLine) {
	if all.Jobs > 1 {
		s.say("%s, %s", counted(all.Jobs, "job", "jobs"), counted(all.Recipients, "recipient", "recipients"))
	}
	if all.RepeatedJobs > 0 {
		s.say("%s left out: the same line is there before", counted(all.RepeatedJobs, "repeated job", "repeated jobs"))
	}
	if all.RepeatsRemoved > 0 {
		s.say("%s removed (--keep-duplicates sends them too)", counted(all.RepeatsRemoved, "repeated id", "repeated ids"))
	}
	if all.BadLinesSkipped > 0 {
		s.say("%s left out", counted(all.BadLinesSkipped, "bad line", "bad lines"))
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
