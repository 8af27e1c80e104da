package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// Token is a device token or registration ID. Every way of printing it shows a fingerprint; only Reveal gives the
// text, and only senders and the codecs call it. The zero Token is empty.
type Token struct{ text string }

// NewToken wraps the text of a recipient.
func NewToken(text string) Token { return Token{text} }

// Reveal returns the text itself. Never log it.
func (t Token) Reveal() string { return t.text }

// Len is the length of the text in bytes.
func (t Token) Len() int { return len(t.text) }

// Fingerprint is stable across lines and processes, so that an operator can correlate without seeing the token.
func (t Token) Fingerprint() string {
	sum := sha256.Sum256([]byte(t.text))
	return "token:" + hex.EncodeToString(sum[:4])
}

// String implements fmt.Stringer with the fingerprint.
func (t Token) String() string { return t.Fingerprint() }

// Format implements fmt.Formatter, so that no verb, %#v and %x included, shows the text.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.Fingerprint()) }

// MarshalText implements encoding.TextMarshaler with the fingerprint: loggers and encoding/json see no text.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.Fingerprint()), nil }

// LogValue implements slog.LogValuer.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.Fingerprint()) }
