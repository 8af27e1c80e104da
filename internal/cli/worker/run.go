package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/cli"
	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/obs"
	"github.com/volleypush/volley/sender/simulator"
)

// settings are the flags that override the configuration. A flag that is not given is nil.
type settings struct {
	Config       string         `short:"c" placeholder:"FILE" help:"Configuration file (YAML); see deploy/volley.example.yaml."`
	NATSURL      *string        `name:"nats-url" placeholder:"URL" help:"NATS server to use, e.g. nats://127.0.0.1:4222. Without it the worker runs one inside itself."`
	NATSCreds    *string        `name:"nats-creds" aliases:"creds" placeholder:"FILE" help:"NATS credentials file."`
	NATSListen   *string        `name:"nats-listen" placeholder:"HOST:PORT" help:"Where the server inside the worker listens (127.0.0.1:4222)."`
	StoreDir     *string        `name:"store-dir" placeholder:"DIR" help:"Where the server inside the worker keeps its streams ($XDG_STATE_HOME/volley/nats or ~/.local/state/volley/nats)."`
	HTTP         *string        `name:"http" placeholder:"HOST:PORT" help:"Where the web page, /healthz, /readyz, /version and /metrics are served (127.0.0.1:8088, or a free port if that is taken); empty for nowhere."`
	HTTPToken    *string        `name:"http-token-file" placeholder:"FILE" help:"File with the token that people give to see the web page; needed where --http is not a loopback address."`
	Worker       *string        `name:"worker" placeholder:"NAME" help:"This worker's name in events (the host's name and the process id)."`
	MaxSegments  *int           `name:"max-segments" placeholder:"N" help:"Segments with more than one recipient sent at once (4)."`
	AckWait      *time.Duration `name:"ack-wait" placeholder:"DURATION" help:"After this long without a heartbeat the broker gives a delivery to another worker (30s)."`
	Grace        *time.Duration `name:"unknown-app-grace" placeholder:"DURATION" help:"How long a job of an app that no running worker has waits for one that has it (10m); then it is a dead letter."`
	DrainTimeout *time.Duration `name:"drain-timeout" placeholder:"DURATION" help:"How long an orderly end waits for what is in flight (30s)."`
	LogLevel     *string        `name:"log-level" placeholder:"LEVEL" help:"trace, debug, info, warn or error (info)."`
	LogFormat    *string        `name:"log-format" placeholder:"FORMAT" help:"console, json, or auto: console on a terminal (auto)."`
}

// load reads the configuration and puts the flags on top. It is not validated yet.
func (f *settings) load(t Terminal) (*config.Config, error) {
	c, err := config.Load(f.Config, t.Env)
	if err != nil {
		return nil, exit(cli.ExitConfig, err)
	}
	if f.NATSURL != nil {
		c.NATS.URL = config.NewURL(*f.NATSURL)
	}
	if !c.NATS.Embedded() && (f.NATSListen != nil || f.StoreDir != nil) {
		return nil, cli.Exitf(cli.ExitUsage, "--nats-listen and --store-dir are about a server inside the worker, but --nats-url, NATS_URL or the file says to use %s: "+
			"leave them out, or give --nats-url= to run one inside", c.NATS.URL)
	}
	set(&c.NATS.Creds, f.NATSCreds)
	set(&c.NATS.Listen, f.NATSListen)
	set(&c.NATS.StoreDir, f.StoreDir)
	set(&c.HTTP, f.HTTP)
	if f.HTTPToken != nil {
		c.HTTPToken, c.HTTPTokenFile = config.Secret{}, *f.HTTPToken
	}
	set(&c.Worker, f.Worker)
	set(&c.MaxSegments, f.MaxSegments)
	set(&c.AckWait, f.AckWait)
	set(&c.UnknownAppGrace, f.Grace)
	set(&c.DrainTimeout, f.DrainTimeout)
	set(&c.Log.Level, f.LogLevel)
	set(&c.Log.Format, f.LogFormat)
	if t.Environ != nil {
		for _, name := range c.UnknownVariables(t.Environ()) {
			if name != controlVariable {
				_, _ = fmt.Fprintf(t.Err, "worker: the environment variable %s sets nothing: it is misspelt, or its app is not in the file\n", name)
			}
		}
	}
	return c, nil
}

func set[T any](to *T, flag *T) {
	if flag != nil {
		*to = *flag
	}
}

// simulation are the flags of the simulators inside the worker.
type simulation struct {
	Simulate bool    `help:"Send to simulated providers inside this process instead of Apple and Google."`
	Control  *string `placeholder:"HOST:PORT" help:"With --simulate: control port (GET /ledger, GET /ledger/summary, DELETE /ledger, POST /script); empty for none (127.0.0.1:8089, or a free port if that is taken; environment: VOLLEY_CONTROL)."`
	Script   string  `placeholder:"FILE" help:"With --simulate: what the simulators answer, YAML or JSON."`
}

// defaultControl is the simulators' control port.
const defaultControl = "127.0.0.1:8089"

// check refuses flags that mean nothing without --simulate: who gives them believes that nothing leaves the machine.
func (s *simulation) check() error {
	if !s.Simulate && (s.Control != nil || s.Script != "") {
		return cli.Exitf(cli.ExitUsage, "--control and --script are about simulated providers, but without --simulate jobs go to Apple and Google: add --simulate, or leave them out")
	}
	return nil
}

// control is where the control port is: the flag, the environment, or the default. usual says that it is the default, because nobody chose.
func (s *simulation) control(env func(string) (string, bool)) (addr string, usual bool) {
	if s.Control != nil {
		return *s.Control, false
	}
	if addr, ok := env(controlVariable); ok {
		return addr, false
	}
	return defaultControl, true
}

type runCommand struct {
	settings
	simulation
}

// Help implements kong's extended help.
func (runCommand) Help() string {
	return `Examples:
  worker --simulate                                   everything in one process, nothing leaves it
  worker --config volley.yaml                         NATS inside, providers outside
  worker -c volley.yaml --nats-url nats://nats:4222   one of many workers

Apps and credentials are taken from their files when these change, within a minute, without a restart. SIGHUP has the worker look at once
and log what changed.`
}

// Run runs the worker until the context ends, then drains.
func (r *runCommand) Run(s *session) error {
	if err := r.check(); err != nil {
		return err
	}
	c, err := r.load(s.Terminal)
	if err != nil {
		return err
	}
	var simulators *app.Simulators
	if r.Simulate {
		c.Apps = nil // the simulators have their own
		if err := c.Validate(); err != nil {
			return exit(cli.ExitConfig, err)
		}
		var cleanup func() error
		if simulators, cleanup, err = r.simulate(c, s.Env); err != nil {
			return exit(taken(err, cli.ExitConfig), err)
		}
		defer func() { _ = cleanup() }()
	}
	if len(c.Apps) == 0 {
		return &cli.ExitError{Code: cli.ExitConfig, Err: errNoApps}
	}
	if err := c.Validate(); err != nil {
		return exit(cli.ExitConfig, err)
	}
	logs, err := obs.New(c.Log, s.Err)
	if err != nil {
		return exit(cli.ExitConfig, err)
	}
	systemd, err := supervise(s.Env)
	if err != nil {
		return exit(cli.ExitConfig, err)
	}
	options := app.Options{Config: c, Log: logs.Component, SetLevels: logs.SetLevels}
	if r.Config != "" && !r.Simulate {
		options.File, options.Read = r.Config, func() (*config.Config, error) { return r.reread(s.Terminal) }
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	tended, stopTending := context.WithCancel(s.ctx)
	defer stopTending()
	go app.TendHeap(tended)
	w, err := app.Start(s.ctx, options)
	if s.ctx.Err() != nil && err != nil {
		return nil // told to stop before it was ready: nothing was begun
	}
	if err != nil {
		return exit(taken(err, startCode(err)), err)
	}
	w.Banner(s.Out, simulators)
	stopping, end := systemd.begin(w.Alive)
	defer end()
	fault := attend(s.ctx, w, hangups)
	stopping()
	switch err = w.Stop(context.WithoutCancel(s.ctx)); {
	case errors.Is(err, app.ErrBroker):
		return exit(cli.ExitUnavailable, err)
	case errors.Is(err, app.ErrWorkLeft):
		return exit(cli.ExitWorkLeft, err)
	case err == nil:
		err = fault
	}
	return exit(cli.ExitFailure, err)
}

// attend lets the worker work until it is told to stop; each hang-up signal has it read its configuration again.
func attend(ctx context.Context, w *app.Worker, hangups <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Ending():
			if ctx.Err() != nil {
				return nil
			}
			return errors.New("the worker stopped pulling by itself")
		case <-hangups:
			w.Reload()
		}
	}
}

// reread reads the configuration as it was read at the start. Of variables that set nothing that start has spoken.
func (f *settings) reread(t Terminal) (*config.Config, error) {
	t.Environ = nil
	c, err := f.load(t)
	if err != nil {
		return nil, err
	}
	return c, c.Validate()
}

var errNoApps = errors.New(strings.TrimSpace(`
no credentials are configured, so there is nothing this worker could send with.
  To look around:     worker demo, or worker --simulate (simulated Apple and Google, nothing leaves this machine)
  For Apple:          put apps.default.apns: {topic, key_file, key_id, team_id} into a file and start with --config FILE
  For Google:         put apps.default.gcm: {service_account: FILE} into it, or set GOOGLE_APPLICATION_CREDENTIALS
All settings are in deploy/volley.example.yaml; worker check says what is still wrong`))

// taken is the exit code of a port that somebody else has, whichever it is: NATS, HTTP or the simulators'. It may be free a moment later, when
// what ran before has ended, so it is "unavailable" and no fault of the configuration, which a supervisor would not try again.
func taken(err error, otherwise int) int {
	if errors.Is(err, syscall.EADDRINUSE) {
		return cli.ExitUnavailable
	}
	return otherwise
}

// startCode is the exit code of a worker that could not start.
func startCode(err error) int {
	switch {
	case errors.Is(err, app.ErrCredentials):
		return cli.ExitConfig
	case errors.Is(err, app.ErrBroker):
		return cli.ExitUnavailable
	}
	return cli.ExitFailure
}

// simulate starts the simulators and gives the configuration the credentials that go with them.
func (r *runCommand) simulate(c *config.Config, env func(string) (string, bool)) (*app.Simulators, func() error, error) {
	control, usual := r.control(env)
	if err := checkAddress("--control or "+controlVariable, control); err != nil {
		return nil, nil, err
	}
	options := app.SimulatorOptions{Control: control}
	if r.Script != "" {
		script, err := simulator.LoadScript(r.Script)
		if err != nil {
			return nil, nil, err
		}
		options.Script = script
	}
	simulators, err := app.StartSimulators(options)
	if usual && errors.Is(err, syscall.EADDRINUSE) { // a second worker on this machine is no mistake
		options.Control = "127.0.0.1:0"
		simulators, err = app.StartSimulators(options)
	}
	if err != nil {
		return nil, nil, err
	}
	dir, remove, err := app.Scratch("simulated")
	if err != nil {
		return nil, nil, errors.Join(err, simulators.Close())
	}
	cleanup := func() error { return errors.Join(simulators.Close(), remove()) }
	if c.Apps, err = simulators.Credentials(dir); err != nil {
		return nil, nil, errors.Join(err, cleanup())
	}
	return simulators, cleanup, nil
}

// checkAddress refuses what is no address to listen on; "" is none.
func checkAddress(flag, addr string) error {
	if addr == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return cli.Exitf(cli.ExitUsage, "%s is %q, but must be HOST:PORT, for example %s; port 0 takes a free one", flag, addr, defaultControl)
	}
	return nil
}

type simulateCommand struct {
	APNs     string   `name:"apns" default:"127.0.0.1:2197" placeholder:"HOST:PORT" help:"Simulated APNs: HTTP/2, TLS (${default})."`
	Binary   string   `name:"apns-binary" default:"127.0.0.1:2195" placeholder:"HOST:PORT" help:"Simulated gateway of APNs's binary protocol, TLS (${default})."`
	Feedback string   `name:"apns-feedback" default:"127.0.0.1:2196" placeholder:"HOST:PORT" help:"Simulated feedback service of that protocol, TLS (${default})."`
	Google   string   `default:"127.0.0.1:8443" placeholder:"HOST:PORT" help:"Simulated FCM v1, GCM legacy and OAuth, TLS (${default})."`
	Control  string   `default:"127.0.0.1:8089" placeholder:"HOST:PORT" help:"Control port: GET /ledger, GET /ledger/summary, DELETE /ledger, POST /script (${default}); empty for none."`
	Host     []string `name:"host" placeholder:"NAME" help:"A further name for their certificates; with an address like 0.0.0.0:2197 the first is the one the written credentials use."`
	CAOut    string   `name:"ca-out" placeholder:"FILE" help:"Write the throw-away CA certificate there, for ca_file."`
	KeysOut  string   `name:"keys-out" placeholder:"DIR" help:"Write credentials that the simulators accept, and a worker configuration that uses them, into this folder."`
	Script   string   `placeholder:"FILE" help:"What they answer, YAML or JSON."`
}

// Help is shown below the usage line of "worker simulate --help".
func (simulateCommand) Help() string {
	return `Examples:
  worker simulate --keys-out simulated                then: worker --config simulated/volley.yaml
  worker simulate --script examples/faults/apns-outage.yaml
  curl http://127.0.0.1:8089/ledger/summary           what arrived`
}

// Run runs the simulators until the context ends.
func (r *simulateCommand) Run(s *session) error {
	for _, one := range []struct{ flag, addr string }{
		{"--apns", r.APNs}, {"--apns-binary", r.Binary}, {"--apns-feedback", r.Feedback}, {"--google", r.Google}, {"--control", r.Control},
	} {
		if err := checkAddress(one.flag, one.addr); err != nil {
			return err
		}
	}
	options := app.SimulatorOptions{APNs: r.APNs, Gateway: r.Binary, Feedback: r.Feedback, Google: r.Google, Control: r.Control, Hosts: r.Host}
	if r.Script != "" {
		script, err := simulator.LoadScript(r.Script)
		if err != nil {
			return exit(cli.ExitConfig, err)
		}
		options.Script = script
	}
	simulators, err := app.StartSimulators(options)
	if err != nil {
		return exit(taken(err, cli.ExitFailure), err)
	}
	defer func() { _ = simulators.Close() }()
	if r.CAOut != "" {
		if err := os.WriteFile(r.CAOut, simulators.CA(), 0o644); err != nil { //nolint:gosec // a certificate is public
			return exit(cli.ExitFailure, fmt.Errorf("writing the CA certificate: %w", err))
		}
	}
	if r.KeysOut != "" {
		if err := simulators.WriteConfig(r.KeysOut); err != nil {
			return exit(cli.ExitFailure, err)
		}
	}
	control := "no control port"
	if addr := simulators.Control(); addr != "" {
		control = "control at http://" + addr
	}
	_, _ = fmt.Fprintf(s.Err, "simulated APNs at %s (binary at %s, feedback at %s), Google at %s, %s (ready; end with Ctrl-C)\n",
		simulators.APNs(), simulators.Gateway(), simulators.Feedback(), simulators.Google(), control)
	<-s.ctx.Done()
	return nil
}
