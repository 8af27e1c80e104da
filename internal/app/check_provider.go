package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
)

const (
	// reachTimeout bounds each step on the way to a provider.
	reachTimeout = 10 * time.Second
	// renewing is how long before its end a server's certificate is worth a warning: providers renew theirs earlier.
	renewing = 3 * 24 * time.Hour
)

// provider goes the way to an app's provider step by step, and stops at the first that fails: its name, the connection, its clock, the
// credential.
func (d *doctor) provider(ctx context.Context, s *side) {
	var subject, endpoint, caFile string
	if s.apple != nil {
		subject, endpoint, caFile = "app "+s.name+", Apple", appleEndpoint(s.app.APNS), s.app.APNS.CAFile
	} else {
		subject, endpoint, caFile = "app "+s.name+", Google", googleEndpoint(s.app.GCM), s.app.GCM.CAFile
	}
	if proxy := proxyFor(endpoint); proxy != "" {
		d.ok(subject, "goes through the proxy "+proxy)
	} else if !d.reach(ctx, subject, endpoint, caFile) {
		return
	}
	if exchange, ok := s.sender.(interface{ Authenticate(context.Context) error }); ok && s.project != "" {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		err := exchange.Authenticate(asking)
		cancel()
		if err != nil {
			d.fail(nil, subject, fmt.Sprintf("app %q, Google: %v", s.name, err), "")
			return
		}
		d.ok(subject, "Google gives an access token for the credential")
	}
	fault, doubt := s.prove(ctx)
	if err := errors.Join(fault, doubt); err != nil {
		what := "Google"
		if s.apple != nil {
			what = s.credential
		}
		d.fail(nil, subject, fmt.Sprintf("app %q, %s: %v", s.name, what, err), "")
	} else {
		d.ok(subject, "the provider takes the credential")
	}
	if s.apple != nil {
		d.clock(subject, s.apple.ClockSkew())
	}
}

// appleEndpoint is where an app sends: "https://host[:port]", or "host:port" with the binary protocol.
func appleEndpoint(a *config.APNS) string {
	sandbox := a.Environment == config.EnvironmentSandbox
	switch {
	case a.Endpoint != "":
		return a.Endpoint
	case a.Protocol == config.ProtocolBinary && sandbox:
		return apns.SandboxGateway
	case a.Protocol == config.ProtocolBinary:
		return apns.ProductionGateway
	case sandbox:
		return apns.SandboxEndpoint
	}
	return apns.ProductionEndpoint
}

func googleEndpoint(g *config.GCM) string {
	if g.Protocol == config.ProtocolLegacy {
		return cmp.Or(g.Endpoint, gcm.DefaultLegacyEndpoint)
	}
	return cmp.Or(g.Endpoint, gcm.DefaultEndpoint)
}

// proxyFor is the proxy of the environment for an endpoint, without its password; "" for none.
func proxyFor(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	via, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil || via == nil {
		return ""
	}
	return via.Redacted()
}

// reach looks the endpoint's name up, opens TLS and compares clocks. It says whether the provider can be asked at all.
func (d *doctor) reach(ctx context.Context, subject, endpoint, caFile string) bool {
	address, https := strings.CutPrefix(endpoint, "https://")
	address, _, _ = strings.Cut(address, "/")
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host, address = address, net.JoinHostPort(address, "443")
	}
	if net.ParseIP(host) == nil && !d.resolves(ctx, subject, host) {
		return false
	}
	roots, err := pool(caFile)
	if err != nil {
		d.fail(ErrCredentials, subject, err.Error(), "")
		return false
	}
	dialing, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	begun := time.Now()
	secure := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: host}
	conn, err := (&tls.Dialer{Config: secure}).DialContext(dialing, "tcp", address)
	if err != nil {
		text, remedy := unreached(address, err)
		d.fail(nil, subject, text, remedy)
		return false
	}
	took := time.Since(begun)
	state := conn.(*tls.Conn).ConnectionState() //nolint:forcetypeassert // tls.Dialer makes no other
	_ = conn.Close()
	leaf := state.PeerCertificates[0]
	text := fmt.Sprintf("%s opens %s in %s, its certificate holds until %s", address, tls.VersionName(state.Version), took.Round(time.Millisecond), describeExpiry(leaf.NotAfter, d.now()))
	if left := leaf.NotAfter.Sub(d.now()); left < renewing {
		d.warn(subject, text, "see to it that whoever runs this endpoint renews it")
	} else {
		d.ok(subject, text)
	}
	if https {
		d.date(ctx, subject, endpoint, secure)
	}
	return true
}

// resolves looks a name up.
func (d *doctor) resolves(ctx context.Context, subject, host string) bool {
	asking, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	addresses, err := d.lookup(asking, host)
	if err != nil {
		d.fail(nil, subject, fmt.Sprintf("DNS does not know %s: %v", host, err), "look at the resolver of this machine, and at the spelling of endpoint")
		return false
	}
	d.ok(subject, fmt.Sprintf("DNS knows %s, %d addresses", host, len(addresses)))
	return true
}

// unreached explains why an address could not be connected to.
func unreached(address string, err error) (text, remedy string) {
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return fmt.Sprintf("the certificate of %s is not trusted: %v", address, untrusted.Err), "if something in between opens TLS, or the endpoint is a simulator, set ca_file to its authority"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no connection to %s within %s", address, reachTimeout), "let a firewall pass it, or set HTTPS_PROXY"
	default:
		return fmt.Sprintf("no connection to %s: %v", address, err), "let a firewall pass it, or set HTTPS_PROXY"
	}
}

// date compares the clock with the one that the provider tells in the head of any answer. One that tells none is left alone.
func (d *doctor) date(ctx context.Context, subject, endpoint string, secure *tls.Config) {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: secure.Clone(), DisableKeepAlives: true, ForceAttemptHTTP2: true}}
	response, err := client.Do(request)
	if err != nil {
		return // the connection is there; what the provider thinks of the question is no matter
	}
	_ = response.Body.Close()
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		ahead := d.now().Sub(at)
		d.ok(subject, fmt.Sprintf("this machine's clock is %s ahead of the provider's", ahead.Round(time.Second)))
		d.clock(subject, ahead)
	}
}

// clock warns of a clock that is off.
func (d *doctor) clock(subject string, ahead time.Duration) {
	if ahead.Abs() > clockTolerance {
		d.warn(subject, fmt.Sprintf("this machine's clock is %s ahead of the provider's: tokens are refused when it is an hour off", ahead.Round(time.Second)), "let a time service set the clock")
	}
}
