package queue

import (
	"context"
	"fmt"
	"sync"
)

// marks remembers, for each stream, its last sequence at our latest connect. What is not newer than that may have been handed
// out before, and no count of deliveries tells: a broker that was killed hands out the same message as a first delivery again.
type marks struct {
	mu    sync.Mutex
	known map[string]mark
	// asking lets one pull ask for all.
	asking sync.Mutex
}

type mark struct {
	epoch uint64
	last  uint64
}

// refresh makes sure that there is a mark of the current connection. again takes a new one in any case: after trouble with a
// consumer its leader may be another, which knows as little as a restarted broker.
func (c *Conn) refreshMark(ctx context.Context, stream string, again bool) error {
	c.marks.asking.Lock()
	defer c.marks.asking.Unlock()
	for {
		epoch := c.epoch()
		c.marks.mu.Lock()
		have, ok := c.marks.known[stream]
		c.marks.mu.Unlock()
		if ok && have.epoch == epoch && !again {
			return nil
		}
		info, err := c.streamInfo(ctx, stream)
		if err != nil {
			return explain("asking for the state of "+stream, err)
		}
		if info == nil {
			return fmt.Errorf("there is no stream %s", stream)
		}
		c.marks.mu.Lock()
		c.marks.known[stream] = mark{epoch: epoch, last: info.State.LastSeq}
		c.marks.mu.Unlock()
		again = false // once more only if the connection changed meanwhile
	}
}

// suspicious says whether somebody may have begun with the message: it was delivered before, or is older than our connection.
func (c *Conn) suspicious(stream string, sequence, delivered uint64) bool {
	c.marks.mu.Lock()
	have, ok := c.marks.known[stream]
	c.marks.mu.Unlock()
	return delivered > 1 || !ok || have.epoch != c.epoch() || sequence <= have.last
}
