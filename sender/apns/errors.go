package apns

import (
	"fmt"
	"strings"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// ErrorName is one of the reference's class names. It is an error itself, so that errors.Is(err, apns.InvalidTokenError)
// asks for a kind of failure.
type ErrorName string

// Error is the name.
func (n ErrorName) Error() string { return string(n) }

// The reference's class names (pushjack-surface §6).
const (
	AuthError               ErrorName = "APNSAuthError"
	ProcessingError         ErrorName = "APNSProcessingError"
	MissingTokenError       ErrorName = "APNSMissingTokenError"
	MissingTopicError       ErrorName = "APNSMissingTopicError"
	MissingPayloadError     ErrorName = "APNSMissingPayloadError"
	InvalidTokenSizeError   ErrorName = "APNSInvalidTokenSizeError"
	InvalidTopicSizeError   ErrorName = "APNSInvalidTopicSizeError"
	InvalidPayloadSizeError ErrorName = "APNSInvalidPayloadSizeError"
	InvalidTokenError       ErrorName = "APNSInvalidTokenError"
	ShutdownError           ErrorName = "APNSShutdownError"
	ProtocolError           ErrorName = "APNSProtocolError"
	UnknownError            ErrorName = "APNSUnknownError"
	TimeoutError            ErrorName = "APNSTimeoutError"
	UnsendableError         ErrorName = "APNSUnsendableError"
)

// Error is one recipient that was not accepted.
type Error struct {
	// Name is the reference's class name; errors.Is(e, e.Name) holds.
	Name ErrorName
	// Code is the reference's number, "" where it has none.
	Code results.Code
	// Description is the reference's text.
	Description string
	// Index is the recipient's position in the ids as sent; the reference calls it identifier.
	Index int
	// Reason is what Apple said, or our own word for what it did not say.
	Reason string
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Class says what follows: for sender.Unsent another send is safe, for sender.Uncertain it may deliver twice.
	Class sender.Class
	// Action is what to do about it.
	Action results.Action
}

// Error says what happened to which recipient, by its index.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Name))
	if e.Code != "" {
		fmt.Fprintf(&b, " (code=%s)", e.Code)
	}
	fmt.Fprintf(&b, ": %s for identifier %d (%s", e.Description, e.Index, e.Reason)
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %d", e.Status)
	}
	return b.String() + ")"
}

// Is makes errors.Is work with an ErrorName.
func (e *Error) Is(target error) bool {
	name, ok := target.(ErrorName)
	return ok && name == e.Name
}

func newError(index int, o sender.Outcome) *Error {
	r := o.Reason
	return &Error{
		Name: ErrorName(r.Error), Code: r.Code, Description: r.Description, Index: index,
		Reason: r.Name, Status: o.Status, Class: o.Class, Action: r.Action,
	}
}
