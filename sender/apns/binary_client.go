package apns

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/volleypush/volley/sender"
)

// Protocol is how a Client talks to the provider.
type Protocol string

// The protocols.
const (
	// HTTP2 is Apple's live service.
	HTTP2 Protocol = "http2"
	// Binary is the protocol of the reference: Apple switched it off in 2021, gateways and simulators speak it. It knows no
	// topics, push types or collapse ids; it needs a certificate, and says in a feedback service which tokens are gone.
	Binary Protocol = "binary"
)

// Apple's hosts of the binary protocol (apns-binary §1).
const (
	ProductionGateway  = "gateway.push.apple.com:2195"
	SandboxGateway     = "gateway.sandbox.push.apple.com:2195"
	ProductionFeedback = "feedback.push.apple.com:2196"
	SandboxFeedback    = "feedback.sandbox.push.apple.com:2196"
)

// MaxBinaryPayload is the limit of a payload in bytes over the binary protocol.
const MaxBinaryPayload = 2048

// DefaultRetries is Request.Retries of the reference.
const DefaultRetries = 5

// Protocol is the one that the client speaks.
func (c *Client) Protocol() Protocol {
	if c.gateway != nil {
		return Binary
	}
	return HTTP2
}

// newBinary is New for the binary protocol; c has what both protocols share, faults what is wrong so far.
func newBinary(config Config, c *Client, faults []error) (*Client, error) {
	gatewayAt, feedbackAt := ProductionGateway, ProductionFeedback
	if config.Environment == Sandbox {
		gatewayAt, feedbackAt = SandboxGateway, SandboxFeedback
	}
	gatewayAt, feedbackAt = either(config.Endpoint, gatewayAt), either(config.FeedbackEndpoint, feedbackAt)
	for _, one := range []struct{ name, address string }{{"endpoint", gatewayAt}, {"feedback_endpoint", feedbackAt}} {
		host, port, err := net.SplitHostPort(one.address)
		if _, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || host == "" {
			faults = append(faults, fmt.Errorf("%s must have the form host:port with protocol binary", one.name))
		}
	}
	if config.Certificate == nil || config.Key != nil {
		faults = append(faults, errors.New("protocol binary needs a certificate (.p12 or .pem); it can't use a provider key"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	reach := config.Dial
	if reach == nil {
		reach = new(net.Dialer).DialContext
	}
	reach = throughProxy(proxyOf(config), config.RootCAs, reach)
	dial := func(address string) func(context.Context) (binaryConn, error) {
		host, _, _ := net.SplitHostPort(address)
		secure := &tls.Config{
			MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: config.RootCAs, Certificates: []tls.Certificate{*config.Certificate},
			DynamicRecordSizingDisabled: true, // a batch is to be one write, not ten
		}
		return func(ctx context.Context) (binaryConn, error) {
			return dialBinary(ctx, target{host, address}, secure, reach)
		}
	}
	c.host = gatewayAt
	c.gateway = &gateway{
		dial: dial(gatewayAt), size: either(config.Connections, defaultSessions), most: maxWritten, dialTimeout: either(config.DialTimeout, DefaultDialTimeout),
		era: newEra(), sessions: map[*session]struct{}{},
	}
	c.feedback = dial(feedbackAt)
	return c, nil
}

// dialBinary opens a TLS connection; as over HTTP/2 the server is always verified.
func dialBinary(ctx context.Context, to target, config *tls.Config, dial dialFunc) (binaryConn, error) {
	raw, err := dial(ctx, "tcp", to.address)
	if err != nil {
		return nil, unreachable(to, err)
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, handshakeError(to, err)
	}
	return conn, nil
}

// deliverBinary is Deliver over the binary protocol.
func (c *Client) deliverBinary(ctx context.Context, r *Request, out []sender.Outcome) {
	m, problems := c.binaryMessage(r)
	if len(problems) > 0 {
		for i := range out {
			out[i] = sender.Failed(problems[0].Reason, 0)
		}
		return
	}
	one := &binaryCall{
		request: r, message: m, out: out, todo: make([]int, 0, len(r.Tokens)),
		batch: either(max(r.BatchSize, 0), DefaultBatchSize), retries: either(max(r.Retries, 0), DefaultRetries),
		errorTimeout: either(max(r.ErrorTimeout, 0), c.requestTimeout),
		done:         make(chan struct{}), changed: make(chan struct{}, 1),
	}
	one.timeout = max(c.requestTimeout, one.errorTimeout)
	for i := range out {
		switch out[i] = (sender.Outcome{}); {
		case !ValidToken(r.Tokens[i]):
			out[i] = sender.Failed(Reason(MalformedToken), 0)
		case r.tooLarge(i, MaxBinaryPayload):
			out[i] = sender.Failed(Reason("PayloadTooLarge"), 0)
		default:
			one.todo = append(one.todo, i)
		}
	}
	switch {
	case len(one.todo) == 0:
	case ctx.Err() != nil:
		one.giveUp(Reason(NotBegun))
	default:
		c.gateway.submit(one)
		c.gateway.wait(ctx, one)
	}
}

// deliverBinaryEach sends requests of one recipient each. The gateway gathers what waits into batches itself.
func (c *Client) deliverBinaryEach(ctx context.Context, requests []*Request, proceed func() bool, out []sender.Outcome) {
	var all sync.WaitGroup
	for i, r := range requests {
		one := *r
		one.Proceed = proceed
		all.Go(func() { c.deliverBinary(ctx, &one, out[i:i+1]) })
	}
	all.Wait()
}

// binaryMessage renders what all notifications of a request share. Every problem is found, and what the protocol has no
// place for is one, with the way out.
func (c *Client) binaryMessage(r *Request) (message, Problems) {
	var problems Problems
	m := message{payload: string(r.Payload), priority: PriorityHigh, expires: r.Expiration.given, expiration: uint32(min(r.Expiration.unix, math.MaxUint32))} //nolint:gosec // ExpireAt knows no negative time
	lacks := func(reason, field, what string) {
		problems.add(reason, field, "protocol binary has no "+what+"; leave it out, or set the app to protocol: http2")
	}
	if r.Expiration.unix > math.MaxUint32 {
		problems.add("BadExpirationDate", "expiration", "is later than 2106, too late for protocol binary; shorten it, or set the app to protocol: http2")
	}
	background := PushTypeOf(r.Payload) == PushTypeBackground
	switch r.Priority {
	case 0:
		if background {
			m.priority = PriorityLow
		}
	case PriorityHigh:
		if background {
			problems.add("BadPriority", "priority", "a background push must have priority 5, not 10")
		}
	case PriorityLow:
		m.priority = PriorityLow
	case PriorityLowest:
		lacks("BadPriority", "priority", "priority 1")
	default:
		problems.add("BadPriority", "priority", fmt.Sprintf("must be 10 or 5, not %d", r.Priority))
	}
	if r.CollapseID != "" {
		lacks("BadCollapseId", "collapse_id", "collapse ids")
	}
	if r.PushType != "" {
		lacks("InvalidPushType", "push_type", "push types")
	}
	if r.Topic != "" && !strings.EqualFold(r.Topic, c.topic) {
		lacks("BadTopic", "topic", "topics beside the certificate's")
	}
	if PushTypeOf(r.Payload) == PushTypeLiveActivity {
		lacks("InvalidPushType", "event", "Live Activities")
	}
	if r.Channel != "" {
		lacks("BadChannelId", "channel", "broadcast channels")
	}
	if r.Payloads != nil && len(r.Payloads) != len(r.Tokens) {
		problems.add("BadRequestPayload", "", fmt.Sprintf("%d payloads for %d recipients", len(r.Payloads), len(r.Tokens)))
	}
	if r.IDs != nil {
		lacks("BadMessageId", "", "apns-ids")
	}
	switch {
	case len(r.Payload) == 0:
		problems.add("PayloadEmpty", "message", "the payload is empty")
	case len(r.Payload) > MaxBinaryPayload:
		problems.add("PayloadTooLarge", "message", fmt.Sprintf("the payload has %d bytes, protocol binary allows %d", len(r.Payload), MaxBinaryPayload))
	}
	return m, problems
}

// payloadLimit is the most bytes of the payload of a request over the client's protocol, as far as that is known.
func (c *Client) payloadLimit(r *Request) int {
	if c.gateway != nil {
		return MaxBinaryPayload
	}
	return r.payloadLimit()
}
