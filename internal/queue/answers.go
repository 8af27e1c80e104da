package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	waiting map[uint64]*questions
}

// questions are asked together. Their answers come in any order.
type questions struct {
	// Guarded by the lock of answers:
	replies []*nats.Msg
	left    int
	stream  bool // one question with any number of answers, the last of which has a status

	all chan struct{} // closed when left is 0
}

// listen begins to take answers in.
func (c *Conn) listen() error {
	c.answers = &answers{prefix: nats.NewInbox() + ".", waiting: make(map[uint64]*questions)}
	sub, err := c.nc.Subscribe(c.answers.prefix+"*.*", c.answers.receive)
	if err == nil {
		// What can come is bounded by what is asked; the library's own bound would drop answers.
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		return fmt.Errorf("subscribing for the answers of %s: %w", c.url, err)
	}
	return nil
}

// expect makes a place for n answers.
func (a *answers) expect(n int) (id uint64, q *questions) {
	return a.await(&questions{replies: make([]*nats.Msg, n), left: n, all: make(chan struct{})})
}

// expectStream makes a place for as many answers to one question as there are.
func (a *answers) expectStream() (id uint64, q *questions) {
	return a.await(&questions{left: 1, stream: true, all: make(chan struct{})})
}

func (a *answers) await(q *questions) (uint64, *questions) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	a.waiting[a.last] = q
	return a.last, q
}

// forget drops the place and returns what came; an answer that comes later is nobody's.
func (a *answers) forget(id uint64, q *questions) []*nats.Msg {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, id)
	return q.replies
}

func (a *answers) receive(msg *nats.Msg) {
	first, second, _ := strings.Cut(msg.Subject[len(a.prefix):], ".")
	id, err := strconv.ParseUint(first, 36, 64)
	n, err2 := strconv.ParseUint(second, 36, 32)
	if err != nil || err2 != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.waiting[id]
	switch {
	case q == nil || q.left == 0:
		return
	case q.stream:
		if q.replies = append(q.replies, msg); msg.Header.Get("Status") == "" {
			return
		}
	case n >= uint64(len(q.replies)) || q.replies[n] != nil:
		return
	default:
		q.replies[n] = msg
	}
	if q.left--; q.left == 0 {
		close(q.all)
	}
}

// ask sends msg, whose Reply it sets, and waits callTimeout at most for the answer. It ends at once when the connection is lost: the
// answer would not come over the next one.
func (c *Conn) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	one := [...]reply{{ask: msg}}
	c.askAll(ctx, one[:])
	return one[0].msg, one[0].err
}

// reply is a question and what came of it: an answer or an error.
type reply struct {
	ask *nats.Msg
	msg *nats.Msg
	err error
}

// askAll asks all at one time, as ask does for one.
func (c *Conn) askAll(ctx context.Context, all []reply) {
	lost, before := c.link.current().Done(), c.violation.Load()
	id, q := c.answers.expect(len(all))
	prefix := c.answers.prefix + strconv.FormatUint(id, 36) + "."
	asked := 0
	for i := range all {
		all[i].ask.Reply = prefix + strconv.FormatUint(uint64(i), 36)
		err := c.nc.PublishMsg(all[i].ask)
		if errors.Is(err, nats.ErrReconnectBufExceeded) {
			err = errUnsent
		}
		if all[i].err = err; err == nil {
			asked++
		}
	}
	var cause error
	if asked == len(all) {
		cause = q.wait(ctx, lost)
	} else {
		// Some did not leave: the connection is going, or the message is too large. Answers to the others may be on their way.
		cause = c.waitSome(ctx, lost, q, len(all)-asked)
	}
	replies := c.answers.forget(id, q)
	for i := range all {
		switch r, msg := &all[i], replies[i]; {
		case msg != nil && len(msg.Data) == 0 && msg.Header.Get("Status") == "503":
			r.err = nats.ErrNoResponders
		case msg != nil:
			r.msg, r.err = msg, nil
		case r.err != nil: // was not asked
		case errors.Is(cause, nats.ErrTimeout):
			r.err = c.blame(before, r.ask.Subject, cause)
		default:
			r.err = cause
		}
	}
}

// waitSome waits for all answers but those of so many questions that were not asked.
func (c *Conn) waitSome(ctx context.Context, lost <-chan struct{}, q *questions, unasked int) error {
	c.answers.mu.Lock()
	q.left -= unasked
	none := q.left == 0
	c.answers.mu.Unlock()
	if none {
		return nil
	}
	return q.wait(ctx, lost)
}

// wait waits for all answers.
func (q *questions) wait(ctx context.Context, lost <-chan struct{}) error {
	timer := time.NewTimer(callTimeout)
	defer timer.Stop()
	select {
	case <-q.all:
		return nil
	case <-timer.C:
		return nats.ErrTimeout
	case <-lost:
		return nats.ErrDisconnected
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publish stores one message and returns the broker's acknowledgement, or its refusal as a *jetstream.APIError. Any other error but
// errUnsent means that the message may be stored or not.
func (c *Conn) publish(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	for again := 0; ; again++ {
		answer, err := c.ask(ctx, msg)
		switch {
		case err == nil:
			return acknowledgement(answer.Data)
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
	if stream, sequence, ok := plainAcknowledgement(text); ok {
		return &jetstream.PubAck{Stream: string(stream), Sequence: sequence}, nil
	}
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

// plainAcknowledgement reads the usual answer, {"stream":"NAME","seq":N}, without reflection; false for any other.
func plainAcknowledgement(text []byte) (stream []byte, sequence uint64, ok bool) {
	rest, begins := bytes.CutPrefix(text, []byte(`{"stream":"`))
	name, rest, goesOn := bytes.Cut(rest, []byte(`","seq":`))
	digits, ends := bytes.CutSuffix(rest, []byte("}"))
	if !begins || !goesOn || !ends || len(name) == 0 || len(digits) == 0 || len(digits) > 19 || digits[0] == '0' {
		return nil, 0, false
	}
	for _, c := range name {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return nil, 0, false
		}
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return nil, 0, false
		}
		sequence = 10*sequence + uint64(c-'0')
	}
	return name, sequence, true
}
