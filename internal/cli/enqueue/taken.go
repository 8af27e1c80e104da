package enqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/results"
)

// taken are jobs whose id another job had first, by what became of them.
type taken struct {
	// dropped are not stored anywhere: the broker took them for repeats of the job that it kept. doubtful are those of which it is
	// not known whether they are repeats.
	dropped, doubtful []string
	// reused are refused by the workers. torn are those that had begun, or may have.
	reused, torn []string
}

// err says what became of them and what to do; nil if there are none.
func (t *taken) err() error {
	var problems []error
	add := func(ids []string, one, many string) {
		switch len(ids) {
		case 0:
		case 1:
			problems = append(problems, fmt.Errorf(one, ids[0]))
		default:
			problems = append(problems, fmt.Errorf(many, named(ids)))
		}
	}
	add(t.dropped,
		"not published: %s: the broker kept the job that had this id within the last two minutes, and that one has other content; publish this one with a new id",
		"not published: %s: the broker kept the jobs that had these ids within the last two minutes, and those have other content; publish these with new ids")
	add(t.doubtful,
		"not published: %[1]s: the broker kept the job that had this id within the last two minutes, and whether that one has the same content is not known yet; "+
			"look with \"enqueue results --job %[1]s\" before you publish this one with a new id",
		"not published: %s: the broker kept the jobs that had these ids within the last two minutes, and whether those have the same content is not known yet; "+
			"look with \"enqueue results --job ID\" before you publish these with new ids")
	add(t.reused,
		"another job has the id %s: this one is a dead letter (id_reused); publish it with a new id",
		"other jobs have the ids %s: these are dead letters (id_reused); publish them with new ids")
	add(t.torn,
		"another job has the id %s: parts of this one may have been sent, and what became of them is told under ids of their own; "+
			"don't publish it again before \"enqueue results --since 1h\" has shown who was reached",
		"other jobs have the ids %s: parts of these may have been sent, and what became of them is told under ids of their own; "+
			"don't publish them again before \"enqueue results --since 1h\" has shown who was reached")
	return cli.Exit(cli.ExitFailure, errors.Join(problems...))
}

// named lists ids for people.
func named(ids []string) string {
	if more := len(ids) - maxBadLines; more > 0 {
		return strings.Join(ids[:maxBadLines], ", ") + " and " + count(more) + " more"
	}
	return strings.Join(ids, ", ")
}

// sameContent says whether the job that the broker kept instead of ours is the same; nil if that can't be known (yet).
func (sh *shipment) sameContent(ctx context.Context, job planned, receipt queue.Receipt) *bool {
	kept, err := sh.conn.Kept(ctx, sh.platform, job.App, job.ID, receipt)
	if err != nil || kept == "" {
		return nil
	}
	return new(kept == job.Fingerprint)
}

// lookTimeout is how long a look at what became of an earlier job may take: a publisher may be forbidden to look, and hears nothing then.
const lookTimeout = 500 * time.Millisecond

// before says whether the same job, with the same content, has an event already: the workers will not send it again.
func (sh *shipment) before(ctx context.Context, job planned) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	event, err := sh.conn.Find(ctx, results.SubjectOf(sh.platform, job.App, job.ID, "0", 0))
	return err == nil && event != nil && event.Fingerprint == job.Fingerprint
}

// status is how far a job is; nil if that can't be seen.
func (sh *shipment) status(ctx context.Context, job planned) *statusLine {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	scope := pipeline.Scope{Platform: sh.platform, App: job.App, Job: job.ID}
	census, reasons := sh.conn.Census(scope), counts{}
	if census.Update(ctx, reasons.add) != nil {
		return nil
	}
	line, err := statusOf(census, scope, reasons)
	if err != nil || line.State == queue.StateUnknown {
		return nil
	}
	return line
}

// callPatience is how long a look at all traces of a job may take.
const callPatience = 5 * time.Second
