package enqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
)

// scopeFlags say which jobs an order is about. Together they narrow.
type scopeFlags struct {
	Job      []string      `arg:"" optional:"" help:"A job: its id, or its platform, app and id."`
	Platform jobs.Platform `group:"Which jobs" enum:",apns,gcm" default:"" placeholder:"apns|gcm" help:"Those of this platform."`
	App      string        `group:"Which jobs" placeholder:"NAME" help:"Those of this app."`
	Lane     jobs.Lane     `group:"Which jobs" enum:",high,normal,bulk" default:"" placeholder:"LANE" help:"Those of this lane: high, normal or bulk."`
	Campaign string        `group:"Which jobs" placeholder:"NAME" help:"Those of this campaign."`
}

// scope reads them. The words become parts of subjects and keys, so whatever can't be a name is refused.
func (f *scopeFlags) scope() (pipeline.Scope, error) {
	s := pipeline.Scope{Platform: f.Platform, App: f.App, Lane: f.Lane, Campaign: f.Campaign}
	switch len(f.Job) {
	case 0:
	case 1:
		s.Job = f.Job[0]
	case 3:
		if f.Platform != "" || f.App != "" {
			return s, cli.Exitf(cli.ExitUsage, "platform and app are given twice; leave --platform and --app out")
		}
		s.Platform, s.App, s.Job = jobs.Platform(f.Job[0]), f.Job[1], f.Job[2]
		if !slices.Contains(jobs.Platforms(), s.Platform) {
			return s, cli.Exitf(cli.ExitUsage, "%q is no platform; it is apns or gcm", f.Job[0])
		}
	default:
		return s, cli.Exitf(cli.ExitUsage, "a job is named by its id, or by platform, app and id: apns default promo-7")
	}
	for _, name := range []struct{ flag, value string }{{"app", s.App}, {"campaign", s.Campaign}, {"job", s.Job}} {
		if strings.ContainsFunc(name.value, notInName) {
			return s, cli.Exitf(cli.ExitUsage, "%s %q: a name has only letters, digits, _ and - in it", name.flag, name.value)
		}
	}
	return s, nil
}

// order reads the scope of an order, which must not be everything.
func (f *scopeFlags) order() (pipeline.Scope, error) {
	s, err := f.scope()
	if err == nil && s == (pipeline.Scope{}) {
		err = cli.Exitf(cli.ExitUsage, "say which jobs: a job's id, --campaign, --app, --platform or --lane")
	}
	return s, err
}

type pauseCmd struct {
	scopeFlags
	cli.OutputFlags
}

// Help is shown below the usage line of "enqueue pause --help".
func (*pauseCmd) Help() string {
	return `Holds jobs back on all workers within a second, those that come later included, until "enqueue resume". Segments that are being sent are finished. A recipient
whose deadline (expiration, time_to_live) passes meanwhile is skipped as expired.

Examples:

    enqueue pause apns default promo-7
    enqueue pause --campaign spring
    enqueue pause --app shop --lane bulk

Exit codes: 0 stored, 1 a fault, 2 a wrong flag, 69 no server, 78 unreadable credentials.`
}

// Run implements the command.
func (c *pauseCmd) Run(s *session) error {
	return s.give(pipeline.OrderPause, &c.scopeFlags, c.JSON())
}

type cancelCmd struct {
	scopeFlags
	cli.OutputFlags
}

// Help is shown below the usage line of "enqueue cancel --help".
func (*cancelCmd) Help() string {
	return `Ends jobs on all workers. Within a second, and at the next batch of what is being sent, nobody else gets a notification of them: everybody who was not
reached yet is told of as "skipped: cancelled", also those who wait for a retry or for the job's deliver_at. It can't be taken back. A job is cancelled by its id whenever
it comes; by campaign, app, platform or lane only what is stored already.

Examples:

    enqueue cancel apns default promo-7
    enqueue cancel --campaign spring
    enqueue cancel --platform gcm --lane bulk

Exit codes: 0 stored, 1 a fault, 2 a wrong flag, 69 no server, 78 unreadable credentials.`
}

// Run implements the command.
func (c *cancelCmd) Run(s *session) error {
	return s.give(pipeline.OrderCancel, &c.scopeFlags, c.JSON())
}

type resumeCmd struct {
	scopeFlags
	cli.OutputFlags
}

// Help is shown below the usage line of "enqueue resume --help".
func (*resumeCmd) Help() string {
	return `Withdraws the pauses of these jobs: the same one that was given, and narrower ones. What waited goes on at once, unless a wider pause still holds it; the
command says so.

Examples:

    enqueue resume apns default promo-7
    enqueue resume --campaign spring
    enqueue resume --platform apns

Exit codes: 0 withdrawn, 1 nothing was paused or a fault, 2 a wrong flag, 69 no server, 78 unreadable credentials.`
}

// Run implements the command.
func (c *resumeCmd) Run(s *session) error {
	scope, err := c.order()
	if err != nil {
		return err
	}
	conn, err := s.connect(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	gone, err := conn.Withdraw(s.ctx, scope)
	if err != nil {
		return brokerFault(err)
	}
	left, hastened, err := s.sweep(conn, scope)
	for _, order := range gone {
		s.tell(c.JSON(), orderLine{Order: order, Withdrawn: true}, "resumed: %s", order.Scope)
	}
	for _, order := range left {
		if order.Kind == pipeline.OrderPause && order.Covers(scope) {
			s.tell(c.JSON(), orderLine{Order: order}, "still paused by %s", order.Scope)
		}
	}
	if !c.JSON() && hastened > 0 {
		s.say("%s", counted(hastened, "waiting segment goes on", "waiting segments go on"))
	}
	if err == nil && len(gone) == 0 {
		err = cli.Exitf(cli.ExitFailure, "nothing is paused by %s; \"enqueue orders\" lists what is", scope)
	}
	return brokerFault(err)
}

type ordersCmd struct{ cli.OutputFlags }

// Help is shown below the usage line of "enqueue orders --help".
func (*ordersCmd) Help() string {
	return `Lists what is paused and cancelled, the oldest order first. Cancels are kept for 400 days.

Examples:

    enqueue orders
    enqueue orders -o json | jq -r 'select(.kind == "pause") | .app'

Exit codes: 0 done, 1 a fault, 2 a wrong flag, 69 no server, 78 unreadable credentials.`
}

// Run implements the command.
func (c *ordersCmd) Run(s *session) error {
	conn, err := s.connect(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	all, err := conn.Given(s.ctx)
	if err != nil {
		return brokerFault(err)
	}
	slices.SortFunc(all, func(a, b pipeline.Order) int { return a.At.Compare(b.At) })
	if c.JSON() {
		for _, order := range all {
			s.emit(orderLine{Order: order})
		}
		return nil
	}
	if len(all) == 0 {
		s.say("nothing is paused or cancelled")
		return nil
	}
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SINCE\tORDER\tWHICH JOBS")
	for _, order := range all {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", order.At.UTC().Format(time.RFC3339), order.Kind, order.Scope)
	}
	return table.Flush()
}

// orderLine is an order for machines.
type orderLine struct {
	pipeline.Order
	// Withdrawn says that it held until now.
	Withdrawn bool `json:"withdrawn,omitempty"`
	// Hastened is how many segments that waited for a time were turned into work.
	Hastened int `json:"hastened,omitempty"`
}

// give stores an order and turns what need not wait any more into work.
func (s *session) give(kind pipeline.OrderKind, flags *scopeFlags, asJSON bool) error {
	scope, err := flags.order()
	if err != nil {
		return err
	}
	conn, err := s.connect(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	scope, known, err := s.narrow(conn, scope)
	if err != nil {
		return err
	}
	order, err := conn.Give(s.ctx, kind, scope)
	if err != nil {
		return brokerFault(err)
	}
	line := orderLine{Order: order}
	if kind == pipeline.OrderPause {
		s.tell(asJSON, line, "paused: %s%s", scope, known)
		return nil
	}
	_, line.Hastened, err = s.sweep(conn, scope)
	s.tell(asJSON, line, "cancelled: %s%s", scope, known)
	if !asJSON && line.Hastened > 0 {
		s.say("%s", counted(line.Hastened, "waiting segment is told of at once", "waiting segments are told of at once"))
	}
	return brokerFault(err)
}

// narrow finds the job that is meant by an id alone: an order about all jobs that happen to have it would be a mistake. known says in words
// that there is none yet.
func (s *session) narrow(conn *queue.Conn, scope pipeline.Scope) (narrowed pipeline.Scope, known string, err error) {
	if scope.Job == "" {
		return scope, "", nil
	}
	census := conn.Census(scope)
	if err := census.Update(s.ctx, nil); err != nil {
		return scope, "", brokerFault(err)
	}
	switch found := census.Jobs(); len(found) {
	case 0:
		return scope, " (nothing is known of it yet; it holds when the job comes)", nil
	case 1:
		scope.Platform, scope.App = found[0].Platform, found[0].App
		return scope, "", nil
	default:
		return scope, "", ambiguous(scope.Job, found)
	}
}

// sweep turns what need not wait any more into work. Workers do it as well; who asks should not have to wait for them.
func (s *session) sweep(conn *queue.Conn, scope pipeline.Scope) (left []pipeline.Order, hastened int, err error) {
	if left, err = conn.Given(s.ctx); err != nil {
		return nil, 0, err
	}
	hastened, err = conn.Sweep(s.ctx, scope, pipeline.NewOrders(left))
	if err != nil {
		err = fmt.Errorf("the order is stored and the workers follow it, but %w", err)
	}
	return left, hastened, err
}

// tell prints a line for people, or an object for machines.
func (s *session) tell(asJSON bool, value any, format string, args ...any) {
	if asJSON {
		s.emit(value)
		return
	}
	s.say(format, args...)
}

// brokerFault gives an error of the broker its exit code.
func brokerFault(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, queue.ErrUnavailable), errors.Is(err, queue.ErrTopology), errors.Is(err, queue.ErrFull):
		return cli.Exit(cli.ExitUnavailable, err)
	}
	return err
}
