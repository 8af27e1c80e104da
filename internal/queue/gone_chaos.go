//go:build chaos

package queue

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/nats-io/nats.go"
)

// Gone says whether the stream's leader does not have the message any more. A worker that is to die after an acknowledgement
// learns by it that the broker has taken that.
func (c *Conn) Gone(ctx context.Context, stream string, sequence uint64) (bool, error) {
	ask, err := json.Marshal(map[string]uint64{"seq": sequence})
	if err != nil {
		return false, err
	}
	var reply *nats.Msg
	err = c.call(ctx, func(ctx context.Context) (err error) {
		reply, err = c.nc.RequestWithContext(ctx, apiGet+stream, ask)
		return err
	})
	if err != nil {
		return false, err
	}
	_, err = parseStored(stream, "a delivery", reply)
	if errors.Is(err, errAbsent) {
		return true, nil
	}
	return false, err
}
