//go:build chaosrun

package integration

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
)

// The flags of the chaos run, which is started by
//
//	go test -tags chaosrun -run '^TestChaos$' -v -timeout 60m ./integration -args -cut
var (
	cut       = flag.Bool("cut", false, "a cut of the chaos run that ends within five minutes")
	tableFile = flag.String("table", "", "a file that gets the table, too")
)

// row is one line of the table.
type row struct {
	broker, what string
	verdict      *verdict
	began        bool // false for a line that -run left out
	failed       bool
}

// chaos is one run of everything.
type chaos struct {
	mu   sync.Mutex
	rows []*row
}

// play runs one line of the table. Lines are shown in the order in which they are reserved.
func (c *chaos) play(t *testing.T, r *row, play func(*testing.T) *verdict) {
	t.Run(r.what, func(t *testing.T) {
		r.began = true
		defer func() { r.failed = t.Failed() }()
		r.verdict = play(t)
	})
}

func (c *chaos) reserve(broker, what string) *row {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &row{broker: broker, what: what}
	c.rows = append(c.rows, r)
	return r
}

// TestChaos kills, stops and starves whatever can be, and holds the books of each run against the guarantees.
func TestChaos(t *testing.T) {
	began := time.Now()
	c := &chaos{}
	groups := c.groups()
	t.Run("run", func(t *testing.T) {
		for _, g := range groups {
			t.Run(g.name, func(t *testing.T) {
				t.Parallel()
				g.run(t)
			})
		}
	})
	c.print(os.Stdout)
	fmt.Printf("%d lines in %s\n", len(c.rows), time.Since(began).Round(time.Second)) //nolint:forbidigo // it is what the run is for
	if *tableFile != "" {
		var text strings.Builder
		c.print(&text)
		if err := os.WriteFile(*tableFile, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *chaos) print(out io.Writer) {
	fmt.Fprintln(out, "| broker | what happens | recipients | missing | without exactly one final place | sent twice | limit | uncertain | taken over after |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|")
	for _, r := range c.rows {
		if !r.began {
			continue
		}
		v, name := r.verdict, r.what
		if r.failed {
			name = "**VIOLATED** " + name
		}
		if v == nil || v.books == nil {
			fmt.Fprintf(out, "| %s | %s | did not end | | | | | | |\n", r.broker, name)
			continue
		}
		takeover := "–"
		if v.takeover > 0 {
			takeover = fmt.Sprintf("%.1f s", v.takeover.Seconds())
		}
		b := v.books
		fmt.Fprintf(out, "| %s | %s | %d | %d | %d | %d | %d | %d | %s |\n",
			r.broker, name, b.recipients, b.missing, b.unplaced, len(b.twice), v.limit, len(b.uncertain), takeover)
	}
}

// group is a part of the run that is played one line after the other, beside other groups.
type group struct {
	name string
	run  func(*testing.T)
}

// groups are everything there is, or the cut.
func (c *chaos) groups() []group {
	return slices.Concat(c.matrix(), c.troubles(), c.wires())
}

// house opens a theatre for one line.
type house func(t *testing.T, p *providers) *theatre

func singleServer(t *testing.T, p *providers) *theatre {
	t.Helper()
	return openTheatre(t, p, startServer(t).url())
}

// oneProcess is a broker inside the worker, which dies with it.
func oneProcess(t *testing.T, p *providers) *theatre {
	t.Helper()
	addr := fixedPort(t)
	return openTheatre(t, p, "nats://"+addr, "--nats-listen", addr, "--store-dir", t.TempDir())
}

// programme is what is published in a line of the matrix.
type programme struct {
	name string
	// after is how often the point is reached before the worker dies.
	after  int
	orders func(audience) []*order
	// more are points that only these jobs reach.
	more []string
}

func programmes() []programme {
	return []programme{
		{"small jobs", 8, func(a audience) []*order { return a.mixed(60, 1, 7, 30, 2, 100, 1, 1) }, nil},
		{"one job of 10,000", 3, func(a audience) []*order {
			return []*order{a.order(jobs.APNS, "default", "large", 10_000, nil)}
		}, []string{"split"}},
		{"campaign of 200 jobs", 40, func(a audience) []*order { return a.mixed(200, 1, 50, 20, 120, 10, 1, 300) }, nil},
	}
}

// happens says what a death at a point is, after the jobs it happens to.
func happens(point string) string {
	if point == "split" {
		return ", killed in the middle of its split, after some segments were finished"
	}
	return ", killed at " + point
}

// matrix is {six points} × {single server, cluster, one process} × {small jobs, one job of 10,000, campaign of 200 jobs}.
func (c *chaos) matrix() []group {
	var groups []group
	for _, broker := range []string{"single server", "cluster of three", "one process"} {
		type line struct {
			*row
			programme
			point string
		}
		var lines []line
		for i, p := range programmes() {
			for k, point := range append(crashPoints(), p.more...) {
				if *cut && (i+k)%3 != len(groups) { // each programme and each point somewhere, not everywhere
					continue
				}
				lines = append(lines, line{c.reserve(broker, p.name+happens(point)), p, point})
			}
		}
		groups = append(groups, group{broker, func(t *testing.T) {
			simulated := startProviders(t)
			open := map[string]house{"single server": singleServer, "one process": oneProcess}[broker]
			if open == nil {
				url := urls(startNodes(t))
				open = func(t *testing.T, p *providers) *theatre { return openTheatre(t, p, url) }
			}
			for i, l := range lines {
				c.play(t, l.row, func(t *testing.T) *verdict {
					s := open(t, simulated)
					if i > 0 && broker == "cluster of three" {
						s.skip()
					}
					s.orders = l.orders(audience{strings.ReplaceAll(fmt.Sprintf("%s-%d", broker, i), " ", "-")})
					return s.crash(death{at: l.point, after: l.after})
				})
			}
		}})
	}
	return groups
}
