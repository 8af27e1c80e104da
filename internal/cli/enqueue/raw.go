package enqueue

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/cli/input"
	"github.com/volleypush/volley/jobs"
)

type jobCmd struct {
	Platform jobs.Platform `arg:"" enum:"apns,gcm" help:"apns or gcm."`
	File     string        `arg:"" placeholder:"FILE|-" help:"File with one job object, or one object per line (NDJSON), gzip or plain; - is standard input."`

	Lane jobs.Lane `group:"Job" enum:"high,normal,bulk" default:"normal" placeholder:"LANE" help:"Priority class: high, normal or bulk (default: ${default})."`
	outcomeFlags
}

// Help is shown below the usage line of "enqueue job --help".
func (*jobCmd) Help() string {
	return `The objects are published as they are, after all of them have been checked. A job without an id gets one. A line that is
there twice is published once. A corrected job needs a new id: the old one stays with its job for a day, as long as results are kept.

Examples:

    enqueue job apns job.json
    enqueue job gcm jobs.ndjson --lane high --wait
    echo '{"ids":["740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad"],"message":"Hi"}' | enqueue job apns -

Exit codes: 0 published (with --wait: everybody was reached), 1 a fault or a failed recipient, 2 a wrong job (nothing was
sent), 69 no server, 78 unreadable credentials.`
}

// Run implements the command.
func (c *jobCmd) Run(s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	batch, err := c.read(s.stdin)
	if err != nil {
		return err
	}
	defer batch.bodies.close()
	conn, err := s.connect(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := batch.checkSizes(jobLimit(conn.MaxPayload())); err != nil {
		return err
	}
	sh := &shipment{
		conn: conn, platform: c.Platform, lane: c.Lane, plan: batch.plan, repeatedJobs: batch.repeats,
		again: "publishing an unchanged job with an id again is harmless, one without an id is sent again",
	}
	return s.ship(sh, c.outcomeFlags, batch.bodies.each)
}

// rawJobs are jobs that are JSON already.
type rawJobs struct {
	platform jobs.Platform
	// name and single say where a job is, for faults.
	name   string
	single bool
	bodies *spool
	plan   []planned
	lines  []int
	// named finds the jobs of plan that have an id. repeats are lines that are there again, and not in plan.
	named   map[jobKey]int
	repeats int
	// problems are named up to maxBadLines, bad counts them all.
	problems []string
	bad      int
}

// read reads and checks every job, and lists everything that is wrong with any of them.
func (c *jobCmd) read(stdin io.Reader) (*rawJobs, error) {
	batch := &rawJobs{platform: c.Platform, name: "standard input", bodies: newSpool(), named: make(map[jobKey]int)}
	source := stdin
	if c.File != "-" {
		file, err := openFile(c.File)
		if err != nil {
			return nil, cli.Exit(cli.ExitUsage, err)
		}
		defer func() { _ = file.Close() }()
		batch.name, source = c.File, file
	}
	err := readJobs(source, func(line int, single bool, body []byte) error {
		batch.single = single
		return batch.take(line, body)
	})
	if file, ok := errors.AsType[*input.Error](err); ok {
		batch.fault(0, file.Error())
	} else if err != nil {
		batch.bodies.close()
		return nil, inputProblem(batch.name, err)
	}
	if len(batch.plan) == 0 && batch.bad == 0 {
		batch.fault(0, "there is no job in it")
	}
	if err := batch.verdict(); err != nil {
		batch.bodies.close()
		return nil, err
	}
	return batch, nil
}

// take checks one job. The error is a fault of this machine.
func (b *rawJobs) take(line int, body []byte) error {
	job, err := jobs.Decode(b.platform, body)
	if err != nil {
		faults, ok := errors.AsType[jobs.Faults](err)
		if !ok {
			return err
		}
		for _, fault := range faults {
			b.fault(line, fault.String())
		}
		return nil
	}
	next := planOf(job, body)
	if next.ID == "" {
		fresh, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("making a job id: %w", err)
		}
		next.HeaderID = fresh.String()
		next.ID, _ = jobs.ResolveID("", messageID(b.platform, job.App, next.HeaderID), 0, time.Time{})
	} else if first, taken := b.named[jobKey{next.App, next.ID}]; !taken {
		b.named[jobKey{next.App, next.ID}] = len(b.plan)
	} else if b.plan[first].Fingerprint == next.Fingerprint {
		b.repeats++
		return nil
	} else {
		b.fault(line, fmt.Sprintf("has the id %q of line %d, but not the same content; give it an id of its own", next.ID, b.lines[first]))
		return nil
	}
	b.plan = append(b.plan, next)
	b.lines = append(b.lines, line)
	return b.bodies.add(body)
}

// messageID is the Nats-Msg-Id that a job is published with.
func messageID(platform jobs.Platform, app, id string) string {
	return string(platform) + "." + app + "." + id
}

// checkSizes refuses jobs that the server would refuse one by one.
func (b *rawJobs) checkSizes(limit int) error {
	for i, job := range b.plan {
		if job.Bytes > limit {
			b.fault(b.lines[i], fmt.Sprintf("has %s bytes, the server takes %s; split its recipients over several jobs", count(job.Bytes), count(limit)))
		}
	}
	return b.verdict()
}

func (b *rawJobs) fault(line int, problem string) {
	if b.bad++; b.bad > maxBadLines {
		return
	}
	if line > 0 && !b.single {
		problem = fmt.Sprintf("line %d: %s", line, problem)
	}
	b.problems = append(b.problems, b.name+": "+problem)
}

func (b *rawJobs) verdict() error {
	if b.bad == 0 {
		return nil
	}
	if b.bad > maxBadLines {
		b.problems = append(b.problems, counted(b.bad-maxBadLines, "more fault", "more faults"))
	}
	return cli.Exit(cli.ExitUsage, &faultsError{what: "not every job can be published", faults: b.problems})
}
