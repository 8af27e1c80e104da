package gcm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"unicode"

	"github.com/volleypush/volley/sender/internal/h2"
)

// connectDetail says in words why there is no connection. It is the same text for all who tried: no local address or port.
func connectDetail(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "the server's certificate is signed by an unknown authority: check ca_file"
	case errors.As(err, &host):
		return "the server's certificate is for another name: check endpoint"
	case errors.As(err, &invalid):
		return "the server's certificate is not valid: " + plain(invalid.Error())
	case errors.As(err, &record):
		return "the server does not speak TLS: check endpoint"
	case errors.As(err, &dns):
		return "the name " + plain(dns.Name) + " can't be resolved"
	case errors.Is(err, h2.ErrProtocol):
		return "the server does not speak HTTP/2: check endpoint, or set engine: nethttp"
	case errors.Is(err, context.DeadlineExceeded):
		return "connecting took too long"
	case errors.As(err, &op):
		return op.Op + ": " + plain(op.Err.Error())
	}
	return plain(err.Error())
}

// maxDetail bounds foreign text in a description.
const maxDetail = 200

// plain makes foreign text fit for one line of an event: printable, at most 200 bytes.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "…"
	}
	return strings.TrimSpace(text)
}
