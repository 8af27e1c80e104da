// This file models what Apple's service remembers of a connection: Apple, "Establishing a token-based connection to
// APNs" (the first push binds a connection to its team and key; a provider token may be replaced at most every 20
// minutes and lives for an hour) and "Establishing a certificate-based connection to APNs". Not modelled: related
// topic-specific keys, which would allow a second key on a connection.

package apnstest

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator"
	"github.com/volleypush/volley/sender/simulator/h2sim"
)

const (
	// tokenLife is how far a token's iat may be away from now.
	tokenLife = time.Hour
	// tokenPause is how long a connection must keep a token.
	tokenPause = 20 * time.Minute
)

// connection is what is kept per connection. It is the handler of its requests.
type connection struct {
	server *Server
	conn   *simulator.Connection
	client certificate

	mu sync.Mutex
	// current is the token in use since changed, previous the one before. Requests that were sent with the previous one
	// may be handled after the first with the new one, because streams have no order among each other.
	current, previous *providerToken
	changed           time.Time
	habit             habit
	// payload is the last one that was found to be an object: a job sends the same one to all of its recipients.
	payload []byte
}

// connect prepares what is kept of a new connection, and judges its certificate.
func (s *Server) connect(conn *simulator.Connection) h2sim.Handler {
	c := &connection{server: s, conn: conn}
	c.client = judgeCertificate(conn.TLS(), s.options.Authority)
	c.begin()
	return c
}

// certificate is what the client presented in the handshake.
type certificate struct {
	presented, trusted bool
	topics             []string
	single             bool
	leaf               *x509.Certificate
}

// judgeCertificate judges the client's certificate.
func judgeCertificate(state tls.ConnectionState, authority *simulator.Authority) (c certificate) {
	if len(state.PeerCertificates) == 0 {
		return c
	}
	leaf := state.PeerCertificates[0]
	c.presented, c.leaf = true, leaf
	_, err := leaf.Verify(x509.VerifyOptions{Roots: authority.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	c.trusted = err == nil
	c.topics, c.single = simulator.Topics(leaf)
	return c
}

// Ready is called when the connection has been opened: a certificate of the wrong environment is told so by a GOAWAY, before any
// request, and by nothing else.
func (c *connection) Ready() {
	environment := c.server.habits().Environment
	if environment != "" && c.client.presented && !simulator.Serves(c.client.leaf, environment) {
		c.conn.Leave(http2.ErrCodeNo, `{"reason":"BadCertificateEnvironment"}`)
	}
}

// authenticate judges the credential: the certificate if there is one, and then the authorization header is ignored.
func (c *connection) authenticate(h h2sim.Fields) string {
	if c.client.presented {
		if !c.client.trusted {
			return "BadCertificate"
		}
		return ""
	}
	authorization := h.Get("authorization")
	if authorization == "" {
		return "MissingProviderToken"
	}
	scheme, raw, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "bearer") || raw == "" {
		return "InvalidProviderToken"
	}
	return c.admit(raw, c.server.options.Now(), c.server.verify)
}

// admit judges a provider token in the light of those the connection has carried. Each token is verified once.
func (c *connection) admit(raw string, now time.Time, verify func(string) *providerToken) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	token, known := c.known(raw)
	if !known {
		token = verify(raw)
	}
	switch {
	case token == nil || token.issued.Sub(now) > tokenLife:
		return "InvalidProviderToken"
	case now.Sub(token.issued) > tokenLife:
		return "ExpiredProviderToken"
	case known:
		return ""
	case !c.server.serves(token.environment):
		return "BadEnvironmentKeyIdInToken"
	case c.current == nil:
	case token.team != c.current.team:
		return "InvalidProviderToken"
	case token.key != c.current.key:
		return "UnrelatedKeyIdInToken"
	case now.Sub(c.changed) < tokenPause:
		return "TooManyProviderTokenUpdates"
	}
	c.previous, c.current, c.changed = c.current, token, now
	return ""
}

// serves says whether a key of this environment may be used here.
func (s *Server) serves(environment string) bool {
	here := s.habits().Environment
	return here == "" || environment == "" || environment == here
}

func (c *connection) known(raw string) (*providerToken, bool) {
	for _, token := range [...]*providerToken{c.current, c.previous} {
		if token != nil && token.raw == raw {
			return token, true
		}
	}
	return nil, false
}
