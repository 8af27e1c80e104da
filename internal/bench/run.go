package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/bench/peer"
	"github.com/volleypush/volley/internal/queue"
)

// Standard is where a part takes orders and answers.
type Standard struct {
	In  io.Reader
	Out io.Writer
}

// RunPart is what a process started as a part of a benchmark does.
func RunPart(ctx context.Context, p Part, std Standard) error {
	roles := map[string]func(context.Context, Part, Standard) error{"provider": provide, "broker": broke, "sender": send, "worker": work}
	role, ok := roles[p.Role]
	if !ok {
		return fmt.Errorf("a benchmark has no part %q", p.Role)
	}
	return role(ctx, p, std)
}

// Figures are what one scenario came to. Of several runs they are the medians, each figure by itself; Lost and Doubled are sums.
type Figures struct {
	Scenario string `json:"scenario"`
	What     string `json:"what"`
	Runs     int    `json:"runs"`
	// Rate is notifications per second.
	Rate float64 `json:"per_second"`
	// CPU is the processor time of a notification in microseconds, of the sender's or worker's process alone.
	CPU float64 `json:"cpu_us"`
	// Allocations is how many there were for each notification.
	Allocations float64 `json:"allocations"`
	// P50, P99 and Max are milliseconds from publishing to arriving at the provider; 0 where nobody publishes.
	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`
	Max float64 `json:"max_ms,omitempty"`
	// Peak is the most memory of one process, in megabytes.
	Peak float64 `json:"peak_mb"`
	// Lost and Doubled are recipients that never arrived, or more than once.
	Lost    int `json:"lost"`
	Doubled int `json:"doubled"`
	// Missing says why nothing was measured; "" if it was.
	Missing string `json:"missing,omitempty"`
	// CPURatio and RateRatio say how many times this one's figures are those of the scenario it is compared with.
	Against   string  `json:"against,omitempty"`
	CPURatio  float64 `json:"cpu_ratio,omitempty"`
	RateRatio float64 `json:"rate_ratio,omitempty"`
}

// Options say what is measured.
type Options struct {
	// Scenarios are names; none is all.
	Scenarios []string
	// Runs is how often each is run, in turns; at least one.
	Runs int
	// Compare also runs the baselines.
	Compare bool
	// Scale divides the number of notifications of every scenario; at least one.
	Scale int
	// Profiles is the folder for CPU profiles, one for each process that is measured; "" for none.
	Profiles string
	// Progress is told what is about to run; nil for nobody.
	Progress func(text string)
}

// Run measures. Scenarios take turns, so that what the machine does meanwhile hits all of them alike.
func Run(ctx context.Context, o Options) ([]Figures, error) {
	scenarios, err := choose(o.Scenarios, o.Compare)
	if err != nil {
		return nil, err
	}
	runs := make([][]Figures, len(scenarios))
	for n := range max(o.Runs, 1) {
		for i, s := range scenarios {
			s.Count = max(s.Count/max(o.Scale, 1)/perCall, 1) * perCall
			if o.Progress != nil {
				o.Progress(fmt.Sprintf("run %d of %d: %s", n+1, max(o.Runs, 1), s.What))
			}
			if s.Foreign && h2load() == "" {
				runs[i] = append(runs[i], Figures{Scenario: s.Name, What: s.What, Missing: "not measured: h2load is not installed (package nghttp2-client)"})
				continue
			}
			f, err := measure(ctx, s, o.Profiles)
			if err != nil {
				return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
			}
			runs[i] = append(runs[i], f)
		}
	}
	all := make([]Figures, len(scenarios))
	for i := range scenarios {
		all[i] = medians(runs[i])
	}
	relate(scenarios, all)
	return all, nil
}

func medians(runs []Figures) Figures {
	m := runs[0]
	m.Runs = len(runs)
	for _, figure := range []func(*Figures) *float64{
		func(f *Figures) *float64 { return &f.Rate }, func(f *Figures) *float64 { return &f.CPU },
		func(f *Figures) *float64 { return &f.Allocations }, func(f *Figures) *float64 { return &f.Peak },
		func(f *Figures) *float64 { return &f.P50 }, func(f *Figures) *float64 { return &f.P99 }, func(f *Figures) *float64 { return &f.Max },
	} {
		values := make([]float64, len(runs))
		for i := range runs {
			values[i] = *figure(&runs[i])
		}
		slices.Sort(values)
		*figure(&m) = values[len(values)/2]
	}
	m.Lost, m.Doubled = 0, 0
	for _, f := range runs {
		m.Lost, m.Doubled = m.Lost+f.Lost, m.Doubled+f.Doubled
	}
	return m
}

// relate fills in the ratios.
func relate(scenarios []Scenario, all []Figures) {
	for i, s := range scenarios {
		k := slices.IndexFunc(all, func(f Figures) bool { return s.Against != "" && f.Scenario == s.Against })
		if k < 0 || all[i].Missing != "" {
			continue
		}
		all[i].Against = s.Against
		if all[k].CPU > 0 {
			all[i].CPURatio = all[i].CPU / all[k].CPU
		}
		all[i].RateRatio = all[i].Rate / all[k].Rate
	}
}

// crew are the running parts of a scenario.
type crew struct {
	dir, profiles string
	remove        func() error
	parts         []*part
}

// profile is where a part's profile goes.
func (c *crew) profile(scenario, name string) string {
	if c.profiles == "" {
		return ""
	}
	return filepath.Join(c.profiles, scenario+"-"+name+".pprof")
}

func (c *crew) launch(ctx context.Context, p Part, hello any) (*part, error) {
	p.Dir = c.dir
	one, err := launch(ctx, p, hello)
	if err == nil {
		c.parts = append(c.parts, one)
	}
	return one, err
}

// end ends the parts, the last first.
func (c *crew) end() (err error) {
	for _, p := range slices.Backward(c.parts) {
		err = errors.Join(err, p.end())
	}
	return errors.Join(err, c.remove())
}

func measure(ctx context.Context, s Scenario, profiles string) (f Figures, err error) {
	dir, remove, err := app.Scratch("bench")
	if err != nil {
		return f, err
	}
	c := &crew{dir: dir, profiles: profiles, remove: remove}
	defer func() { err = errors.Join(err, c.end()) }()
	var at ready
	provider, err := c.launch(ctx, Part{Role: "provider", Provider: s.Provider, Engine: s.Engine, Connections: s.Connections}, &at)
	if err != nil {
		return f, err
	}
	if s.Foreign {
		return foreign(ctx, s, provider, at.Address)
	}
	if s.Whole != nil {
		return c.whole(ctx, s, provider)
	}
	return c.alone(ctx, s, provider)
}

// alone measures a sender.
func (c *crew) alone(ctx context.Context, s Scenario, provider *part) (f Figures, err error) {
	sender, err := c.launch(ctx, Part{Role: "sender", Count: s.Count, Calls: s.Calls, Profile: c.profile(s.Name, "sender")}, &ready{})
	if err != nil {
		return f, err
	}
	var report peer.Report
	if err := provider.ask(doReset, &report); err != nil {
		return f, err
	}
	var done sent
	if err := sender.ask(doReport, &done); err != nil {
		return f, err
	}
	if err := provider.ask(doReport, &report); err != nil {
		return f, err
	}
	f = figures(s, done.Usage, report)
	if done.Accepted != s.Count {
		return f, fmt.Errorf("%d of %d notifications were accepted", done.Accepted, s.Count)
	}
	return f, nil
}

func figures(s Scenario, used Usage, report peer.Report) Figures {
	n := float64(s.Count)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return Figures{
		Scenario: s.Name, What: s.What, Rate: n / used.Wall.Seconds(), CPU: float64(used.CPU) / float64(time.Microsecond) / n,
		Allocations: float64(used.Mallocs) / n, Peak: float64(used.Peak) / (1 << 20),
		P50: ms(report.P50), P99: ms(report.P99), Max: ms(report.Max),
		Lost: s.Count - report.Distinct, Doubled: report.Doubled,
	}
}

// whole measures workers.
func (c *crew) whole(ctx context.Context, s Scenario, provider *part) (f Figures, err error) {
	var broker ready
	if _, err := c.launch(ctx, Part{Role: "broker", Sync: s.Whole.Sync}, &broker); err != nil {
		return f, err
	}
	var workers []*part
	for n := range max(s.Whole.Workers, 1) {
		name := fmt.Sprintf("w-%d", n)
		w, err := c.launch(ctx, Part{Role: "worker", Broker: broker.Address, Worker: name, Profile: c.profile(s.Name, name)}, &ready{})
		if err != nil {
			return f, err
		}
		workers = append(workers, w)
	}
	conn, err := queue.Connect(ctx, queue.Options{URL: broker.Address, Name: "bench", Logger: zerolog.Nop()})
	if err != nil {
		return f, fmt.Errorf("connecting to the broker: %w", err)
	}
	defer conn.Close()
	p := &publisher{conn: conn, s: s, provider: provider}
	if err := p.publish(ctx, 0, perCall, false); err != nil { // opens connections and fills caches
		return f, err
	}
	if err := p.wait(ctx, perCall); err != nil {
		return f, err
	}
	var report peer.Report
	if err := provider.ask(doReset, &report); err != nil {
		return f, err
	}
	var used Usage
	for _, w := range workers {
		if err := w.ask(doReset, &used); err != nil {
			return f, err
		}
	}
	if err := p.publish(ctx, perCall, s.Count, true); err != nil {
		return f, err
	}
	if err := p.wait(ctx, s.Count); err != nil {
		return f, err
	}
	var sum Usage
	for _, w := range workers {
		if err := w.ask(doReport, &used); err != nil {
			return f, err
		}
		sum = Usage{CPU: sum.CPU + used.CPU, Mallocs: sum.Mallocs + used.Mallocs, Wall: max(sum.Wall, used.Wall), Peak: max(sum.Peak, used.Peak)}
	}
	if err := provider.ask(doReport, &report); err != nil {
		return f, err
	}
	return figures(s, sum, report), nil
}
