package config

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/volleypush/volley/internal/natsurl"
)

// redacted is what every way of printing a secret shows.
const redacted = "[redacted]"

// Secret is a password or key. Every way of printing it shows "[redacted]", or nothing if it is empty; only Reveal gives
// the text. The zero Secret is empty.
type Secret struct {
	// A pointer, because fmt does not call the methods of values in unexported fields: it then shows an address.
	text *string
}

// NewSecret wraps the text of a secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text itself. Never print it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero says whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal compares the texts.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() }

// String implements fmt.Stringer without the text.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, so that no verb shows the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler without the text: for encoders and loggers.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// URL is the address of one NATS server or of several, separated by commas. As it may hold a user's password or token,
// every way of printing it leaves that out; only Reveal gives all of it. The zero URL is empty.
type URL struct{ secret Secret }

// NewURL wraps the text of an address; Validate checks it.
func NewURL(text string) URL { return URL{NewSecret(text)} }

// Reveal returns the address as it was given. Never print it.
func (u URL) Reveal() string { return u.secret.Reveal() }

// IsZero says whether there is no address.
func (u URL) IsZero() bool { return u.secret.IsZero() }

// Equal compares the texts.
func (u URL) Equal(o URL) bool { return u.secret.Equal(o.secret) }

// String implements fmt.Stringer without users and passwords.
func (u URL) String() string { return natsurl.Readable(u.Reveal()) }

// Format implements fmt.Formatter, so that no verb shows a password.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// MarshalText implements encoding.TextMarshaler without users and passwords.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// LogValue implements slog.LogValuer.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *URL) UnmarshalText(text []byte) error {
	*u = NewURL(string(text))
	return nil
}
