package queue

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Of a stream that allows it, any of its copies answers direct reads, which may be behind the others. Where there is only one copy, it is the
// leader, and one direct read tells of a hundred subjects at once (docs/decisions/003-direct-reads.md).

const (
	// copiesFor is how long it is believed that a stream has one copy, and doubtFor how long a direct read that was not answered keeps
	// from the next: the server may not allow them to this user.
	copiesFor = 10 * time.Second
	doubtFor  = 10 * time.Minute
	// mostDirect is how many subjects the broker takes in one direct read.
	mostDirect = 1024
)

// copies remembers which streams have one copy and allow direct reads.
type copies struct {
	mu    sync.Mutex
	known map[string]copyState
}

type copyState struct {
	one   bool
	until time.Time // it holds
}

// oneCopy says whether the stream has one copy that may be read directly, as it was in the last seconds.
func (c *Conn) oneCopy(ctx context.Context, stream string) bool {
	now := time.Now()
	c.copies.mu.Lock()
	state := c.copies.known[stream]
	c.copies.mu.Unlock()
	if now.Before(state.until) {
		return state.one
	}
	info, err := c.streamInfo(ctx, stream)
	if err != nil {
		return false // whoever asks the leader hears of it
	}
	one := info != nil && info.Config.AllowDirect && info.Config.Replicas == 1
	c.copies.put(stream, copyState{one, now.Add(copiesFor)})
	return one
}

func (s *copies) put(stream string, state copyState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = make(map[string]copyState)
	}
	s.known[stream] = state
}

// absentDirect asks the stream's only copy on which of the subjects it has nothing; not known for anything but a complete answer.
func (c *Conn) absentDirect(ctx context.Context, stream string, subjects []string) (absent []bool, known bool) {
	if len(subjects) > mostDirect {
		return nil, false
	}
	question, err := json.Marshal(struct {
		Last []string `json:"multi_last"`
	}{subjects})
	if err != nil {
		return nil, false
	}
	answers, err := c.askStream(ctx, &nats.Msg{Subject: apiDirect + stream, Data: question})
	if err != nil {
		if c.Connected() && ctx.Err() == nil {
			c.copies.put(stream, copyState{false, time.Now().Add(doubtFor)})
		}
		return nil, false
	}
	last := len(answers) - 1
	if !complete(answers[last].Header, last) {
		return nil, false
	}
	there := make(map[string]bool, last)
	for _, answer := range answers[:last] {
		there[answer.Header.Get("Nats-Subject")] = true
	}
	absent = make([]bool, len(subjects))
	for i, subject := range subjects {
		absent[i] = !there[subject]
	}
	return absent, true
}

// complete says whether the header is the end of an answer that has found so many and left nothing out. Besides these ends there are those of
// a stream that is gone, of messages that could not be read, and of more than the broker sends at one time.
func complete(end nats.Header, found int) bool {
	switch end.Get("Status") {
	case "204":
		return end.Get("Nats-Num-Pending") == "0"
	case "404":
		return end.Get("Description") == "No Results" && found == 0
	}
	return false
}

// askStream asks a question that is answered by any number of messages, and returns them; the last of them, which always is there, has a status.
func (c *Conn) askStream(ctx context.Context, msg *nats.Msg) ([]*nats.Msg, error) {
	lost, before := c.link.current().Done(), c.violation.Load()
	id, q := c.answers.expectStream()
	msg.Reply = c.answers.prefix + strconv.FormatUint(id, 36) + ".0"
	err := c.nc.PublishMsg(msg)
	if err == nil {
		err = q.wait(ctx, lost)
	}
	answers := c.answers.forget(id, q)
	if err != nil {
		return nil, c.blame(before, msg.Subject, err)
	}
	return answers, nil
}
