package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/natsurl"
	"github.com/volleypush/volley/internal/pipeline"
)

// *Conn is all of pipeline's ports to the broker.
var (
	_ pipeline.Events = (*Conn)(nil)
	_ pipeline.Work   = (*Conn)(nil)
	_ pipeline.Status = (*Conn)(nil)
	_ pipeline.Dead   = (*Conn)(nil)
	_ pipeline.Clock  = (*Conn)(nil)
)

// ErrCredentials says that the credentials file can't be used: it is not there, is no file, or has no credentials in it. No server
// was asked.
var ErrCredentials = errors.New("the NATS credentials can't be used")

const (
	// connectTimeout is how long one attempt to connect may take.
	connectTimeout = 5 * time.Second
	// reconnectWait is the pause between two attempts, reconnectJitter what is added at random.
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 500 * time.Millisecond
	// pingInterval finds a dead peer: two unanswered pings end the connection, well within an ack wait.
	pingInterval = 5 * time.Second
	// closeFlush is how long Close waits for the last acknowledgements to leave.
	closeFlush = 2 * time.Second
)

// Options say how to reach the broker. URL or InProcess must be set.
type Options struct {
	// URL is one or several (comma-separated) "nats://HOST:PORT".
	URL string
	// Creds is a credentials file; "" for none. It is ignored with InProcess.
	Creds string
	// Identity is for servers that want TLS certificates or nkeys. It is ignored with InProcess.
	Identity Identity
	// Name is how the broker's lists show this client; "" means "volley".
	Name string
	// InProcess is an embedded server to connect to without a socket; URL is ignored then.
	InProcess nats.InProcessConnProvider
	// Heartbeat is how often each delivery gives a sign of life; 0 means a sixth of its durable's ack wait, and it is never less
	// often than three times in one.
	Heartbeat time.Duration
	// Logger takes state changes of the connection and the pulls. It already carries its component's name.
	Logger zerolog.Logger
	// Now is the local clock; nil means time.Now.
	Now func() time.Time
}

// Conn is a connection to the broker. It reconnects by itself, for ever, until Close. It is safe for concurrent use.
type Conn struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	log zerolog.Logger
	now func() time.Time
	url string // for errors: without a password

	link     link
	answers  *answers
	leases   *leases
	marks    *marks
	durables durables
	strays   strays
	copies   copies
	// violation is the last thing that the server forbade; see blame.
	violation atomic.Pointer[error]
	// muted says that the server forbids this user to tell the fleet anything; see Tell.
	muted atomic.Bool
	// offset is what the broker's clock is ahead of ours, in nanoseconds.
	offset atomic.Int64
	ticks  sync.Once

	mu    sync.Mutex
	kicks map[int]func()
	kick  int

	done    chan struct{} // closed by Close
	close   sync.Once
	running sync.WaitGroup

	// never is the header of a publish that nothing may have come before. It is only read, so all of them share it.
	never nats.Header
}

// Connect connects. A broker that can't be reached is ErrUnavailable, a credentials file that can't be used is ErrCredentials, both
// with what to do; later losses of the connection are logged and mended.
func Connect(ctx context.Context, o Options) (*Conn, error) {
	c := &Conn{log: o.Logger, now: o.Now, url: readableURL(o), kicks: make(map[int]func()), done: make(chan struct{})}
	c.never = nats.Header{jetstream.ExpectedLastSubjSeqHeader: {"0"}}
	if c.now == nil {
		c.now = time.Now
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.url, err)
	}
	if o.URL == "" && o.InProcess == nil {
		return nil, errors.New("no NATS server to connect to: set --nats-url nats://HOST:PORT")
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	options := c.natsOptions(ctx, o)
	c.link.up()
	var err error
	if c.nc, err = nats.Connect(o.URL, options...); err != nil {
		c.link.down()
		return nil, explainConnect(c.url, err)
	}
	if c.js, err = jetstream.New(c.nc, jetstream.WithDefaultTimeout(callTimeout)); err != nil {
		c.nc.Close()
		c.link.down()
		return nil, fmt.Errorf("JetStream client for %s: %w", c.url, err)
	}
	if err = c.listen(); err != nil {
		c.nc.Close()
		c.link.down()
		return nil, err
	}
	c.marks = &marks{known: make(map[string]mark)}
	c.leases = newLeases(c.nc, c.now, o.Heartbeat)
	c.running.Go(func() { c.leases.run(c.done) })
	return c, nil
}

func (c *Conn) natsOptions(ctx context.Context, o Options) []nats.Option {
	name := o.Name
	if name == "" {
		name = "volley"
	}
	timeout := connectTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	options := []nats.Option{
		nats.Name(name), nats.Timeout(timeout),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(2),
		// A worker that is refused for a while (credentials rolled over) must not give up for ever.
		nats.IgnoreAuthErrorAbort(),
		// While there is no connection a publish fails at once instead of being sent, maybe, some time later.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(c.disconnected), nats.ReconnectHandler(c.reconnected), nats.ErrorHandler(c.asyncError),
	}
	switch {
	case o.InProcess != nil:
		// NATS_CREDS may be set for other programs.
		options = append(options, nats.InProcessServer(o.InProcess))
	default:
		if o.Creds != "" {
			options = append(options, nats.UserCredentials(o.Creds))
		}
		more, _ := o.Identity.options() // check has seen to it
		options = append(options, more...)
	}
	return options
}

// Close ends the connection and everything that runs on it. The last acknowledgements are sent first.
func (c *Conn) Close() {
	c.close.Do(func() { close(c.done) })
	c.link.down()
	c.running.Wait()
	if c.nc.IsConnected() {
		if err := c.nc.FlushTimeout(closeFlush); err != nil {
			c.log.Warn().Err(err).Msg("closing: the last acknowledgements may not have reached the broker; their messages come again and are recognized")
		}
	}
	c.nc.Close()
}

// MaxPayload is the most bytes a message may have, headers included, as the server says.
func (c *Conn) MaxPayload() int { return int(c.nc.MaxPayload()) }

func (c *Conn) closed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Connected says whether there is a connection now.
func (c *Conn) Connected() bool { return c.nc.IsConnected() }

// Reconnects is how often the connection was lost and made again.
func (c *Conn) Reconnects() uint64 { return c.epoch() }

// URL is what the connection was made to, without a password, for people.
func (c *Conn) URL() string { return c.url }

func (c *Conn) disconnected(_ *nats.Conn, err error) {
	c.link.down()
	if c.closed() {
		return
	}
	c.log.Warn().Err(err).Str("url", c.url).Msg("connection to NATS lost, reconnecting; nothing is lost, work goes on when it is back")
}

func (c *Conn) reconnected(nc *nats.Conn) {
	c.link.up()
	c.log.Info().Str("url", c.url).Str("server", nc.ConnectedServerName()).Msg("connection to NATS is back")
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kick := range c.kicks {
		kick()
	}
}

func (c *Conn) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		if c.mutes(err) {
			return
		}
		c.violation.Store(&err)
	}
	event := c.log.Warn().Err(err).Str("url", c.url)
	if sub != nil {
		event = event.Str("subject", sub.Subject)
	}
	event.Msg("NATS reports an error")
}

// onReconnect calls kick, which must not block, after every reconnect, until the returned function is called.
func (c *Conn) onReconnect(kick func()) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kick++
	id := c.kick
	c.kicks[id] = kick
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.kicks, id)
	}
}

// epoch numbers the connections: it grows with every reconnect.
func (c *Conn) epoch() uint64 { return c.nc.Stats().Reconnects }

// readableURL is the address for logs and errors.
func readableURL(o Options) string {
	if o.InProcess != nil {
		return "the embedded NATS server"
	}
	return natsurl.Readable(o.URL)
}

// check finds what needs no server to be seen. The library's own words for an address that it can't read show its password.
func (o *Options) check() error {
	if o.InProcess != nil {
		return nil
	}
	if err := natsurl.Check(o.URL); err != nil {
		return fmt.Errorf("the address of the NATS server can't be used: %w: correct --nats-url or NATS_URL", err)
	}
	if _, err := o.Identity.options(); err != nil {
		return err
	}
	if o.Creds == "" {
		return nil
	}
	var library nats.Options
	err := nats.UserCredentials(o.Creds)(&library)
	if err == nil {
		_, err = library.UserJWT()
	}
	if err == nil {
		if _, err = library.SignatureCB(nil); err != nil {
			err = cmp.Or(errors.Unwrap(err), err) // it names the file once more
		}
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w: give the file that \"nsc generate creds\" writes", ErrCredentials, o.Creds, err)
	}
	return nil
}
