package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

type deadListCommand struct {
	connection
	letterFilter
	cli.OutputFlags
}

// Help is shown below the usage line of "worker dead list --help".
func (deadListCommand) Help() string {
	return `Examples:
  worker dead list
  worker dead list --app shop --reason unknown_app --newer-than 1h
  worker dead list -o json | jq -r 'select(.recipients > 1000) | .sequence'

Neither form shows a token; "worker dead show SEQ --body" does.`
}

// Run lists.
func (d *deadListCommand) Run(s *session) error {
	query, err := d.query()
	if err != nil {
		return err
	}
	conn, err := d.open(s)
	if err != nil {
		return err
	}
	defer conn.Close()
	if d.JSON() {
		return deadFault(conn.DeadLetters(s.ctx, query, func(l queue.DeadLetter) error { return writeLetter(s.Out, &l) }))
	}
	table, paint := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0), cli.NewPaint(s.Out, s.Env)
	n := 0
	err = conn.DeadLetters(s.ctx, query, func(l queue.DeadLetter) error {
		if n++; n == 1 {
			_, _ = fmt.Fprintln(table, "SEQ\tSTORED\tAPP\tJOB\tSEGMENT\tRECIPIENTS\t"+paint.Head("REASON")+"\tREQUEUES\tWHAT IS WRONG")
		}
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s/%s\t%s\t%s\t%d\t%s\t%d\t%s\n", l.Sequence, moment(l.Stored), l.Platform, l.App, l.Job, segmentOf(&l),
			l.Recipients, paint.Bad(l.Reason), l.Requeues, firstFault(l.Faults))
		return nil
	})
	if flushed := table.Flush(); err == nil {
		err = flushed
	}
	if err == nil && n == 0 {
		_, _ = fmt.Fprintln(s.Err, "no dead letters")
	}
	return deadFault(err)
}

// letterLine is a letter for machines. It has no tokens in it: faults never quote one, and the body is left out.
type letterLine struct {
	Sequence       uint64        `json:"sequence"`
	Stored         time.Time     `json:"stored"`
	Platform       jobs.Platform `json:"platform"`
	App            string        `json:"app"`
	Job            string        `json:"job"`
	Campaign       string        `json:"campaign,omitempty"`
	Reason         string        `json:"reason"`
	Faults         []jobs.Fault  `json:"faults"`
	Event          string        `json:"event"`
	Segment        string        `json:"segment"`
	Round          int           `json:"round"`
	Recipients     int           `json:"recipients"`
	Uncertain      int           `json:"uncertain"`
	Requeues       int           `json:"requeues"`
	Published      time.Time     `json:"published,omitzero"`
	Stream         string        `json:"stream"`
	StreamSequence uint64        `json:"stream_sequence"`
	Subject        string        `json:"subject"`
	Size           int           `json:"size"`
}

func writeLetter(w io.Writer, l *queue.DeadLetter) error {
	line := letterLine{
		l.Sequence, l.Stored.UTC(), l.Platform, l.App, l.Job, l.Campaign, l.Reason, l.Faults, l.Event, segmentOf(l), l.Round, l.Recipients, l.Uncertain,
		l.Requeues, l.Published, l.Stream, l.StreamSequence, l.Subject, l.Size,
	}
	if line.Faults == nil {
		line.Faults = []jobs.Fault{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		return fmt.Errorf("writing dead letter %d: %w", l.Sequence, err)
	}
	return nil
}

// segmentOf is which part of its job a letter is: "all", or the number of a segment.
func segmentOf(l *queue.DeadLetter) string {
	if tail, err := jobs.ParseTail(l.Subject); err == nil {
		return tail.Segment
	}
	return jobs.SegmentAll
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func firstFault(faults []jobs.Fault) string {
	switch len(faults) {
	case 0:
		return ""
	case 1:
		return plain(faults[0].String())
	}
	return fmt.Sprintf("%s (and %d more)", plain(faults[0].String()), len(faults)-1)
}

// plain takes out what a terminal would obey: a fault repeats names that somebody else wrote.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '·'
		}
		return r
	}, text)
}

type deadShowCommand struct {
	connection
	Sequence uint64 `arg:"" name:"seq" help:"The letter's number, from worker dead list."`
	Body     bool   `help:"Print the original bytes to standard output, tokens included, and the rest to standard error."`
	cli.OutputFlags
}

// Help is shown below the usage line of "worker dead show --help".
func (deadShowCommand) Help() string {
	return `Examples:
  worker dead show 12
  worker dead show 12 --body > job.json      to correct it and publish it again, with an id of its own`
}

// Run shows.
func (d *deadShowCommand) Run(s *session) error {
	conn, err := d.open(s)
	if err != nil {
		return err
	}
	defer conn.Close()
	l, err := conn.DeadLetter(s.ctx, d.Sequence)
	if err != nil {
		return deadFault(err)
	}
	about := s.Out
	if d.Body {
		about = s.Err
	}
	if d.JSON() {
		err = writeLetter(about, l)
	} else {
		showLetter(about, l, storedEvent(s.ctx, conn, l))
	}
	if err == nil && d.Body {
		_, err = s.Out.Write(l.Body)
	}
	return deadFault(err)
}

// storedEvent says in words what became of the recipients; the letter outlives its event.
func storedEvent(ctx context.Context, conn *queue.Conn, l *queue.DeadLetter) string {
	key, err := results.ParseID(l.Event)
	if err != nil {
		return plain(l.Event)
	}
	e, err := conn.Find(ctx, key.Subject())
	switch {
	case err != nil:
		return fmt.Sprintf("%s (%v)", l.Event, err)
	case e == nil:
		return l.Event + " (not kept any more)"
	}
	var totals results.Totals
	totals.Add(e)
	return fmt.Sprintf("%s of %s by %s: %d skipped, %d uncertain, %d failed", e.ID, moment(e.At), e.Worker, totals.Skipped, totals.Uncertain, totals.Failures)
}

func showLetter(w io.Writer, l *queue.DeadLetter, event string) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, values ...any) {
		_, _ = fmt.Fprintf(table, "%s\t"+format+"\n", append([]any{name}, values...)...)
	}
	row("dead letter", "%d", l.Sequence)
	row("reason", "%s", l.Reason)
	row("stored", "%s", moment(l.Stored))
	row("app", "%s/%s", l.Platform, l.App)
	row("job", "%s", l.Job)
	if l.Campaign != "" {
		row("campaign", "%s", l.Campaign)
	}
	row("segment", "%s, round %d", segmentOf(l), l.Round)
	row("recipients", "%d, of whom %d may have been reached", l.Recipients, l.Uncertain)
	row("taken from", "%s, sequence %d of %s", l.Subject, l.StreamSequence, l.Stream)
	if !l.Published.IsZero() {
		row("published", "%s", moment(l.Published))
	}
	row("requeues", "%d", l.Requeues)
	row("size", "%d bytes", l.Size)
	row("event", "%s", event)
	for i, fault := range l.Faults {
		name := "faults"
		if i > 0 {
			name = ""
		}
		row(name, "%s", plain(fault.String()))
	}
	_ = table.Flush()
}
