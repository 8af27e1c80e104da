package enqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/results"
)

// followers is how many jobs are followed at once. Each costs the server one consumer, filtered to that job, so a busy
// app's other events are never sent here.
const followers = 64

var (
	errOver    = errors.New("the job is over")
	errTimeout = errors.New("the time of --timeout is over")
)

// follow is --wait: it reads the events of the published jobs until every recipient has its final place, then tells the
// totals and why recipients were not reached. Events are stored, so nothing is missed by starting after publishing.
func (s *session) follow(sh *shipment, outcome outcomeFlags, summary summaryLine, lost taken) error {
	t := newTally(sh.plan)
	t.taken = lost
	bar := s.startProgress("results", t.totals.Recipients)
	t.moved = bar.set
	ctx := s.ctx
	if outcome.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, outcome.Timeout, errTimeout)
		defer cancel()
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(followers)
	for _, job := range sh.plan {
		group.Go(func() error {
			query := queue.Query{Platform: sh.platform, App: job.App, Job: job.ID, Follow: true}
			err := sh.conn.Results(groupCtx, query, func(e *results.Event) error {
				if t.add(e) {
					return errOver
				}
				return nil
			})
			if errors.Is(err, errOver) {
				return nil
			}
			return err
		})
	}
	err := group.Wait()
	bar.stop()
	summary.Jobs, summary.Recipients = len(sh.plan)-t.gone, t.totals.Recipients
	summary.Totals, summary.Left, summary.Dropped, summary.IDReused = &t.totals, t.left(), t.taken.dropped, slices.Concat(t.taken.reused, t.taken.torn)
	for _, r := range t.reasons.sorted() {
		summary.Reasons = append(summary.Reasons, countedReason{t.reasons[r], r})
	}
	if outcome.JSON() {
		s.emit(summary)
	} else if summary.Jobs > 0 {
		s.sayTotals(summary)
	}
	return errors.Join(t.verdict(ctx, sh, err), t.taken.err())
}

// verdict turns the end of the waiting into an error, nil if everybody was reached.
func (t *tally) verdict(ctx context.Context, sh *shipment, err error) error {
	all := counted(t.totals.Recipients, "recipient", "recipients")
	switch {
	case t.done():
		if failed := t.failed(); failed > 0 {
			return cli.Exitf(cli.ExitFailure, "%s of %s not reached", count(failed), all)
		}
		return nil
	case ctx.Err() != nil:
		why := context.Cause(ctx)
		if errors.Is(why, context.Canceled) {
			why = errors.New("interrupted")
		}
		return cli.Exitf(cli.ExitFailure, "%w: no result yet for %s of %s; the jobs go on, \"enqueue results --follow --job %s\" shows how (is a worker running?)",
			why, count(t.left()), all, sh.plan[0].ID)
	case errors.Is(err, queue.ErrUnavailable):
		return cli.Exit(cli.ExitUnavailable, err)
	}
	return fmt.Errorf("following the results: %w; the jobs go on", err)
}

// sayTotals prints the totals and each reason in words.
func (s *session) sayTotals(summary summaryLine) {
	line := totalsWords(*summary.Totals)
	if summary.Left > 0 {
		line += fmt.Sprintf(", %s without a result", count(summary.Left))
	}
	s.say("%s", line)
	for _, r := range summary.Reasons {
		s.say("%9s  %s", count(r.Count), r.words())
	}
}
