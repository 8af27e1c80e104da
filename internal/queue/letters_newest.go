package queue

import (
	"context"
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

const (
	// newestStep is how far back of PUSH_DEAD is read at first to find the newest letters; each further step doubles it.
	newestStep = 128
	// newestReach is how many letters are looked at before a rare one is given up.
	newestReach = 20_000
)

// NewestLetters returns the newest letters that the filter chooses, newest first, n at most, without their bodies. before leaves out
// that sequence and everything newer; 0 leaves out nothing. more is the sequence to go on before; 0 says that these were all. Ages
// and the filter's own limit do not count here. At most 20,000 letters are looked at in one call: more may be set although
// fewer than n were found.
func (c *Conn) NewestLetters(ctx context.Context, filter DeadFilter, before uint64, n int) (found []DeadLetter, more uint64, err error) {
	info, err := c.streamInfo(ctx, jobs.StreamDead)
	switch {
	case err != nil:
		return nil, 0, c.explainJetStream(err)
	case info == nil:
		return nil, 0, c.noStream(jobs.StreamDead)
	}
	first, end := info.State.FirstSeq, info.State.LastSeq+1
	if before > 0 && before < end {
		end = before
	}
	low := end
	for step := uint64(newestStep); low > first && len(found) < n && end-low < newestReach; step *= 2 {
		from := first
		if low > first+step {
			from = low - step
		}
		part, err := c.lettersBetween(ctx, filter, from, low)
		if err != nil {
			return nil, 0, err
		}
		slices.Reverse(part)
		found, low = append(found, part...), from
	}
	if len(found) > n {
		found = found[:n]
		return found, found[n-1].Sequence, nil
	}
	if low > first {
		return found, low, nil
	}
	return found, 0, nil
}

// lettersBetween reads the letters of [from, to), oldest first.
func (c *Conn) lettersBetween(ctx context.Context, filter DeadFilter, from, to uint64) (found []DeadLetter, err error) {
	r := replay{Stream: jobs.StreamDead, Subject: subjectDead + orAny(string(filter.Platform)) + "." + orAny(filter.App), From: from, HeadersOnly: true}
	err = c.replay(ctx, r, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if meta.Sequence.Stream >= to {
			return errEnough
		}
		letter, err := readLetter(msg.Subject(), meta.Sequence.Stream, meta.Timestamp, msg.Headers(), nil)
		if err != nil {
			return err
		}
		if (filter.Reason == "" || letter.Reason == filter.Reason) && (filter.Job == "" || letter.Job == filter.Job) {
			found = append(found, *letter)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}
