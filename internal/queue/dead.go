package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
)

// Headers of a dead letter, beside those the message had.
const (
	HeaderReason   = "Volley-Reason"   // the word of results.Dead
	HeaderEvent    = "Volley-Event"    // id of the event committed for it
	HeaderJob      = "Volley-Job"      // the job's resolved id
	HeaderCampaign = "Volley-Campaign" // absent if it has none
	HeaderStream   = "Volley-Stream"   // where the message was taken from
	HeaderSequence = "Volley-Sequence"
)

// deadWindow is how long PUSH_DEAD knows a letter's event id again. A redelivery after a crash between letter and
// acknowledgement comes within an ack wait; a longer gap stores the letter twice, which its event id shows.
const deadWindow = time.Hour

const subjectDead = "push.dead."

// Bury implements pipeline.Dead: the original bytes on push.dead.<platform>.<app>, once within deadWindow.
func (c *Conn) Bury(ctx context.Context, letter pipeline.Letter) error {
	msg, err := deadMsg(letter)
	if err != nil {
		return err
	}
	if _, err := c.publish(ctx, msg); err != nil {
		return explain("storing the dead letter of event "+letter.Event.ID, err)
	}
	return nil
}

func deadMsg(letter pipeline.Letter) (*nats.Msg, error) {
	event := letter.Event
	if event == nil || event.Dead == nil {
		return nil, errors.New("a dead letter needs the event that was committed for it")
	}
	header := withoutNATS(letter.Header)
	header.Set(HeaderReason, event.Dead.Reason)
	header.Set(HeaderEvent, event.ID)
	header.Set(HeaderJob, event.Job)
	if event.Campaign != "" {
		header.Set(HeaderCampaign, event.Campaign)
	}
	if event.Dead.Stream != "" {
		header.Set(HeaderStream, event.Dead.Stream)
		header.Set(HeaderSequence, strconv.FormatUint(event.Dead.Sequence, 10))
	}
	header.Set(jetstream.MsgIDHeader, event.ID)
	return &nats.Msg{Subject: subjectDead + string(letter.Platform) + "." + letter.App, Header: header, Data: letter.Body}, nil
}

// withoutNATS copies the headers but those that mean something to the broker, in whatever case they are written.
func withoutNATS(header map[string][]string) nats.Header {
	own := nats.Header(maps.Clone(header))
	if own == nil {
		own = nats.Header{}
	}
	maps.DeleteFunc(own, func(name string, _ []string) bool {
		return len(name) >= 5 && strings.EqualFold(name[:5], "Nats-")
	})
	return own
}

// DeadFilter chooses dead letters; the zero value chooses all.
type DeadFilter struct {
	Platform jobs.Platform
	App      string
}

// DeadLetter is a stored dead letter.
type DeadLetter struct {
	// Sequence is its place in PUSH_DEAD, Stored when it was stored (the broker's clock).
	Sequence uint64
	Stored   time.Time
	Platform jobs.Platform
	App      string
	// Reason, Event and Job repeat the headers.
	Reason, Event, Job string
	Header             map[string][]string
	// Body is the message as it was published.
	Body []byte
}

// DeadLetters calls fn with every stored letter that the filter chooses, oldest first. An error of fn ends it and is returned.
func (c *Conn) DeadLetters(ctx context.Context, filter DeadFilter, fn func(DeadLetter) error) error {
	subject := subjectDead + orAny(string(filter.Platform)) + "." + orAny(filter.App)
	return c.replay(ctx, replay{Stream: jobs.StreamDead, Subject: subject}, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		parts := strings.Split(strings.TrimPrefix(msg.Subject(), subjectDead), ".")
		if len(parts) != 2 {
			return fmt.Errorf("%s holds %s, which is no dead letter", jobs.StreamDead, msg.Subject())
		}
		h := msg.Headers()
		return fn(DeadLetter{
			Sequence: meta.Sequence.Stream, Stored: meta.Timestamp, Platform: jobs.Platform(parts[0]), App: parts[1],
			Reason: h.Get(HeaderReason), Event: h.Get(HeaderEvent), Job: h.Get(HeaderJob), Header: h, Body: msg.Data(),
		})
	})
}
