package results

import (
	"errors"
	"fmt"
	"maps"

	"github.com/volleypush/volley/jobs"
)

// maxRecipients is more than any job that fits one message has; it bounds indexes where nothing else does.
const maxRecipients = 1 << 20

// Balanced says whether the event accounts for each of its recipients exactly once:
//
//	recipients = sent + |failures| + |expired_tokens| + |uncertain| + |skipped| + |retry.indexes|
//
// with no index twice and none that the segment can't have, canonical and accepted ids among the sent, retry groups that
// split the retry exactly, and totals that contain the event. It holds for dead events too. A job_done event has no
// recipients of its own: its totals must add up, with nobody left over. The error names places and numbers, never a token.
func (e *Event) Balanced() error {
	if err := e.balance(); err != nil {
		return fmt.Errorf("the books of event %s don't balance: %w", e.ID, err)
	}
	return nil
}

func (e *Event) balance() error {
	if e.Kind == KindJobDone {
		return e.balanceDone()
	}
	if e.Recipients < 0 || e.Sent < 0 || e.Segment < 0 || e.Round < 0 {
		return errors.New("recipients, sent, segment or round is negative")
	}
	var own Totals
	own.Add(e)
	own.Recipients = e.Recipients
	if err := own.check(e.retrying()); err != nil {
		return err
	}
	if err := e.placeAll(); err != nil {
		return err
	}
	if err := e.checkRetry(); err != nil {
		return err
	}
	return e.checkTotals(own)
}

func (e *Event) balanceDone() error {
	if e.Totals == nil {
		return errors.New("job_done without totals")
	}
	if e.Sent != 0 || len(e.Failures)+len(e.ExpiredTokens)+len(e.CanonicalIDs)+len(e.Uncertain)+len(e.Skipped) > 0 || e.Retry != nil {
		return errors.New("job_done places recipients of its own")
	}
	if e.Recipients != e.Totals.Recipients {
		return fmt.Errorf("job_done of %d recipients with totals of %d", e.Recipients, e.Totals.Recipients)
	}
	return e.Totals.check(0)
}

// placeAll walks through every index that the event names.
func (e *Event) placeAll() error {
	places := places{at: make(map[int]string)}
	places.low, places.high = e.span()
	for _, f := range e.Failures {
		places.put(f.Index, "failures")
	}
	for _, x := range e.ExpiredTokens {
		places.put(x.Index, "expired_tokens")
	}
	for _, u := range e.Uncertain {
		places.put(u.Index, "uncertain")
	}
	for _, s := range e.Skipped {
		if len(s.Indexes) == 0 {
			return errors.New("a group of skipped is empty")
		}
		for _, i := range s.Indexes {
			places.put(i, "skipped")
		}
	}
	if e.Retry != nil {
		for _, i := range e.Retry.Indexes {
			places.put(i, "retry")
		}
	}
	// Who was sent may have a canonical id and an accepted one: each list is checked by itself against the others.
	named := maps.Clone(places.at)
	for _, c := range e.CanonicalIDs {
		places.put(c.Index, "canonical_ids")
	}
	places.at = named
	for _, a := range e.Accepted {
		places.put(a.Index, "accepted")
	}
	if len(e.Accepted) > e.Sent {
		return fmt.Errorf("%d accepted ids of only %d sent", len(e.Accepted), e.Sent)
	}
	return places.err
}

// span is the range [low, high) of indexes that the event can name.
func (e *Event) span() (low, high int) {
	switch {
	case e.Segments > 1:
		// Each segment before this one has at least one recipient and at most MaxSegmentRecipients.
		return e.Segment, min((e.Segment+1)*jobs.MaxSegmentRecipients, maxRecipients)
	case e.Requeued:
		// The new start of a retry's recipients: its totals begin again with them, and they stand anywhere in the job.
		return 0, maxRecipients
	case e.Round == 0:
		return 0, e.Recipients
	case e.Totals != nil:
		return 0, e.Totals.Recipients
	}
	return 0, maxRecipients
}

// places remembers where each index was put. The first fault is kept.
type places struct {
	low, high int
	at        map[int]string
	err       error
}

func (p *places) put(index int, where string) {
	if p.err != nil {
		return
	}
	if index < p.low || index >= p.high {
		p.err = fmt.Errorf("%s names index %d, which is not in [%d, %d)", where, index, p.low, p.high)
		return
	}
	if before, twice := p.at[index]; twice {
		p.err = fmt.Errorf("index %d is in %s and in %s", index, before, where)
		return
	}
	p.at[index] = where
}

func (e *Event) checkRetry() error {
	r := e.Retry
	if r == nil {
		return nil
	}
	switch {
	case len(r.Indexes) == 0:
		return errors.New("retry names nobody")
	case r.At.IsZero():
		return errors.New("retry has no time")
	case e.Done:
		return errors.New("the job is done, but recipients go on")
	case r.Groups == nil:
		return nil
	}
	left := make(map[int]bool, len(r.Indexes))
	for _, i := range r.Indexes {
		left[i] = true
	}
	for _, g := range r.Groups {
		for _, i := range g.Indexes {
			if !left[i] {
				return fmt.Errorf("retry groups name index %d, which is not in retry.indexes or in two groups", i)
			}
			delete(left, i)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%d of retry.indexes are in no group", len(left))
	}
	return nil
}

// checkTotals compares the cumulative totals with the event's own.
func (e *Event) checkTotals(own Totals) error {
	t := e.Totals
	if t == nil {
		return nil
	}
	if err := t.check(e.retrying()); err != nil {
		return err
	}
	if e.Round == 0 && *t != own {
		return errors.New("the totals of round 0 are not those of its event")
	}
	if t.Recipients < own.Recipients || t.Sent < own.Sent || t.Failures < own.Failures || t.ExpiredTokens < own.ExpiredTokens ||
		t.CanonicalIDs < own.CanonicalIDs || t.Uncertain < own.Uncertain || t.Skipped < own.Skipped || t.Retries < own.Retries {
		return errors.New("the totals are less than what the event itself has")
	}
	return nil
}
