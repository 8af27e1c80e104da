package enqueue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/jobs"
)

// order is what the flags of one platform's command say.
type order struct {
	platform jobs.Platform
	// flags are the structs whose fields have `job` tags.
	flags      []any
	recipients *recipientFlags
	job        *jobFlags
	outcome    outcomeFlags
	dryRun     bool
}

// send builds the jobs of an order, checks them all, and publishes them or shows them. Whatever the broker is not needed
// for is checked before it is asked: a typo is found without one.
func (s *session) send(o *order) error {
	if err := o.outcome.check(); err != nil {
		return err
	}
	got, err := o.recipients.collect(o.platform, s)
	if err != nil {
		return err
	}
	defer got.ids.close()
	d, sample, err := o.draft(got)
	if err != nil {
		return err
	}
	if o.dryRun {
		return s.show(o, d, got, sample)
	}
	conn, err := s.connect(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	d.limit = jobLimit(conn.MaxPayload())
	plan, err := d.plan(got.ids)
	if err != nil {
		return cli.Exit(cli.ExitUsage, d.fields.explain(err))
	}
	sent := &shipment{
		conn: conn, platform: o.platform, lane: o.job.Lane, plan: plan, repeats: got.repeats, skipped: got.skipped,
		named: o.job.ID != nil && len(plan) == 1,
		again: fmt.Sprintf("run the same command again with --id %s: what is stored already is not stored twice", d.id),
	}
	return s.ship(sent, o.outcome, func(visit func([]byte) error) error {
		return d.bodies(got.ids, func(_ string, body []byte) error { return visit(body) })
	})
}

// draft puts the job together and lists everything that is wrong with flags and recipients at once. sample is the job
// with its first recipient only.
func (o *order) draft(got *recipients) (d *draft, sample *jobs.Job, err error) {
	d = &draft{platform: o.platform, personal: o.recipients.Vars}
	if o.job.ID != nil {
		d.id = *o.job.ID
	} else {
		fresh, err := uuid.NewV7()
		if err != nil {
			return nil, nil, fmt.Errorf("making a job id: %w", err)
		}
		d.id = fresh.String()
	}
	var faults, more jobs.Faults
	d.fields, faults = jobFields(o.flags...)
	// What can be read is checked even if something else can't.
	if sample, err = d.sample(got.ids); err != nil && !errors.As(err, &more) {
		return nil, nil, err
	}
	faults = append(faults, more...)
	problems := got.problems
	for _, fault := range faults {
		// "No recipients" would only repeat what is said about the bad ones.
		if fault.Field != "ids" && fault.Field != "recipients" || len(got.problems) == 0 {
			problems = append(problems, d.fields.problem(fault))
		}
	}
	if len(problems) > 0 {
		return nil, nil, cli.Exit(cli.ExitUsage, &faultsError{what: "the job can't be published", faults: problems})
	}
	return d, sample, nil
}

// show is --dry-run.
func (s *session) show(o *order, d *draft, got *recipients, sample *jobs.Job) error {
	d.limit = jobLimit(defaultMaxPayload)
	plan, err := d.plan(got.ids)
	if err != nil {
		return cli.Exit(cli.ExitUsage, d.fields.explain(err))
	}
	preview, err := s.render(d, got.ids, sample)
	if err != nil {
		return cli.Exit(cli.ExitUsage, d.fields.explain(err))
	}
	subject := jobs.IntakeSubject(o.platform, o.job.Lane)
	summary := summaryLine{Kind: "summary", Jobs: len(plan), Recipients: recipientsOf(plan), RepeatsRemoved: got.repeats, BadLinesSkipped: got.skipped, File: got.format, Preview: preview}
	if o.outcome.JSON() {
		for _, job := range plan {
			s.emit(publishedLine{Kind: "dry_run", Platform: o.platform, App: job.App, Job: job.ID, Subject: subject, Recipients: job.Recipients, Bytes: job.Bytes})
		}
		s.emit(summary)
		return nil
	}
	s.say("%s", strings.TrimRight(preview, "\n"))
	s.say("")
	if got.format != "" {
		s.say("%s", got.format)
	}
	for _, job := range plan {
		s.say("would publish %s on %s: %s, %s bytes", job.ID, subject, counted(job.Recipients, "recipient", "recipients"), count(job.Bytes))
	}
	s.sayIntake(summary)
	s.say("nothing was published")
	return nil
}

// render shows the first recipient's notification as the provider would get it, or the job as a worker would.
func (s *session) render(d *draft, ids *spool, sample *jobs.Job) (string, error) {
	if s.preview != nil {
		return s.preview(sample)
	}
	body, err := d.sampleBody(ids)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return "", fmt.Errorf("showing the job: %w", err)
	}
	return out.String(), nil
}

// defaultMaxPayload is what a NATS server takes in one message unless it is configured otherwise.
const defaultMaxPayload = 1 << 20

// headerRoom is what PUSH_JOBS counts beside the job: the header with its id, 129 bytes at most.
const headerRoom = 256

// jobLimit is the most bytes a job may have on a server with this max payload.
func jobLimit(maxPayload int) int { return maxPayload - jobs.JobReserve - headerRoom }

func recipientsOf(plan []planned) int {
	n := 0
	for _, job := range plan {
		n += job.Recipients
	}
	return n
}

func (o outcomeFlags) check() error {
	if o.Timeout != 0 && !o.Wait {
		return cli.Exitf(cli.ExitUsage, "--timeout limits --wait; add --wait or leave it out")
	}
	if o.Timeout < 0 {
		return cli.Exitf(cli.ExitUsage, "--timeout must not be negative")
	}
	return nil
}
