package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// absentLeader is how often a publish is repeated that nobody took, and leaderWait the pause before: a stream is without leader for
	// a moment when one steps down. These are the client library's own numbers.
	absentLeader = 2
	leaderWait   = 250 * time.Millisecond
)

// answers brings what the broker answers to whoever asked. Everybody who waits shares one subscription, and what they ask leaves in one
// write with what the others ask and acknowledge at that moment; so many commits are under way at once and each costs little. The
// client library's calls do the same for a dozen times the allocations.
type answers struct {
	prefix string

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan *nats.Msg
}

// listen begins to take answers in.
func (c *Conn) listen() error {
	c.answers = &answers{prefix: nats.NewInbox() + ".", waiting: make(map[uint64]chan *nats.Msg)}
	sub, err := c.nc.Subscribe(c.answers.prefix+"*", c.answers.receive)
	if err == nil {
		// What can come is bounded by what is asked; the library's own bound would drop answers.
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		return fmt.Errorf("subscribing for the answers of %s: %w", c.url, err)
	}
	return nil
}

// expect makes a place for one answer.
func (a *answers) expect() (id uint64, answer <-chan *nats.Msg) {
	place := make(chan *nats.Msg, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	a.waiting[a.last] = place
	return a.last, place
}

// forget drops the place; an answer that comes later is nobody's.
func (a *answers) forget(id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, id)
}

func (a *answers) receive(msg *nats.Msg) {
	id, err := strconv.ParseUint(msg.Subject[len(a.prefix):], 36, 64)
	if err != nil {
		return
	}
	a.mu.Lock()
	place := a.waiting[id]
	delete(a.waiting, id)
	a.mu.Unlock()
	if place != nil {
		place <- msg
	}
}

// ask sends msg, whose Reply it sets, and waits callTimeout at most for the answer. It ends at once when the connection is lost: the
// answer would not come over the next one.
func (c *Conn) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	lost, before := c.link.current().Done(), c.violation.Load()
	id, answer := c.answers.expect()
	defer c.answers.forget(id)
	msg.Reply = c.answers.prefix + strconv.FormatUint(id, 36)
	if err := c.nc.PublishMsg(msg); err != nil {
		if errors.Is(err, nats.ErrReconnectBufExceeded) {
			return nil, errUnsent
		}
		return nil, err
	}
	timer := time.NewTimer(callTimeout)
	defer timer.Stop()
	select {
	case reply := <-answer:
		if len(reply.Data) == 0 && reply.Header.Get("Status") == "503" {
			return nil, nats.ErrNoResponders
		}
		return reply, nil
	case <-timer.C:
		return nil, c.blame(before, msg.Subject, nats.ErrTimeout)
	case <-lost:
		return nil, nats.ErrDisconnected
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// publish stores one message and returns the broker's acknowledgement, or its refusal as a *jetstream.APIError. Any other error but
// errUnsent means that the message may be stored or not.
func (c *Conn) publish(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	for again := 0; ; again++ {
		reply, err := c.ask(ctx, msg)
		switch {
		case err == nil:
			return acknowledgement(reply.Data)
		case !errors.Is(err, nats.ErrNoResponders) || again == absentLeader:
			return nil, err
		}
		select {
		case <-time.After(leaderWait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// acknowledgement reads the broker's answer to a publish.
func acknowledgement(text []byte) (*jetstream.PubAck, error) {
	var answer struct {
		jetstream.PubAck
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("the broker's acknowledgement is not understood: %w", err)
	}
	switch {
	case answer.Error != nil:
		return nil, answer.Error
	case answer.Stream == "":
		return nil, errors.New("the broker's acknowledgement names no stream")
	}
	return &answer.PubAck, nil
}
