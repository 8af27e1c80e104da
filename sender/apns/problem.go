package apns

import (
	"strings"

	"github.com/volleypush/volley/sender"
)

// Problem is one thing wrong with a message or a request, found before anything is sent. It never quotes a device token
// or the text of a notification.
type Problem struct {
	// Field is the option as jobs name it ("badge", "collapse_id", "message"); "" for the whole.
	Field string
	// Text says what is wrong and what to do.
	Text string
	// Reason is the row that Apple would answer with.
	Reason *sender.Reason
}

// String is "field: text".
func (p Problem) String() string {
	if p.Field == "" {
		return p.Text
	}
	return p.Field + ": " + p.Text
}

// Problems is everything wrong at once. It implements error.
type Problems []Problem

// Error joins all problems.
func (p Problems) Error() string {
	all := make([]string, len(p))
	for i, one := range p {
		all[i] = one.String()
	}
	return strings.Join(all, "; ")
}

// Is makes errors.Is(err, InvalidPayloadSizeError) and its like work: it is true if any problem has that name.
func (p Problems) Is(target error) bool {
	name, ok := target.(ErrorName)
	if !ok {
		return false
	}
	for _, one := range p {
		if one.Reason != nil && one.Reason.Error == string(name) {
			return true
		}
	}
	return false
}

// asError is nil for no problems.
func (p Problems) asError() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// add notes a problem whose reason is the named row.
func (p *Problems) add(reason, field, text string) {
	*p = append(*p, Problem{Field: field, Text: text, Reason: Reason(reason)})
}
