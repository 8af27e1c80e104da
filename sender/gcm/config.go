package gcm

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Google's endpoints.
const (
	// DefaultEndpoint is the base of FCM v1.
	DefaultEndpoint = "https://fcm.googleapis.com"
	// DefaultLegacyEndpoint is where GCM's JSON protocol was served until Google retired it in 2024.
	DefaultLegacyEndpoint = "https://fcm.googleapis.com/fcm/send"

	legacyPath = "/fcm/send"
)

// Defaults of a Config.
const (
	// DefaultConnections is how many connections a client opens at most.
	DefaultConnections = 4
	// DefaultStreams is how many requests one HTTP/2 connection carries at once: what Google's front ends are known to allow.
	// More than the server's own SETTINGS is never used.
	DefaultStreams = 100
	// DefaultConcurrentChunks is how many legacy requests one Deliver has under way at once.
	DefaultConcurrentChunks = 4
	// DefaultRequestTimeout is how long an answer may take (Google's scale guide: 30 to 60 s).
	DefaultRequestTimeout = 30 * time.Second
	// DefaultConnectTimeout is how long dialling and the TLS handshake may take.
	DefaultConnectTimeout = 10 * time.Second
)

// Engine is what speaks HTTP/2 for V1.
type Engine string

// The engines. Both send the same and answer the same.
const (
	// EnginePipelined writes many messages ahead in one go. The default, except through a proxy.
	EnginePipelined Engine = "pipelined"
	// EngineNetHTTP is Go's own client, one goroutine per message in the air. It knows proxies, and HTTP/1.1.
	EngineNetHTTP Engine = "nethttp"
)

// Config is what a Client needs to know. The zero value of an optional field is its default. Printing a Config in any way shows no
// credentials.
type Config struct {
	// Protocol is V1 (default) or Legacy.
	Protocol Protocol
	// Endpoint is an https URL. V1: the base, to which /v1/projects/<project>/messages:send is added; default DefaultEndpoint. Legacy:
	// the URL itself, /fcm/send if it has no path; default DefaultLegacyEndpoint.
	Endpoint string

	// APIKey is the server key; Legacy only, and required there.
	APIKey string

	// Credential authenticates V1; see LoadCredential.
	Credential Credential
	// TokenSource authenticates V1 instead of a Credential. It is asked for a new token a few minutes before the last one ends and after
	// Google refused it, by one goroutine at a time.
	TokenSource oauth2.TokenSource
	// Tokens, if set, shares access tokens with other clients of the same credential; V1 only.
	Tokens *Tokens
	// ProjectID is the Firebase project; default that of a service account.
	ProjectID string
	// ownProject says that it is the service account's.
	ownProject bool

	// Quota keeps the project below its quota; V1 only. Clients of one project share one. nil means no limit.
	Quota *Quota

	// RootCAs verifies the endpoint and the token endpoint; nil means the system's. Verification can't be switched off.
	RootCAs *x509.CertPool
	// Engine is what speaks HTTP/2; V1 only. Legacy has few requests, and they are large: it stays with net/http.
	Engine Engine
	// Connections and Streams bound the requests under way: at most Connections × Streams.
	Connections int
	Streams     int
	// ConcurrentChunks is how many legacy requests one Deliver has under way at once.
	ConcurrentChunks int
	// RequestTimeout is how long each answer may take; a Request can say otherwise.
	RequestTimeout time.Duration
	// ConnectTimeout is how long dialling and the TLS handshake may take together.
	ConnectTimeout time.Duration

	// Now is the provider's present; default time.Now.
	Now func() time.Time
	// Dial opens TCP connections; default a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy chooses a proxy; default http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)
}

// String shows protocol, endpoint and project, never a credential.
func (c Config) String() string {
	return fmt.Sprintf("gcm.Config{%s %s %s}", c.Protocol, redactURL(c.Endpoint), c.ProjectID)
}

// Format implements fmt.Formatter, so that %+v and %#v show no credential either.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue implements slog.LogValuer.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements encoding.TextMarshaler: loggers and encoding/json see no credential.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// withDefaults checks the configuration and fills in what it leaves open. Errors about credentials are an *AuthError.
func (c Config) withDefaults() (Config, *url.URL, error) {
	if c.Protocol == "" {
		c.Protocol = V1
	}
	switch c.Protocol {
	case Legacy:
		if c.APIKey == "" {
			return c, nil, &AuthError{Problem: "Missing GCM API key. Set api_key"}
		}
		if strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return c, nil, &AuthError{Problem: "The GCM API key has a space, line break or other character that no key has. Check api_key"}
		}
		c.Quota = nil
	case V1:
		if c.TokenSource != nil {
			c.Credential = callers{c.TokenSource}
		}
		if c.Credential == nil {
			return c, nil, &AuthError{Problem: "Missing service account. Set service_account to the JSON key file of a Google service account, or of a workload identity"}
		}
		if c.ProjectID == "" {
			c.ProjectID, c.ownProject = c.Credential.Project(), true
		}
		if c.ProjectID == "" {
			return c, nil, &AuthError{Problem: "Missing Firebase project. Set project_id"}
		}
		if strings.ContainsFunc(c.ProjectID, notInProjectID) {
			return c, nil, fmt.Errorf("gcm: project_id %q is no project id: use the id or number of the Firebase project", c.ProjectID)
		}
	default:
		return c, nil, fmt.Errorf("gcm: unknown protocol %q: use %q or %q", string(c.Protocol), string(V1), string(Legacy))
	}
	switch c.Engine {
	case "", EnginePipelined, EngineNetHTTP:
	default:
		return c, nil, fmt.Errorf("gcm: unknown engine %q: use %q or %q", string(c.Engine), string(EnginePipelined), string(EngineNetHTTP))
	}
	endpoint, err := c.endpoint()
	if err != nil {
		return c, nil, err
	}
	setDefault(&c.Connections, DefaultConnections)
	setDefault(&c.Streams, DefaultStreams)
	setDefault(&c.ConcurrentChunks, DefaultConcurrentChunks)
	setDefault(&c.RequestTimeout, DefaultRequestTimeout)
	setDefault(&c.ConnectTimeout, DefaultConnectTimeout)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Proxy == nil {
		c.Proxy = http.ProxyFromEnvironment
	}
	return c, endpoint, nil
}

// notInProjectID: ids have lower-case letters, digits and dashes, and for domain-scoped projects a dot and a colon.
func notInProjectID(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == ':')
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// endpoint is the URL that messages are posted to.
func (c Config) endpoint() (*url.URL, error) {
	text := c.Endpoint
	if text == "" {
		text = DefaultEndpoint
		if c.Protocol == Legacy {
			text = DefaultLegacyEndpoint
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.RawPath != "" {
		return nil, fmt.Errorf("gcm: endpoint %q is not a plain https URL like %s", redactURL(text), DefaultEndpoint)
	}
	if c.Protocol == Legacy {
		if u.Path == "" || u.Path == "/" {
			u.Path = legacyPath
		}
		return u, nil
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/v1/projects/" + c.ProjectID + "/messages:send"
	return u, nil
}

// redactURL cuts a URL that was refused before anything that may be a credential.
func redactURL(text string) string {
	if text == "" {
		return ""
	}
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	return "(unreadable)"
}
