package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// ErrNoLetter says that PUSH_DEAD has no letter with that sequence: it was requeued, dropped or is too old, or never was.
var ErrNoLetter = errors.New("there is no such dead letter")

// errEnough ends a reading early.
var errEnough = errors.New("enough")

// DeadFilter chooses dead letters; the zero value chooses all.
type DeadFilter struct {
	Platform jobs.Platform
	App      string
	// Reason is a word of results.Dead, Job a job's resolved id.
	Reason, Job string
	// OlderThan and NewerThan compare with the time since the letter was stored, by the broker's clock; 0 does not ask.
	OlderThan, NewerThan time.Duration
	// Limit is how many letters at most, the oldest; 0 is no limit.
	Limit int
	// HeadersOnly leaves the bodies at the broker.
	HeadersOnly bool
}

// DeadLetter is a stored dead letter.
type DeadLetter struct {
	// Sequence is its place in PUSH_DEAD, Stored when it was stored (the broker's clock).
	Sequence uint64
	Stored   time.Time
	Platform jobs.Platform
	// App is "_" if it could not be read.
	App string
	// Reason, Event, Job and Campaign repeat the headers.
	Reason, Event, Job, Campaign string
	// Stream, Subject and StreamSequence say where the message was taken from.
	Stream, Subject string
	StreamSequence  uint64
	// Published is when the job was stored in PUSH_JOBS; zero if the letter does not say.
	Published time.Time
	// Segment and Round are the event's; "" and 0 if its id can't be read.
	Segment string
	Round   int
	// Recipients is how many the event accounts for, Uncertain how many of them may have been reached.
	Recipients, Uncertain int
	// Requeues is how often it was a dead letter before and was requeued.
	Requeues int
	Faults   []jobs.Fault
	Header   map[string][]string
	// Size is the length of the body, also where Body is not loaded.
	Size int
	// Body is the message as it was published.
	Body []byte
}

// DeadLetters calls fn with every stored letter that the filter chooses, oldest first. An error of fn ends it and is returned.
func (c *Conn) DeadLetters(ctx context.Context, filter DeadFilter, fn func(DeadLetter) error) error {
	r := replay{
		Stream: jobs.StreamDead, Subject: subjectDead + orAny(string(filter.Platform)) + "." + orAny(filter.App), HeadersOnly: filter.HeadersOnly,
	}
	var before time.Time
	if filter.OlderThan > 0 || filter.NewerThan > 0 {
		if err := c.setClock(ctx); errors.Is(err, jetstream.ErrStreamNotFound) {
			return c.noStream(jobs.StreamWork)
		} else if err != nil {
			return err
		}
		if filter.NewerThan > 0 {
			r.Since = c.Now().Add(-filter.NewerThan)
		}
		if filter.OlderThan > 0 {
			before = c.Now().Add(-filter.OlderThan)
		}
	}
	found := 0
	err := c.replay(ctx, r, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if !before.IsZero() && meta.Timestamp.After(before) {
			return errEnough // the rest is younger still
		}
		letter, err := readLetter(msg.Subject(), meta.Sequence.Stream, meta.Timestamp, msg.Headers(), msg.Data())
		if err != nil {
			return err
		}
		if filter.Reason != "" && letter.Reason != filter.Reason || filter.Job != "" && letter.Job != filter.Job {
			return nil
		}
		if err := fn(*letter); err != nil {
			return err
		}
		if found++; found == filter.Limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// DeadLetter loads the letter with that sequence in PUSH_DEAD, or ErrNoLetter.
func (c *Conn) DeadLetter(ctx context.Context, sequence uint64) (*DeadLetter, error) {
	if sequence == 0 { // the broker counts from 1, and would answer in its own words
		return nil, fmt.Errorf("%w: %s has no message 0", ErrNoLetter, jobs.StreamDead)
	}
	var msg *jetstream.RawStreamMsg
	err := c.onDead(ctx, func(ctx context.Context, stream jetstream.Stream) (err error) {
		msg, err = stream.GetMsg(ctx, sequence)
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("%w: %s has no message %d", ErrNoLetter, jobs.StreamDead, sequence)
	}
	if err != nil {
		return nil, explain(fmt.Sprintf("reading dead letter %d", sequence), err)
	}
	return readLetter(msg.Subject, msg.Sequence, msg.Time, msg.Header, msg.Data)
}

// DropLetter deletes the letter with that sequence for good; ErrNoLetter if there is none.
func (c *Conn) DropLetter(ctx context.Context, sequence uint64) error {
	err := c.onDead(ctx, func(ctx context.Context, stream jetstream.Stream) error { return stream.DeleteMsg(ctx, sequence) })
	if err == nil {
		return nil
	}
	// The broker has several answers for a message that is gone. Whether it is, is what counts.
	if _, lookup := c.DeadLetter(ctx, sequence); errors.Is(lookup, ErrNoLetter) {
		return lookup
	}
	return explain(fmt.Sprintf("dropping dead letter %d", sequence), err)
}

// onDead asks PUSH_DEAD something.
func (c *Conn) onDead(ctx context.Context, ask func(context.Context, jetstream.Stream) error) error {
	err := c.call(ctx, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, jobs.StreamDead)
		if err != nil {
			return err
		}
		return ask(ctx, stream)
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return c.noStream(jobs.StreamDead)
	}
	return err
}

// noStream is the error for a broker that no worker has prepared yet.
func (c *Conn) noStream(name string) error {
	return fmt.Errorf("%w: %s has no stream %s: start a worker on this server once, it creates the streams", ErrUnavailable, c.url, name)
}

// readLetter reads what PUSH_DEAD holds. What its headers don't say stays empty: an older version wrote fewer of them.
func readLetter(subject string, sequence uint64, stored time.Time, h nats.Header, body []byte) (*DeadLetter, error) {
	parts := strings.Split(strings.TrimPrefix(subject, subjectDead), ".")
	if len(parts) != 2 {
		return nil, fmt.Errorf("%s holds %s, which is no dead letter", jobs.StreamDead, subject)
	}
	number := func(name string) int {
		n, err := strconv.ParseUint(h.Get(name), 10, 31)
		if err != nil {
			return 0
		}
		return int(n)
	}
	letter := &DeadLetter{
		Sequence: sequence, Stored: stored, Platform: jobs.Platform(parts[0]), App: parts[1],
		Reason: h.Get(HeaderReason), Event: h.Get(HeaderEvent), Job: h.Get(HeaderJob), Campaign: h.Get(HeaderCampaign),
		Stream: h.Get(HeaderStream), Subject: h.Get(HeaderSubject),
		Recipients: number(HeaderRecipients), Uncertain: number(HeaderUncertain), Requeues: number(jobs.HeaderRequeues),
		Header: h, Size: len(body), Body: body,
	}
	if size := h.Get(nats.MsgSize); size != "" {
		// Sent in place of the body.
		letter.Size, letter.Body = number(nats.MsgSize), nil
	}
	if n, err := strconv.ParseUint(h.Get(HeaderSequence), 10, 64); err == nil {
		letter.StreamSequence = n
	}
	if at, err := time.Parse(time.RFC3339Nano, h.Get(jobs.HeaderPublished)); err == nil {
		letter.Published = at
	}
	if key, err := results.ParseID(letter.Event); err == nil {
		letter.Segment, letter.Round = key.Segment, key.Round
	}
	if text := h.Get(HeaderFaults); text != "" && json.Unmarshal([]byte(text), &letter.Faults) != nil {
		letter.Faults = nil
	}
	return letter, nil
}
