package pipeline

import (
	"context"
	"fmt"
	"strconv"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// A delivery that kills its worker would do so for ever: the broker only sees that it was not acknowledged, and its delivery count
// is no help (it starts again with the server, and counts what never began). So we count ourselves. A suspicious delivery
// claims its start before anything in it is looked at:
//
//	first suspicious start   together with others, as usual
//	second and third         alone on the worker: a bystander of the real culprit gets through here
//	after that               dead
//
// The claim is dropped when the delivery comes to its end.
const maxAloneStarts = 2

// everybody is the weight of a delivery that runs alone; each other one weighs 1.
const everybody = 1 << 30

// startKey names the message, not the job: what kills the worker may be the decoding itself.
func startKey(d Delivery) string {
	return d.Stream + "." + strconv.FormatUint(d.Sequence, 10) + "." + strconv.FormatInt(d.Stored.UnixMilli(), 36)
}

// start is one counted start of a delivery.
type start struct {
	core  *Core
	key   string
	claim Claim
	// weight is what the start holds of Core.turn.
	weight int64
	// poison says that it must not start again.
	poison bool
}

// begin lets a delivery start: at once, alone, or never again. The start is counted when its turn has come, right before anything is
// done: a worker that dies while the delivery only waits was not killed by it.
func (c *Core) begin(ctx context.Context, d Delivery) (*start, error) {
	s := &start{core: c, weight: 1}
	if d.Suspicious {
		s.key = startKey(d)
	}
	for {
		if err := s.look(ctx); err != nil {
			return nil, fmt.Errorf("looking at the starts of the delivery: %w", err)
		}
		if err := c.turn.Acquire(c.Draining, s.weight); err != nil {
			return nil, errNotBegun
		}
		counted, err := s.count(ctx)
		if err != nil {
			c.turn.Release(s.weight)
			return nil, fmt.Errorf("counting the starts of the delivery: %w", err)
		}
		if counted {
			return s, nil
		}
		c.turn.Release(s.weight) // somebody else counted a start of it meanwhile: look again
	}
}

// look reads what is known of earlier starts, and decides how this one is to run.
func (s *start) look(ctx context.Context) (err error) {
	if s.key == "" {
		return nil
	}
	if s.claim, err = s.core.Claims.Claim(ctx, s.key); err != nil {
		return err
	}
	s.weight = 1
	s.poison = s.claim.Alone >= maxAloneStarts
	if s.claim.Starts > 0 && !s.poison {
		s.weight = everybody
	}
	return nil
}

// count writes down that the delivery starts now, before it does. It answers false if somebody else wrote meanwhile.
func (s *start) count(ctx context.Context) (counted bool, err error) {
	if s.key == "" || s.poison {
		return true, nil
	}
	claim := s.claim
	claim.Starts++
	if s.weight == everybody {
		claim.Alone++
	}
	written, stored, err := s.core.Claims.PutClaim(ctx, s.key, claim)
	if err != nil || !stored {
		return false, err
	}
	s.claim = written
	return true, nil
}

// end lets the others go on. A delivery that came to its end forgets its starts. Any other takes this one back: whatever went wrong,
// the worker is alive to tell.
func (s *start) end(d Disposition) {
	s.core.turn.Release(s.weight)
	if d == Ack {
		s.drop(s.claim.Revision)
		return
	}
	s.takeBack()
}

// takeBack undoes the count of this start.
func (s *start) takeBack() {
	if s.key == "" || s.poison {
		return
	}
	before := s.claim
	before.Starts--
	if s.weight == everybody {
		before.Alone--
	}
	if before.Starts == 0 {
		s.drop(s.claim.Revision)
		return
	}
	ctx, cancel := s.core.lastWords()
	defer cancel()
	if _, _, err := s.core.Claims.PutClaim(ctx, s.key, before); err != nil {
		s.core.Observer.Trouble("taking back a start", err, false)
	}
}

func (s *start) drop(revision uint64) {
	if s.key == "" || revision == 0 {
		return
	}
	ctx, cancel := s.core.lastWords()
	defer cancel()
	if err := s.core.Claims.DropClaim(ctx, s.key, revision); err != nil {
		s.core.Observer.Trouble("forgetting the starts of a delivery", err, false)
	}
}

// poisoned buries a delivery that took its worker with it too often.
func (c *Core) poisoned(ctx context.Context, d Delivery, s *start) error {
	fault := jobs.Fault{Problem: fmt.Sprintf("its worker ended %d times without finishing it, the last %d times with nothing else under way; "+
		"look at the worker's log of these times before you requeue it", s.claim.Starts, s.claim.Alone)}
	h, err := c.identify(d)
	if err != nil {
		return err
	}
	return c.giveUp(ctx, h, results.DeadPoison, jobs.Faults{fault})
}

// buryRest buries what is left of a job whose split was begun: every segment that has no event yet, as a letter of its own. The events
// of the others are followed once more.
func (c *Core) buryRest(ctx context.Context, h held, plan Plan, faults jobs.Faults) error {
	whole, err := h.decoded() // whoever stored the plan had decoded the job: that is not what kills
	if err != nil {
		return fmt.Errorf("the job has a plan: %w", err)
	}
	for i := range plan.Segments() {
		seg := whole.Sub(plan.Bounds, i)
		event, err := c.Events.Find(ctx, eventKey(seg).Subject())
		if err != nil {
			return fmt.Errorf("looking for the event of segment %d: %w", i, err)
		}
		header, body, err := seg.Encode()
		if err != nil {
			return fmt.Errorf("writing segment %d: %w", i, err)
		}
		part := h
		part.unread = false
		part.seg, part.Header, part.Body, part.Subject = seg, header, body, seg.Tail().WorkSubject()
		if event != nil {
			err = c.follow(ctx, part, event) // whoever stored it may have died before it came to what follows
		} else {
			err = c.bury(ctx, part, results.DeadPoison, faults)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// identify makes a segment of a delivery without the decoder that may have killed the worker. A message of PUSH_WORK was
// decoded before, by whoever put it there.
func (c *Core) identify(d Delivery) (held, error) {
	if d.Stream == jobs.StreamWork {
		seg, err := jobs.DecodeSegment(d.Subject, d.Header, d.Body)
		if err != nil {
			return held{}, fmt.Errorf("a work message can't be read: %w", err)
		}
		return held{Delivery: d, seg: seg, follows: d.Sequence}, nil
	}
	platform, lane, ok := jobs.ParseIntakeSubject(d.Subject)
	if !ok {
		return held{}, fmt.Errorf("subject %q is no job subject of this version; a newer worker may know it", d.Subject)
	}
	return held{Delivery: d, seg: unread(d, platform, lane), unread: true}, nil
}

// decoded is the segment with all of its job.
func (h held) decoded() (*jobs.Segment, error) {
	if !h.unread {
		return h.seg, nil
	}
	seg, err := read(h.Delivery, h.seg.Job.Platform, h.seg.Lane)
	if err != nil {
		return nil, fmt.Errorf("job %s can't be decoded: %w", h.seg.JobID, err)
	}
	return seg, nil
}

// unread is the segment of a job of which only the identity is known.
func unread(d Delivery, platform jobs.Platform, lane jobs.Lane) *jobs.Segment {
	job := jobs.Identify(platform, d.Body)
	if job.App == "" {
		job.App = results.UnreadableApp
	}
	return jobs.NewSegment(job, d.Body, lane, first(d.Header, "Nats-Msg-Id"), d.Sequence, d.Stored)
}
