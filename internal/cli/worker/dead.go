package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/queue"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// deadCommand is what can be done with dead letters.
type deadCommand struct {
	List    deadListCommand    `cmd:"" help:"List dead letters, oldest first."`
	Show    deadShowCommand    `cmd:"" help:"Show one dead letter: where it came from, what is wrong with it, its event."`
	Requeue deadRequeueCommand `cmd:"" help:"Give dead letters a new start: they are sent as their next round."`
	Drop    deadDropCommand    `cmd:"" help:"Delete dead letters for good."`
}

// Help is shown below the usage line of "worker dead --help".
func (deadCommand) Help() string {
	return `What can't be sent becomes a dead letter: a job with faults, one for an app without credentials, one that took its worker with it. Its recipients have their place in its event; the letter keeps the bytes for 30 days, so that a person can look at it and decide.

Examples:
  worker dead list --reason unknown_app
  worker dead show 12
  worker dead requeue 12
  worker dead drop --reason invalid --older-than 7d --yes`
}

// connection are the flags that say where the dead letters are.
type connection struct {
	Config    string  `short:"c" placeholder:"FILE" help:"Configuration file (YAML), for its nats section."`
	NATSURL   *string `name:"nats-url" placeholder:"URL" help:"NATS server of the workers (nats://127.0.0.1:4222, where a worker with its own server listens)."`
	NATSCreds *string `name:"nats-creds" aliases:"creds" placeholder:"FILE" help:"NATS credentials file."`
}

// open connects to the broker, or says in one sentence what to do.
func (f *connection) open(s *session) (*queue.Conn, error) {
	c, err := config.Load(f.Config, s.Env)
	if err != nil {
		return nil, exit(cli.ExitConfig, err)
	}
	if f.NATSURL != nil {
		c.NATS.URL = config.NewURL(*f.NATSURL)
	}
	set(&c.NATS.Creds, f.NATSCreds)
	if c.NATS.Embedded() {
		c.NATS.URL = config.NewURL("nats://" + reachable(c.NATS.Listen))
	}
	if c.NATS.Creds != "" {
		file, err := os.Open(c.NATS.Creds)
		if err != nil {
			return nil, cli.Exitf(cli.ExitConfig, "the NATS credentials can't be read: %w; check --nats-creds, NATS_CREDS or nats.creds", err)
		}
		_ = file.Close()
	}
	conn, err := queue.Connect(s.ctx, queue.Options{URL: c.NATS.URL.Reveal(), Creds: c.NATS.Creds, Identity: app.Identity(c.NATS), Name: "worker dead", Logger: zerolog.Nop()})
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, queue.ErrCredentials):
		return nil, exit(cli.ExitConfig, err)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return nil, cli.Exitf(cli.ExitUnavailable, "the NATS server at %s refuses these credentials; check --nats-creds, NATS_CREDS or the user in the URL", c.NATS.URL)
	}
	return nil, cli.Exitf(cli.ExitUnavailable,
		"no NATS server answers at %s, where the dead letters are kept; start a worker there, or say where the server is with --nats-url, NATS_URL or nats.url in the file of --config", c.NATS.URL)
}

// reachable is the address to dial for an address that a server listens on.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return config.Default().NATS.Listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// deadFault is the exit code of what went wrong at the broker.
func deadFault(err error) error {
	if errors.Is(err, queue.ErrUnavailable) || errors.Is(err, queue.ErrTopology) {
		return exit(cli.ExitUnavailable, err)
	}
	return exit(cli.ExitFailure, err)
}

// age is a duration that also knows days.
type age time.Duration

// UnmarshalText reads 90s, 12h or 7d.
func (a *age) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			*a = age(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no age; write 90s, 12h or 7d", text)
	}
	*a = age(d)
	return nil
}

// letterFilter chooses letters by what is known of them.
type letterFilter struct {
	Platform  jobs.Platform `enum:",apns,gcm" default:"" placeholder:"apns|gcm" help:"Only this platform."`
	App       string        `placeholder:"NAME" help:"Only this app; _ is that of jobs whose app can't be read."`
	Reason    string        `placeholder:"WORD" help:"Only this reason: invalid, payload, unknown_app, app_backlog_full, id_reused, poison, corrupt."`
	Job       string        `placeholder:"ID" help:"Only this job."`
	OlderThan age           `name:"older-than" placeholder:"AGE" help:"Only letters stored longer ago than this: 90s, 12h, 7d."`
	NewerThan age           `name:"newer-than" placeholder:"AGE" help:"Only letters stored less long ago."`
	Limit     int           `placeholder:"N" help:"At most so many, the oldest of them (0: all)."`
}

func (f *letterFilter) empty() bool { return *f == letterFilter{} }

// query is the filter for the broker, without bodies.
func (f *letterFilter) query() (queue.DeadFilter, error) {
	if strings.ContainsFunc(f.App, notInName) { // it becomes part of a subject: a dot or wildcard would ask for something else
		return queue.DeadFilter{}, cli.Exitf(cli.ExitUsage, "--app: a name has only letters, digits, _ and - in it")
	}
	if known := results.DeadReasons(); f.Reason != "" && !slices.Contains(known, f.Reason) {
		hint := ""
		if near := cli.Nearest(f.Reason, known); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		return queue.DeadFilter{}, cli.Exitf(cli.ExitUsage, "--reason: a letter's reason is one of %s%s", strings.Join(known, ", "), hint)
	}
	if f.Limit < 0 {
		return queue.DeadFilter{}, cli.Exitf(cli.ExitUsage, "--limit: can't be negative")
	}
	return queue.DeadFilter{
		Platform: f.Platform, App: f.App, Reason: f.Reason, Job: f.Job, Limit: f.Limit, HeadersOnly: true,
		OlderThan: time.Duration(f.OlderThan), NewerThan: time.Duration(f.NewerThan),
	}, nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}

// confirm asks the person at the terminal. Without one, --yes has to say it.
func (s *session) confirm(what string, yes bool) error {
	if yes {
		return nil
	}
	file, ok := s.In.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return cli.Exitf(cli.ExitUsage, "this would %s: look at them with \"worker dead list\" and the same filter, then repeat it with --yes", what)
	}
	return s.ask(file, what)
}

// ask reads the answer to "shall I do that?".
func (s *session) ask(in io.Reader, what string) error {
	_, _ = fmt.Fprintf(s.Err, "This will %s. Go on? [y/N] ", what)
	answer, _ := bufio.NewReader(in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return cli.Exitf(cli.ExitFailure, "nothing was done")
}

// some is "1 dead letter" or "2 dead letters".
func some(n int) string {
	if n == 1 {
		return "1 dead letter"
	}
	return fmt.Sprintf("%d dead letters", n)
}
