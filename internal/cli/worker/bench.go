package worker

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/volleypush/volley/internal/bench"
	"github.com/volleypush/volley/internal/cli"
)

type benchCommand struct {
	Scenario []string `short:"s" placeholder:"NAME" help:"Which to run, several separated by commas; all of them if none is named."`
	Runs     int      `default:"3" help:"How often each is run; the figures are medians."`
	Compare  bool     `help:"Also run the same over net/http, and with h2load where that is installed, for ratios that do not depend on the machine."`
	Control  bool     `help:"Measure what is promised about control instead: how soon a cancel reaches the whole fleet, how exactly an app is kept to its rate, and how long single pushes take beside a blast."`
	Scale    int      `default:"1" placeholder:"N" help:"Send an Nth of the notifications: quicker, and less exact."`
	Profile  string   `placeholder:"DIR" help:"Write a CPU profile of each sender and worker into this folder (go tool pprof)."`
	cli.OutputFlags
}

// Help is shown below the usage line of "worker bench --help".
func (benchCommand) Help() string {
	return `Provider, broker and worker are processes of their own on this machine, and nothing else should run on it. The processor time is the sender's or worker's alone. Allocations and memory are of the same process; times are from publishing to the provider.

Examples:
  worker bench --scale 10 --runs 1
  worker bench --control
  worker bench --compare --scenario apns,apns-nethttp --runs 5`
}

// Run measures and prints.
func (b *benchCommand) Run(s *session) error {
	if b.Runs < 1 || b.Scale < 1 {
		return cli.Exitf(cli.ExitUsage, "--runs and --scale are 1 or more")
	}
	if b.Profile != "" {
		if err := os.MkdirAll(b.Profile, 0o700); err != nil {
			return exit(cli.ExitFailure, fmt.Errorf("making the folder for profiles: %w", err))
		}
	}
	o := bench.Options{Scenarios: b.Scenario, Runs: b.Runs, Compare: b.Compare, Scale: b.Scale, Profiles: b.Profile}
	if file, ok := s.Err.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		o.Progress = func(text string) { _, _ = fmt.Fprintf(s.Err, "\r\x1b[K%s", text) }
		defer func() { _, _ = fmt.Fprint(s.Err, "\r\x1b[K") }()
	}
	if b.Control {
		figures, err := bench.Control(s.ctx, o)
		if err != nil {
			return exit(cli.ExitFailure, err)
		}
		return b.print(s, figures, func() error { return bench.PrintControl(s.Out, figures) })
	}
	figures, err := bench.Run(s.ctx, o)
	if err != nil {
		return exit(cli.ExitFailure, err)
	}
	return b.print(s, figures, func() error { return bench.Print(s.Out, figures) })
}

// print prints figures for machines, or the table for people.
func (b *benchCommand) print(s *session, figures any, table func() error) error {
	if !b.JSON() {
		return exit(cli.ExitFailure, table())
	}
	encoder := json.NewEncoder(s.Out)
	encoder.SetIndent("", "  ")
	return exit(cli.ExitFailure, encoder.Encode(figures))
}

// benchPart is a process of a benchmark.
type benchPart struct {
	Part string `arg:"" help:"What it is, in JSON."`
}

// Run does what the part does until its standard input ends.
func (b *benchPart) Run(s *session) error {
	var part bench.Part
	if err := json.Unmarshal([]byte(b.Part), &part); err != nil {
		return cli.Exitf(cli.ExitUsage, "bench-part is started by worker bench: %w", err)
	}
	return exit(cli.ExitFailure, bench.RunPart(s.ctx, part, bench.Standard{In: s.In, Out: s.Out}))
}
