package h2

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http2"
)

// Config says how a connection behaves. Zero fields have defaults.
type Config struct {
	// Handler is told what happens. Required.
	Handler Handler
	// Keep are the names, in lower case, of the fields of answers that are kept.
	Keep [keepFields]string
	// MaxStreams bounds how many streams are open at once, whatever the peer allows; 1,000 by default, which is also what is
	// believed of a peer that states no limit.
	MaxStreams int
	// MaxBody is the most bytes of an answer's body that are kept, 64 KiB by default. A longer one is cut off, and its stream
	// with it.
	MaxBody int
	// PingAfter is after how much silence, with requests in the air, the peer is asked whether it is still there; 4 s by
	// default. PingTimeout is how long it may take to say so; 4 s by default. A connection that is half open is found within
	// their sum and half of that.
	PingAfter, PingTimeout time.Duration
	// IdlePing is PingAfter with no request in the air; 30 s by default.
	IdlePing time.Duration
	// WriteTimeout is how long one write may take; 15 s by default.
	WriteTimeout time.Duration
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	if c.MaxStreams <= 0 {
		c.MaxStreams = 1000
	}
	if c.MaxBody <= 0 {
		c.MaxBody = 64 << 10
	}
	set(&c.PingAfter, 4*time.Second)
	set(&c.PingTimeout, 4*time.Second)
	set(&c.IdlePing, 30*time.Second)
	set(&c.WriteTimeout, 15*time.Second)
	return c
}

// Why a connection has ended, beside what the network and TLS say and GoAway.
var (
	// ErrClosed: Close was called.
	ErrClosed = errors.New("the connection was closed")
	// ErrSilent: the peer did not answer a PING in time, or takes no bytes any more.
	ErrSilent = errors.New("the peer has fallen silent")
	// ErrExhausted: there are no stream ids left. What is in the air goes on.
	ErrExhausted = errors.New("the connection has used up its stream ids")
	// ErrProtocol: the server did not agree to speak HTTP/2.
	ErrProtocol = errors.New("the server does not speak HTTP/2")
)

// HandshakeError is a failed TLS handshake.
type HandshakeError struct{ Err error }

// Error is that of TLS.
func (e *HandshakeError) Error() string { return e.Err.Error() }

// Unwrap is the error of TLS.
func (e *HandshakeError) Unwrap() error { return e.Err }

// PeerError is a rule of HTTP/2 that the peer broke so that the connection can't go on.
type PeerError struct {
	Code http2.ErrCode
	Rule string
}

// Error says what the peer did.
func (e *PeerError) Error() string {
	return fmt.Sprintf("the peer broke HTTP/2: %s (%s)", e.Rule, e.Code)
}

func broken(code http2.ErrCode, rule string) error { return &PeerError{code, rule} }
