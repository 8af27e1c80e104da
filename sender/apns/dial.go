package apns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
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

// dialTLS opens a TLS connection that speaks HTTP/2, to a name that is looked up anew each time (Apple spreads its load by
// DNS), and puts the wire below what will use it. The server is always verified.
func dialTLS(ctx context.Context, to target, config *tls.Config, dial dialFunc, changed func()) (*wire, error) {
	raw, err := dial(ctx, "tcp", to.address)
	if err != nil {
		return nil, &dialError{Reason(ConnectionFailed), fmt.Errorf("no connection to %s: %w; check the network and the endpoint", to.address, err)}
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, handshakeError(to, err)
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		_ = raw.Close()
		return nil, &dialError{Reason(ConnectionFailed), fmt.Errorf("%s does not speak HTTP/2; check the endpoint", to.address)}
	}
	return newWire(conn, raw, changed), nil
}

func handshakeError(to target, err error) error {
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		remedy := "check the endpoint, or name the authority with ca_file"
		if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
			remedy = "update the system's certificates, or name the authority with ca_file"
		}
		return &dialError{Reason(ServerNotTrusted), fmt.Errorf("%s is not trusted: %w; %s", to.address, err, remedy)}
	case isCertificateAlert(err):
		return &dialError{Reason(CertificateRefused), errors.New(to.address + refusedRemedy)}
	}
	return &dialError{Reason(ConnectionFailed), fmt.Errorf("no TLS connection to %s: %w; check the network and the endpoint", to.address, err)}
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
