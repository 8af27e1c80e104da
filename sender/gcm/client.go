package gcm

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
)

// Client sends messages with one app's credentials. It connects when it first sends, and again after Close. It is safe for
// concurrent use.
type Client struct {
	config   Config
	endpoint *url.URL
	pool     *pool
	// pipelined says that messages go over the pipelined engine.
	pipelined bool
	tokens    *tokens // nil for Legacy
	// shares says that the client counts as a user of the tokens.
	shares atomic.Bool
	// rooms holds what legacy requests leave for the next: see room.
	rooms sync.Pool
}

// New makes a client. It opens no connection. A missing or malformed credential is an *AuthError.
func New(config Config) (*Client, error) {
	config, endpoint, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{config: config, endpoint: endpoint, pool: newPool(config, endpoint)}
	if c.pipelined = pipelines(config, endpoint); c.pipelined {
		c.pool.open = c.pool.openPipe
	}
	if config.Protocol == V1 {
		c.tokens = config.Tokens.of(config)
	}
	return c, nil
}

// pipelines says whether messages go over the pipelined engine, which does not know proxies.
func pipelines(config Config, endpoint *url.URL) bool {
	if config.Protocol != V1 || config.Engine == EngineNetHTTP {
		return false
	}
	via, err := config.Proxy(&http.Request{URL: endpoint, Host: endpoint.Host, Header: http.Header{}})
	return via == nil && err == nil
}

// Close closes all connections; requests under way become sender.Uncertain. The client can be used again afterwards.
func (c *Client) Close() error {
	c.pool.close()
	if c.tokens != nil {
		c.leave()
	}
	return nil
}

// Replace has the client authenticate with another credential from now on, such as the new key of a service account. Nothing under way is
// dropped: the present access token serves until the new credential has brought one. The credential of another project is an *AuthError, and
// so is any for Legacy; the old one then stays. It holds for all clients that share Config.Tokens.
func (c *Client) Replace(credential Credential) error {
	if c.tokens == nil {
		return &AuthError{Problem: "The legacy protocol has a server key and no credential that can be replaced"}
	}
	if project := credential.Project(); c.config.ownProject && project != c.config.ProjectID {
		return &AuthError{Problem: fmt.Sprintf("The new credential is for the project %q, the old one for %q. Start again to send for another project",
			project, c.config.ProjectID)}
	}
	c.tokens.replace(credential)
	return nil
}

// Format implements fmt.Formatter: printing a client shows no credential.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.config.String()) }

// Prepare renders a message for the client's protocol; see the function Prepare.
func (c *Client) Prepare(m *Message) (*Prepared, error) {
	return Prepare(c.config.Protocol, m, c.config.Now())
}

// Request is one rendered message and who gets it.
type Request struct {
	// Tokens are the registration IDs (or, if the message says so, Firebase installation IDs). Empty for a message that has a topic or
	// condition as its target: that is one recipient.
	Tokens []string
	// Message comes from Prepare, for the client's protocol.
	Message *Prepared
	// Messages, if set, is the message of each of Tokens, instead of the one Message; see Personal.For. None of them has a target. Legacy sends
	// those with the same one together.
	Messages []*Prepared
	// ErrorTimeout is how long each answer may take; 0 is the client's RequestTimeout.
	ErrorTimeout time.Duration
	// NoProviderIDs leaves Outcome.ProviderID empty, which spares copies of what the provider answered.
	NoProviderIDs bool
	// Proceed is asked before each request is begun; once it answers false the rest is sender.Unsent. It must answer at once and is
	// called from any goroutine. nil means always.
	Proceed func() bool
}

// Recipients is how many outcomes the request has.
func (r *Request) Recipients() int {
	if r.target() != "" {
		return 1
	}
	return len(r.Tokens)
}

// target is the topic or condition that is sent to; "" for registration IDs.
func (r *Request) target() string {
	if r.Messages != nil {
		return ""
	}
	return r.Message.target
}

// message is what recipient i is sent.
func (r *Request) message(i int) *Prepared {
	if r.Messages != nil {
		return r.Messages[i]
	}
	return r.Message
}

// isFor says whether every message was rendered for the protocol, and for registration IDs where there is one for each.
func (r *Request) isFor(protocol Protocol) bool {
	wrong := func(m *Prepared) bool { return m.protocol != protocol || m.target != "" }
	if r.Messages == nil {
		return r.Message.protocol == protocol
	}
	return len(r.Messages) == len(r.Tokens) && !slices.ContainsFunc(r.Messages, wrong)
}

// Deliver sends to every recipient and sets out[i] for each; len(out) must be at least r.Recipients(). It returns when all have their
// outcome. When the context ends, recipients not yet sent to are sender.Unsent and those under way sender.Uncertain. An answer that
// concerns the whole app (credential, quota of the project) ends the call early: the rest is sender.Unsent. So is, with Config.Quota, whoever
// would have to wait longer than a few seconds for it; Outcome.RetryAfter says how long.
//
// Requests are never repeated, with two exceptions that can't deliver twice: one that the server provably did not process goes
// out once more on another connection, and a 401 of FCM v1 is followed by one try with a fresh access token.
func (c *Client) Deliver(ctx context.Context, r *Request, out []sender.Outcome) {
	c.deliver(ctx, r, out, nil)
}

// exchange is one request and its answer, for Send.
type exchange struct {
	request []byte
	status  int // 0 = no answer
	answer  []byte
}

func (c *Client) deliver(ctx context.Context, r *Request, out []sender.Outcome, record func(exchange)) {
	out = out[:r.Recipients()]
	d := newDelivery(ctx, c, r, out, record)
	defer d.end()
	if !r.isFor(c.config.Protocol) {
		d.fill(reasonsByName[reasonWrongProtocol])
		return
	}
	if c.config.Protocol == Legacy {
		d.sendLegacy()
	} else {
		d.sendFCM()
	}
}

// validID says whether a registration ID can be sent at all: 1 to 4,096 bytes of UTF-8.
func validID(id string) bool {
	return id != "" && len(id) <= jobs.MaxRegistrationIDBytes && utf8.ValidString(id)
}

// header is what every request carries.
func (c *Client) header(authorization string) http.Header {
	h := http.Header{
		"Authorization": {authorization},
		"Content-Type":  {"application/json"},
		"User-Agent":    {"volley"},
	}
	if c.config.Protocol == V1 {
		// Asks for errors with details, without which a dead registration ID can't be told from a wrong project.
		h["X-Goog-Api-Format-Version"] = []string{"2"}
	}
	return h
}
