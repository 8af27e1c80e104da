package demo

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// progress is a bar per platform on a terminal, and nothing elsewhere.
type progress struct {
	all  *mpb.Progress
	bars map[jobs.Platform]*mpb.Bar
}

func newProgress(out io.Writer, published []publication) *progress {
	p := &progress{bars: map[jobs.Platform]*mpb.Bar{}}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return p
	}
	p.all = mpb.New(mpb.WithOutput(out), mpb.WithWidth(48))
	for _, platform := range jobs.Platforms() {
		p.bars[platform] = p.all.AddBar(int64(recipients(published, platform)),
			mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-5s", platform)), decor.CountersNoUnit("%d / %d", decor.WCSyncSpace)),
			mpb.AppendDecorators(decor.Percentage()))
	}
	return p
}

// event moves the bar by the recipients that have their final place now.
func (p *progress) event(e *results.Event) {
	bar := p.bars[e.Platform]
	if bar == nil || e.Kind != results.KindSegment {
		return
	}
	final := e.Recipients
	if e.Retry != nil {
		final -= len(e.Retry.Indexes)
	}
	bar.IncrBy(final)
}

func (p *progress) stop() {
	for _, bar := range p.bars {
		bar.Abort(false)
	}
	if p.all != nil {
		p.all.Wait()
	}
}

// print writes the table and the verdict.
func (a *audit) print(out io.Writer, took time.Duration) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, n int) { _, _ = fmt.Fprintf(table, "%s\t%d\t\n", name, n) }
	row("recipients", a.recipients)
	row("sent", a.sent)
	row("  with a canonical ID", a.canonical)
	with := func(reasons map[string]int) {
		for _, name := range byCount(reasons) {
			row("  "+name, reasons[name])
		}
	}
	row("failed", a.failed)
	with(a.failures)
	row("expired tokens", a.expired)
	with(a.gone)
	row("uncertain", a.uncertain)
	row("skipped", a.skipped)
	row("retries", a.retries)
	row("dead letters", a.dead)
	_, _ = fmt.Fprintf(table, "time\t%s\t\n", took.Round(10*time.Millisecond))
	row("notifications per second", int(float64(a.recipients)/took.Seconds()))
	if a.kills != nil {
		row("workers killed with -9", a.kills())
	}
	_ = table.Flush()
	_, _ = fmt.Fprintf(out, "\nProviders' ledger against events, token by token: %d lost, %d sent twice.\n", a.lost, a.doubled)
	if a.allowed != nil {
		_, _ = fmt.Fprintf(out, "Sent twice: what was in flight when a worker was killed, at most %d here.\n", a.allowed())
	}
	for _, f := range a.faults {
		_, _ = fmt.Fprintln(out, "  ✗", f)
	}
	if a.more > 0 {
		_, _ = fmt.Fprintf(out, "  ✗ and %d more\n", a.more)
	}
	if len(a.faults) == 0 {
		_, _ = fmt.Fprintln(out, "The books balance: every recipient has exactly one final place.")
	}
}
