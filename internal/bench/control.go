package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/volleypush/volley/internal/bench/peer"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// Measured is one figure of what is promised about many apps and about people's orders.
type Measured struct {
	Scenario string `json:"scenario"`
	// Figure says what was measured.
	Figure  string `json:"figure"`
	Samples int    `json:"samples"`
	// P50, P99 and Max are milliseconds.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	// Bound is what Max, or P99 where there are enough samples, must not exceed, in milliseconds; 0 for a figure that is only shown.
	Bound float64 `json:"bound_ms,omitempty"`
	Held  bool    `json:"held"`
}

// enoughForP99 is how many samples a bound of the 99th percentile needs.
const enoughForP99 = 10_000

// measured makes a figure of samples.
func measured(scenario, figure string, samples []time.Duration, bound time.Duration) Measured {
	slices.Sort(samples)
	at := func(percent int) float64 {
		return float64(samples[(len(samples)-1)*percent/100]) / float64(time.Millisecond)
	}
	m := Measured{Scenario: scenario, Figure: figure, Samples: len(samples), P50: at(50), P99: at(99), Max: at(100), Bound: float64(bound) / float64(time.Millisecond)}
	worst := m.Max
	if m.Samples >= enoughForP99 {
		worst = m.P99
	}
	m.Held = m.Bound == 0 || worst <= m.Bound
	return m
}

// control is a scenario of --control.
type control struct {
	name string
	run  func(ctx context.Context, o Options) ([]Measured, error)
}

// controls are all there are.
func controls() []control {
	all := []control{{"cancel", measureCancel}, {"rate", measureRate}}
	for _, b := range blasts() {
		all = append(all, control{b.name, b.measure})
	}
	return all
}

// Controls lists the names of the scenarios of --control.
func Controls() []string {
	var names []string
	for _, c := range controls() {
		names = append(names, c.name)
	}
	return names
}

// Control measures what is promised about many apps and about people's orders.
func Control(ctx context.Context, o Options) ([]Measured, error) {
	for _, name := range o.Scenarios {
		if !slices.Contains(Controls(), name) {
			return nil, fmt.Errorf("no scenario of --control is called %s; there are %s", name, strings.Join(Controls(), ", "))
		}
	}
	var all []Measured
	for _, c := range controls() {
		if len(o.Scenarios) > 0 && !slices.Contains(o.Scenarios, c.name) {
			continue
		}
		if o.Progress != nil {
			o.Progress(c.name)
		}
		figures, err := c.run(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", c.name, err)
		}
		all = append(all, figures...)
	}
	return all, nil
}

// PrintControl writes the figures as a table.
func PrintControl(out io.Writer, all []Measured) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "scenario\tfigure\tsamples\tp50\tp99\tmax\tbound\theld")
	for _, m := range all {
		held := "yes"
		if !m.Held {
			held = "no"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%.2f ms\t%.2f ms\t%.2f ms\t%s\t%s\n", m.Scenario, m.Figure, m.Samples, m.P50, m.P99, m.Max, ms(m.Bound), held)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// The campaign that is cancelled again and again.
const (
	cancelRuns  = 30
	cancelJobs  = 300
	cancelAfter = 20_000 // notifications, then it is cancelled
	cancelQuiet = 500 * time.Millisecond
	// Notifications come in bursts, one for each latency: it is cancelled at other moments between two of them each time.
	cancelMoments = 10
	cancelStep    = 5 * time.Millisecond
	// cancelBound is a second and a segment, at a provider that answers after 50 ms.
	cancelBound = time.Second + 100*time.Millisecond
)

// measureCancel has two workers send a campaign of 300,000 and cancels it, as enqueue does. Nobody may arrive a second and a segment
// later, and everybody must be told of.
func measureCancel(ctx context.Context, o Options) (_ []Measured, err error) {
	f, err := startPair(ctx, Part{Provider: provider{Platform: peer.APNS, Latency: 50 * time.Millisecond}, Connections: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.end()) }()
	var commands, last, told []time.Duration
	for run := range max(cancelRuns/max(o.Scale, 1), 1) {
		one, err := cancelOnce(ctx, f.conn, f.provider, fmt.Sprintf("run-%d", run), time.Duration(run%cancelMoments)*cancelStep)
		if err != nil {
			return nil, err
		}
		commands, last, told = append(commands, one.command), append(last, one.last), append(told, one.told)
	}
	return []Measured{
		measured("cancel", "how long the command takes", commands, 0),
		measured("cancel", "from its return to the last notification at the provider", last, cancelBound),
		measured("cancel", "from its return until everybody is told of", told, 0),
	}, nil
}

type cancelled struct{ command, last, told time.Duration }

func cancelOnce(ctx context.Context, conn *queue.Conn, provider *part, campaign string, moment time.Duration) (one cancelled, err error) {
	var arrived peer.Report
	if err := provider.ask(doReset, &arrived); err != nil {
		return one, err
	}
	for n := range cancelJobs {
		if err := publishPart(ctx, conn, campaign, n); err != nil {
			return one, err
		}
	}
	for begun := time.Now(); arrived.Received < cancelAfter; {
		if err := provider.ask(doCount, &arrived); err != nil {
			return one, err
		}
		if time.Since(begun) > patience {
			return one, fmt.Errorf("only %d notifications have arrived", arrived.Received)
		}
	}
	select {
	case <-time.After(moment):
	case <-ctx.Done():
		return one, context.Cause(ctx)
	}
	if err := provider.ask(doCount, &arrived); err != nil {
		return one, err
	}
	scope := pipeline.Scope{Campaign: campaign}
	before := time.Now()
	if err := cancelCampaign(ctx, conn, scope); err != nil {
		return one, err
	}
	returned := time.Now()
	one.command = returned.Sub(before)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	seen := arrived.Received
	for lastAt := returned; ; {
		now := time.Now()
		if err := provider.ask(doCount, &arrived); err != nil {
			return one, err
		}
		if arrived.Received > seen {
			seen, lastAt, one.last = arrived.Received, now, now.Sub(returned)
		}
		if one.told == 0 {
			left, err := conn.Backlog(ctx)
			if err != nil {
				return one, fmt.Errorf("looking at the queues: %w", err)
			}
			if left == 0 {
				one.told = now.Sub(returned)
			}
		}
		if one.told > 0 && now.Sub(lastAt) > cancelQuiet {
			break
		}
		if now.Sub(returned) > patience {
			return one, errors.New("the campaign has no end")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return one, context.Cause(ctx)
		}
	}
	return one, audit(ctx, conn, provider, campaign)
}

// cancelCampaign gives the order as "enqueue cancel" does.
func cancelCampaign(ctx context.Context, conn *queue.Conn, scope pipeline.Scope) error {
	if _, err := conn.Give(ctx, pipeline.OrderCancel, scope); err != nil {
		return err
	}
	given, err := conn.Given(ctx)
	if err == nil {
		_, err = conn.Sweep(ctx, scope, pipeline.NewOrders(given))
	}
	return err
}

// audit compares what is told with what arrived.
func audit(ctx context.Context, conn *queue.Conn, provider *part, campaign string) error {
	census := conn.Census(pipeline.Scope{Campaign: campaign})
	why := map[results.Why]int{}
	if err := census.Update(ctx, func(e *results.Event) {
		for _, s := range e.Skipped {
			why[s.Why] += len(s.Indexes)
		}
	}); err != nil {
		return err
	}
	var report peer.Report
	if err := provider.ask(doReport, &report); err != nil {
		return err
	}
	sum, _ := census.Sum()
	all := cancelJobs * perJob
	if sum.Totals.Settled() != all || sum.Totals.Sent != report.Distinct || report.Doubled > 0 || why[results.SkippedCancelled] != all-report.Distinct {
		return fmt.Errorf("the books do not balance: %d recipients, %+v told, %v skipped, %d arrived, %d twice", all, sum.Totals, why, report.Distinct, report.Doubled)
	}
	return nil
}

// perJob is how many recipients each job of the campaign has.
const perJob = 1000

func publishPart(ctx context.Context, conn *queue.Conn, campaign string, n int) error {
	body := []byte(`{"campaign":"` + campaign + `","message":"Hello, it is time to look at your phone again.","ids":["` + strings.Join(tokens(n*perJob, perJob, ""), `","`) + `"]}`)
	if _, err := conn.PublishJob(ctx, jobs.APNS, jobs.LaneBulk, jobs.DefaultApp, "", body); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}
