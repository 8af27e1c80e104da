package apns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/volleypush/volley/sender"
)

// dialError is a connection that could not be opened: the row for its recipients, and the cause for the operator.
type dialError struct {
	reason *sender.Reason
	cause  error
}

func (e *dialError) Error() string { return e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

// dialFunc opens the TCP connection.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// target is where to connect to.
type target struct{ host, address string }

// parseEndpoint reads "https://host[:port]".
func parseEndpoint(endpoint string) (target, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil {
		return target{}, errors.New("endpoint must have the form https://host or https://host:port")
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return target{host: u.Host, address: net.JoinHostPort(u.Hostname(), port)}, nil
}

// dialTCP opens a connection to a name that is looked up anew each time (Apple spreads its load by DNS).
func dialTCP(ctx context.Context, to target, dial dialFunc) (net.Conn, error) {
	raw, err := dial(ctx, "tcp", to.address)
	if err != nil {
		return nil, unreachable(to, err)
	}
	return raw, nil
}

// dialTLS opens a TLS connection that speaks HTTP/2 and puts the wire below what will use it. The server is always verified.
func dialTLS(ctx context.Context, to target, config *tls.Config, dial dialFunc, changed func()) (*wire, error) {
	raw, err := dialTCP(ctx, to, dial)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, handshakeError(to, err)
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		_ = raw.Close()
		return nil, noHTTP2(to)
	}
	return newWire(conn, raw, changed), nil
}

// unreachable is a TCP connection that could not be opened.
func unreachable(to target, err error) error {
	if known, ok := errors.AsType[*dialError](err); ok { // the proxy's
		return known
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return &dialError{Reason(ConnectionFailed), fmt.Errorf("the name %s can't be looked up: %w; check this machine's DNS and the endpoint", to.host, err)}
	}
	return &dialError{Reason(ConnectionFailed), fmt.Errorf("no connection to %s: %w; check the network, a firewall and the endpoint", to.address, err)}
}

func noHTTP2(to target) error {
	return &dialError{Reason(ConnectionFailed), fmt.Errorf("%s does not speak HTTP/2; check the endpoint", to.address)}
}

func noAnswer(to target) error {
	return &dialError{Reason(ConnectionFailed), errors.New(to.address + " does not answer in HTTP/2; check the endpoint")}
}

func handshakeError(to target, err error) error {
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &dialError{Reason(ServerNotTrusted), fmt.Errorf("%s is not trusted: %w; %s", to.address, err, trustRemedy(to, untrusted))}
	}
	if isCertificateAlert(err) {
		return &dialError{Reason(CertificateRefused), errors.New(to.address + refusedRemedy)}
	}
	return &dialError{Reason(ConnectionFailed), fmt.Errorf("no TLS connection to %s: %w; check the network and the endpoint", to.address, err)}
}

// trustRemedy says what to do about a server whose certificate can't be verified.
func trustRemedy(to target, untrusted *tls.CertificateVerificationError) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](untrusted); ok && invalid.Reason == x509.Expired {
		return "check this machine's clock"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](untrusted); !ok {
		return "check the endpoint, or name the authority with ca_file"
	}
	by := "somebody unknown"
	if shown := untrusted.UnverifiedCertificates; len(shown) > 0 {
		by = strconv.Quote(either(shown[0].Issuer.CommonName, shown[0].Issuer.String()))
	}
	return fmt.Sprintf("its certificate was issued by %s: if that is a proxy or firewall that opens TLS, let %s pass untouched or name its authority with ca_file; "+
		"else update the system's certificates", by, to.host)
}

const refusedRemedy = " refused our certificate; check that it is valid, not revoked, and of this environment"

// isCertificateAlert says whether the peer ended TLS because of our certificate. With TLS 1.3 that is known only when the
// first answer is read, long after the handshake seemed done. crypto/tls keeps the alert's type to itself; its texts are
// those of RFC 8446 §6.2.
func isCertificateAlert(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	text := op.Err.Error()
	return strings.Contains(text, "certificate") || strings.Contains(text, "access denied")
}
