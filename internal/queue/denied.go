package queue

import (
	"errors"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// denied is a call that waited in vain because the server forbids it to this user. The server says so beside the call, so the call
// alone would look like a broker that does not answer.
type denied struct {
	cause, violation error
}

// Error says what is forbidden.
func (d *denied) Error() string { return d.violation.Error() }

// Unwrap keeps what the call itself came to: whether something was stored is as unknown as before.
func (d *denied) Unwrap() []error { return []error{d.cause, d.violation} }

// forbidden says whether err is a call that the server forbids.
func forbidden(err error) bool { return errors.Is(err, nats.ErrPermissionViolation) }

// blame finds out whether a call that got no answer was forbidden. before is c.violation from before the call; subject is what the
// call was sent to, "" if that is not known.
func (c *Conn) blame(before *error, subject string, err error) error {
	after := c.violation.Load()
	if after == nil || after == before || !unavailable(err) {
		return err
	}
	if subject != "" && !strings.Contains((*after).Error(), strconv.Quote(subject)) {
		return err
	}
	return &denied{err, *after}
}
