package queue

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/volleypush/volley/jobs"
)

// ErrMuted says that the server forbids this user to tell anybody anything; what is told is only for people who look.
var ErrMuted = errors.New("the NATS server forbids it")

// Tell sends a message to everybody who hears the subject now. Nothing keeps it: who is not there does not get it. Without a
// connection it is ErrUnavailable, at once. Where the server forbids it to us it is ErrMuted from the second time on.
func (c *Conn) Tell(subject string, body []byte) error {
	if c.muted.Load() {
		return fmt.Errorf("%w: let this user publish and subscribe to %s and %s.>", ErrMuted, jobs.SubjectFleet, jobs.SubjectFleet)
	}
	if err := c.nc.Publish(subject, body); err != nil {
		return explain("telling "+subject, err)
	}
	return nil
}

// Hear calls hear with every message that is told on the subject, those of this connection among them, one after the other. stop
// ends it; a call under way may still end after it. A subscription outlives reconnects.
func (c *Conn) Hear(subject string, hear func(body []byte)) (stop func(), err error) {
	sub, err := c.nc.Subscribe(subject, func(msg *nats.Msg) { hear(msg.Data) })
	if err != nil {
		return nil, explain("listening to "+subject, err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

// mutes says whether a violation is about what workers tell each other, which no job depends on. It is logged once, not each second,
// and no other call is blamed on it.
func (c *Conn) mutes(violation error) bool {
	if !strings.Contains(violation.Error(), `"`+jobs.SubjectFleet) {
		return false
	}
	if !c.muted.Swap(true) {
		c.log.Warn().Err(violation).Str("url", c.url).Msg("workers can't tell each other how they are, so the web page shows too little: let this user publish and subscribe to push.fleet and push.fleet.>")
	}
	return true
}
