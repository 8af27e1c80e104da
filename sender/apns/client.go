package apns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/volleypush/volley/sender"
)

// Environment is one of Apple's two worlds; a device token belongs to exactly one of them.
type Environment string

// The environments.
const (
	Production Environment = "production"
	Sandbox    Environment = "sandbox"
)

// Apple's push hosts (apns-http2 §1).
const (
	ProductionEndpoint = "https://api.push.apple.com"
	SandboxEndpoint    = "https://api.sandbox.push.apple.com"
)

// Engine is what speaks HTTP/2.
type Engine string

// The engines. Both send the same and answer the same.
const (
	// EnginePipelined writes many notifications ahead in one go; it costs a fortieth of the other. The default.
	EnginePipelined Engine = "pipelined"
	// EngineNetHTTP is Go's own client, one goroutine per notification in the air: the escape hatch.
	EngineNetHTTP Engine = "nethttp"
)

// Defaults of Config.
const (
	DefaultRequestTimeout = 30 * time.Second
	DefaultDialTimeout    = 10 * time.Second
	DefaultConnections    = 4
	DefaultBatchSize      = 100
	DefaultErrorTimeout   = 10 * time.Second
	// DefaultExpirationOffset is how long from now a notification of Send is worth delivering: 30 days.
	DefaultExpirationOffset = 2_592_000 * time.Second
	// maxConnections bounds Config.Connections; Apple wants few connections that live long.
	maxConnections = 100
	// deadAfter is how long a connection may stay silent, with a notification unanswered, before it counts as dead.
	deadAfter = 5 * time.Second
)

// Config says how a Client reaches Apple. Exactly one of Key and Certificate is needed; everything else has a default.
type Config struct {
	// Protocol is HTTP2 by default.
	Protocol Protocol
	// Environment picks the endpoint; Production by default.
	Environment Environment
	// Endpoint is "https://host[:port]"; Apple's host of the environment by default. Port 2197 is Apple's alternative to 443.
	// For Binary it is "host:port".
	Endpoint string
	// FeedbackEndpoint is the "host:port" of the feedback service; Apple's of the environment by default. Binary only.
	FeedbackEndpoint string
	// Key is the provider key for token authentication.
	Key *Key
	// Certificate is the client certificate, as LoadCertificate returns it.
	Certificate *tls.Certificate
	// Topic is the app's bundle id, without the suffix of a push type. The default with a certificate is its subject's UID.
	Topic string
	// RootCAs are the authorities that the server's certificate is verified against; the system's by default. There is no way to
	// switch verification off.
	RootCAs *x509.CertPool
	// Connections is the most connections at a time, 1 to 100; 4 by default. More than one is opened only when the others
	// have no stream free for what waits, one after another; with Binary only while a finished one waits for its last answer.
	Connections int
	// Engine is what speaks HTTP/2; EnginePipelined by default.
	Engine Engine
	// RequestTimeout is how long one answer is awaited, and how long a call waits for a free stream; 30 s by default. The pipelined
	// engine gives up the answers of a call together: when nothing of the call has moved for so long, or its ErrorTimeout is over.
	RequestTimeout time.Duration
	// DialTimeout bounds opening a connection, TLS included; 10 s by default.
	DialTimeout time.Duration
	// Now is the clock for provider tokens, expirations and Retry-After dates; time.Now by default. It is called concurrently.
	Now func() time.Time
	// Dial opens the TCP connection below TLS; a net.Dialer by default. It is called concurrently.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy names the proxy for the endpoint, with its user and password if it wants them: http, https or socks5; a nil URL is none.
	// By default it is that of the environment (HTTPS_PROXY, NO_PROXY), or none with a Dial. It is called concurrently.
	Proxy func(endpoint *url.URL) (*url.URL, error)
	// Defaults are what Send takes when a call does not say.
	Defaults Defaults
}

// Defaults are what Send takes when a call does not say. Zero fields mean the reference's values: 10 s, 30 days, 100, and
// no truncation.
type Defaults struct {
	ErrorTimeout     time.Duration
	ExpirationOffset time.Duration
	BatchSize        int
	MaxPayloadLength int
	// Retries is for the binary protocol; see Request.Retries. Zero means the reference's 5.
	Retries int
}

// Client sends to Apple with one credential. It connects when it first sends, keeps its connections, and connects anew
// when they end. It is safe for concurrent use; make one per app and share it.
type Client struct {
	pool           *pool                                     // nil with Binary
	gateway        *gateway                                  // nil with HTTP2
	feedback       func(context.Context) (binaryConn, error) // dials the feedback service; nil with HTTP2
	environment    Environment
	host           string
	key            *Key             // nil with a certificate
	info           *CertificateInfo // nil with a key
	topic          string
	topics         []string // what a certificate that lists its topics allows
	requestTimeout time.Duration
	now            func() time.Time
	defaults       Defaults
	skew           skew
}

// New makes a Client. Nothing is dialled. The error lists everything wrong with the configuration, with the remedy.
func New(config Config) (*Client, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	endpoint := config.Endpoint
	switch config.Environment {
	case Production, "":
		config.Environment = Production
		endpoint = either(endpoint, ProductionEndpoint)
	case Sandbox:
		endpoint = either(endpoint, SandboxEndpoint)
	default:
		fault("environment %q must be production or sandbox", clip(string(config.Environment)))
		endpoint = either(endpoint, ProductionEndpoint)
	}
	var to target
	switch config.Protocol {
	case HTTP2, "":
		var err error
		if to, err = parseEndpoint(endpoint); err != nil {
			faults = append(faults, err)
		}
	case Binary: // newBinary looks at its own
	default:
		fault("protocol %q must be http2 or binary", clip(string(config.Protocol)))
	}
	for _, limit := range []struct {
		name  string
		value time.Duration
	}{{"RequestTimeout", config.RequestTimeout}, {"DialTimeout", config.DialTimeout}} {
		if limit.value < 0 {
			fault("%s must not be negative", limit.name)
		}
	}
	if config.Connections < 0 || config.Connections > maxConnections {
		fault("connections must be 1 to %d, not %d", maxConnections, config.Connections)
	}
	switch config.Engine {
	case "", EnginePipelined, EngineNetHTTP:
	default:
		fault("engine %q must be %s or %s", clip(string(config.Engine)), EnginePipelined, EngineNetHTTP)
	}
	if !isHeaderText(config.Topic) {
		fault("topic may have visible ASCII characters only; it is the app's bundle id")
	}
	c := &Client{
		environment:    config.Environment,
		host:           to.host,
		key:            config.Key,
		topic:          config.Topic,
		requestTimeout: either(config.RequestTimeout, DefaultRequestTimeout),
		now:            config.Now,
		defaults: Defaults{
			ErrorTimeout:     either(config.Defaults.ErrorTimeout, DefaultErrorTimeout),
			ExpirationOffset: either(config.Defaults.ExpirationOffset, DefaultExpirationOffset),
			BatchSize:        either(config.Defaults.BatchSize, DefaultBatchSize),
			MaxPayloadLength: config.Defaults.MaxPayloadLength,
			Retries:          either(config.Defaults.Retries, DefaultRetries),
		},
	}
	if c.now == nil {
		c.now = time.Now
	}
	faults = append(faults, c.checkCredential(config)...)
	if config.Protocol == Binary {
		return newBinary(config, c, faults)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	c.pool = newPool(config, to, c)
	return c, nil
}

func newPool(config Config, to target, c *Client) *pool {
	host, _, _ := net.SplitHostPort(to.address)
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: config.RootCAs, NextProtos: []string{"h2"}}
	if config.Certificate != nil {
		tlsConfig.Certificates = []tls.Certificate{*config.Certificate}
	}
	dial := config.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	engine := dialPipelined
	if config.Engine == EngineNetHTTP {
		engine = dialNetHTTP
	}
	return &pool{
		dial:        engine(to, tlsConfig, throughProxy(proxyOf(config), config.RootCAs, dial), c.now),
		size:        either(config.Connections, DefaultConnections),
		key:         config.Key,
		clock:       c.now,
		dialTimeout: either(config.DialTimeout, DefaultDialTimeout),
		patience:    min(deadAfter, c.requestTimeout),
		era:         newEra(),
	}
}

// checkCredential checks what can be known without asking Apple.
func (c *Client) checkCredential(config Config) []error {
	switch {
	case config.Key == nil && config.Certificate == nil:
		return []error{errors.New("a credential is needed: a provider key (key_file, key_id, team_id) or a certificate")}
	case config.Key != nil && config.Certificate != nil:
		return []error{errors.New("a provider key and a certificate are both given; Apple ignores the key then, so give one")}
	case config.Certificate == nil:
		return nil
	}
	info, err := DescribeCertificate(config.Certificate)
	if err != nil {
		return []error{err}
	}
	c.info = &info
	var faults []error
	if config.Environment == Production && info.Sandbox && !info.Production {
		faults = append(faults, errors.New("the certificate is for the sandbox; set environment to sandbox, or use a production certificate"))
	}
	if config.Environment == Sandbox && info.Production && !info.Sandbox {
		faults = append(faults, errors.New("the certificate is for production; set environment to production, or use a sandbox certificate"))
	}
	if config.Topic != "" && len(info.Topics) > 0 && !slices.Contains(info.Topics, config.Topic) {
		faults = append(faults, fmt.Errorf("the certificate is not for topic %s; it allows %q", clip(config.Topic), info.Topics))
	}
	c.topic = either(config.Topic, info.DefaultTopic)
	if info.Listed {
		c.topics = info.Topics
	}
	return faults
}

// either returns value, or fallback if value is zero.
func either[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Deliver sends one notification to each of r.Tokens, or one to r.Channel, and sets out[i] for each of them; out must be as
// long. It returns when all are set. A request that Apple would refuse for everybody is not sent: every outcome is then the row
// Apple would have answered with (see Validate). When ctx ends, what is not begun is sender.Unsent and what is written
// without an answer is sender.Uncertain. Nothing is sent twice. Safe for concurrent use; calls share the connections
// fairly.
func (c *Client) Deliver(ctx context.Context, r *Request, out []sender.Outcome) {
	out = out[:r.recipients()]
	if c.gateway != nil {
		c.deliverBinary(ctx, r, out)
		return
	}
	one := c.newCall(1, out)
	one.proceed = r.Proceed
	c.add(one, r, out)
	c.run(ctx, one)
	nameBroadcast(r, out)
}

// DeliverEach sends requests that have one recipient each, together: what differs from so many calls of Deliver is what it costs. out[i]
// is the outcome of requests[i]; out must be as long. proceed is asked instead of Request.Proceed; nil means always. A request that has not
// exactly one recipient panics. Safe for concurrent use.
func (c *Client) DeliverEach(ctx context.Context, requests []*Request, proceed func() bool, out []sender.Outcome) {
	out = out[:len(requests)]
	if c.gateway != nil {
		c.deliverBinaryEach(ctx, requests, proceed, out)
		return
	}
	one := c.newCall(len(requests), out)
	one.proceed = proceed
	for i, r := range requests {
		c.add(one, r, out[i:i+1])
	}
	c.run(ctx, one)
	for i, r := range requests {
		nameBroadcast(r, out[i:i+1])
	}
}

// newCall makes a call of so many parts.
func (c *Client) newCall(parts int, out []sender.Outcome) *call {
	return &call{out: out, parts: make([]part, 0, parts), allBegun: make(chan struct{}), finished: make(chan struct{}), progress: time.Now()}
}

// add makes r the call's next part. out are the outcomes of its recipients.
func (c *Client) add(one *call, r *Request, out []sender.Outcome) {
	if r.recipients() != len(out) {
		panic("apns: a request of a DeliverEach has not exactly one recipient")
	}
	shared, problems := c.headersOf(r)
	shared.skew = &c.skew
	one.parts = append(one.parts, part{request: r, shared: shared, body: string(r.Payload)})
	if len(problems) > 0 {
		for i := range out {
			out[i] = sender.Failed(problems[0].Reason, 0)
		}
		return
	}
	one.batch = max(one.batch, either(max(r.BatchSize, 0), DefaultBatchSize))
	one.errorTimeout = max(one.errorTimeout, either(max(r.ErrorTimeout, 0), c.requestTimeout))
	one.left += prepare(r, out, PayloadLimit(shared.pushType))
}

// run has the pool do the call and waits for its outcomes.
func (c *Client) run(ctx context.Context, one *call) {
	if one.left == 0 {
		return
	}
	one.timeout = max(c.requestTimeout, one.errorTimeout)
	one.ctx, one.cancel = context.WithCancelCause(ctx)
	if ctx.Err() != nil {
		one.giveUp(Reason(NotBegun))
		one.cancel(nil)
		return
	}
	c.pool.submit(one)
	c.pool.wait(one)
}

// prepare sets the outcome of each recipient that can't be sent, unsets that of the others, and says how many those are.
func prepare(r *Request, out []sender.Outcome, limit int) (good int) {
	for i := range out {
		out[i] = sender.Outcome{}
		switch {
		case r.Channel == "" && !ValidToken(r.Tokens[i]):
			out[i] = sender.Failed(Reason(MalformedToken), 0)
		case r.IDs != nil && !isUUID(r.IDs[i]):
			out[i] = sender.Failed(Reason("BadMessageId"), 0)
		case r.tooLarge(i, limit):
			out[i] = sender.Failed(Reason("PayloadTooLarge"), 0)
		default:
			good++
		}
	}
	return good
}

// Certificate describes the client certificate; false with a key.
func (c *Client) Certificate() (CertificateInfo, bool) {
	if c.info == nil {
		return CertificateInfo{}, false
	}
	return *c.info, true
}

// LastFailure is the latest fault of a connection or credential, with more detail than an outcome has; nil if there was
// none. It holds no device token.
func (c *Client) LastFailure() error {
	if c.gateway != nil {
		return c.gateway.lastFailure()
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return c.pool.failure
}

// Close ends all connections and waits until nothing of them is left. Calls on their way end: what is written is
// uncertain, the rest unsent. The client connects again when it is next used. Safe for concurrent use; never fails.
func (c *Client) Close() error {
	if c.gateway != nil {
		c.gateway.close()
		return nil
	}
	c.pool.close()
	return nil
}
