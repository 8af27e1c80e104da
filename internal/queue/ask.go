package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// ErrNobody says that no worker answers requests on the subject.
var ErrNobody = errors.New("nobody answers there")

// workers is the group of which one gets each request.
const workers = "workers"

// Serve answers requests on the subject, each by one of all connections that serve it, one after the other here. stop ends it: no
// request is begun any more, and one that was begun is answered. A subscription outlives reconnects.
func (c *Conn) Serve(subject string, answer func(body []byte) []byte) (stop func(), err error) {
	sub, err := c.nc.QueueSubscribe(subject, workers, func(msg *nats.Msg) {
		if err := msg.Respond(answer(msg.Data)); err != nil {
			c.log.Warn().Err(err).Str("subject", subject).Msg("a request can't be answered")
		}
	})
	if err != nil {
		return nil, explain("serving "+subject, err)
	}
	return func() { _ = sub.Drain() }, nil
}

// Ask sends a request and waits for its answer as long as ctx allows. The error is ErrNobody if nobody serves the subject, and
// ErrUnavailable without a broker.
func (c *Conn) Ask(ctx context.Context, subject string, body []byte) ([]byte, error) {
	msg, err := c.nc.RequestWithContext(ctx, subject, body)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: %s", ErrNobody, subject)
	case err != nil:
		return nil, explain("asking "+subject, err)
	}
	return msg.Data, nil
}
