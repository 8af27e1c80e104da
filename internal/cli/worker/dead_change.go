package worker

import (
	"errors"
	"fmt"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
)

// choice is which letters to change: some by number, or all that a filter chooses.
type choice struct {
	connection
	Sequences []uint64 `arg:"" optional:"" name:"seq" help:"Letters by their numbers, from worker dead list. Without any, a filter chooses."`
	letterFilter
	All bool `help:"All letters there are."`
	Yes bool `short:"y" help:"Don't ask; with a filter it is needed where nobody can be asked."`
}

// chosen is one letter to change. Its recipients are not known if it was named by its number.
type chosen struct {
	sequence   uint64
	recipients int
}

// check says what is wrong with the choice itself.
func (c *choice) check() error {
	switch {
	case len(c.Sequences) > 0 && (c.All || !c.empty()):
		return cli.Exitf(cli.ExitUsage, "give letters by number or by filter, not both")
	case len(c.Sequences) == 0 && !c.All && c.empty():
		return cli.Exitf(cli.ExitUsage, "which? Give their numbers, a filter such as --reason unknown_app --app shop, or --all; \"worker dead list\" shows what there is")
	}
	return nil
}

// choose lists the letters, and asks whether they are meant.
func (c *choice) choose(s *session, conn *queue.Conn, verb string) ([]chosen, error) {
	var list []chosen
	if len(c.Sequences) > 0 {
		for _, sequence := range c.Sequences {
			list = append(list, chosen{sequence: sequence})
		}
		return list, nil
	}
	query, err := c.query()
	if err != nil {
		return nil, err
	}
	recipients := 0
	err = conn.DeadLetters(s.ctx, query, func(l queue.DeadLetter) error {
		list = append(list, chosen{l.Sequence, l.Recipients})
		recipients += l.Recipients
		return nil
	})
	if err != nil {
		return nil, deadFault(err)
	}
	if len(list) == 0 {
		_, _ = fmt.Fprintln(s.Err, "no dead letters")
		return nil, nil
	}
	return list, s.confirm(fmt.Sprintf("%s %s (recipients: %d)", verb, some(len(list)), recipients), c.Yes)
}

// each changes the letters one by one. One that can't be changed does not keep the others from it; a broker that is gone does.
func (c *choice) each(s *session, verb, done string, change func(*queue.Conn, chosen) error) error {
	if err := c.check(); err != nil {
		return err
	}
	if _, err := c.query(); err != nil {
		return err
	}
	conn, err := c.open(s)
	if err != nil {
		return err
	}
	defer conn.Close()
	list, err := c.choose(s, conn, verb)
	if err != nil {
		return err
	}
	changed, stayed := 0, 0
	for _, letter := range list {
		err := change(conn, letter)
		switch {
		case err == nil:
			changed++
		case errors.Is(err, queue.ErrNotRequeued), errors.Is(err, queue.ErrNoLetter):
			stayed++
			_, _ = fmt.Fprintf(s.Err, "%d\t%s\n", letter.sequence, plain(err.Error()))
		default:
			return deadFault(fmt.Errorf("after %d of %s: %w", changed, some(len(list)), err))
		}
	}
	if len(list) > 1 {
		_, _ = fmt.Fprintf(s.Err, "%s %s\n", some(changed), done)
	}
	if stayed > 0 {
		return cli.Exitf(cli.ExitFailure, "%s not %s", some(stayed), done)
	}
	return nil
}

type deadRequeueCommand struct {
	choice
	ResendUncertain bool `name:"resend-uncertain" help:"Also letters of jobs with on_uncertain: report of whose recipients some may have been reached. They may get the push twice."`
}

// Help is shown below the usage line of "worker dead requeue --help".
func (deadRequeueCommand) Help() string {
	return `The job or segment is published as its next round. Its events say "requeued":true and count from the start; the letter is removed once the work is stored. If it dies again there is a new letter, which says how often it was requeued. Repeating a requeue that was cut off is harmless.

A letter whose body is wrong can't be requeued: publish a corrected job, with an id of its own. expiration and time_to_live still count from when the job was published first.

Examples:
  worker dead requeue 12 13
  worker dead requeue --reason unknown_app --app shop
  worker dead requeue --reason poison --newer-than 1h --limit 1 --yes`
}

// Run requeues.
func (d *deadRequeueCommand) Run(s *session) error {
	return d.each(s, "requeue", "requeued", func(conn *queue.Conn, letter chosen) error {
		done, err := conn.Requeue(s.ctx, letter.sequence, queue.RequeueOptions{ResendUncertain: d.ResendUncertain})
		if err != nil {
			return err
		}
		note := ""
		if done.Before {
			note = "\twas requeued before; nothing was published"
		}
		_, err = fmt.Fprintf(s.Out, "%d\trequeued as %s, recipients: %d%s\n", letter.sequence, done.Segment.Tail(), done.Segment.Job.Recipients(), note)
		return err
	})
}

type deadDropCommand struct{ choice }

// Help is shown below the usage line of "worker dead drop --help".
func (deadDropCommand) Help() string {
	return `Examples:
  worker dead drop 12 13
  worker dead drop --reason invalid --older-than 7d --yes`
}

// Run drops.
func (d *deadDropCommand) Run(s *session) error {
	return d.each(s, "delete", "dropped", func(conn *queue.Conn, letter chosen) error {
		if err := conn.DropLetter(s.ctx, letter.sequence); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.Out, "%d\tdropped\n", letter.sequence)
		return err
	})
}
