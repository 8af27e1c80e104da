package jobs

import (
	"encoding/json"
	"strconv"
	"time"
)

// Segment is the unit of sending: at most MaxSegmentRecipients recipients of one job at one round. It is sent,
// committed and acknowledged as a whole. Job.IDs holds the recipients of this segment only; Positions says where
// each stands in the job's original ids.
type Segment struct {
	Job *Job
	// JobID is the resolved id, never "".
	JobID string
	Lane  Lane
	// Number is the segment's number from 0; Whole is set for a job that is not split (yet), which then has Number 0.
	Number int
	Whole  bool
	// Segments is how many segments the job has; 1 for an unsplit job.
	Segments int
	// Round is the serial number of this segment's events, from 0.
	Round int
	// Positions are the indexes in the job's original ids, parallel to Job.IDs, ascending; nil means 0…n-1.
	Positions []int
	// Tries says, parallel to Positions, what earlier rounds did to each recipient; nil means nothing.
	Tries []Try
	// Total is how many recipients the whole job has.
	Total int
	// Published is when the broker stored the job in PUSH_JOBS: expiration and time_to_live count from it (or from DeliverAt).
	Published time.Time
	// Fingerprint is that of the job's original bytes.
	Fingerprint string
	// Requeued is set for a dead letter's second life, Requeues counts how many it had.
	Requeued bool
	Requeues int
	// Explicit says that the id was chosen by the publisher (body or Nats-Msg-Id header), not derived.
	Explicit bool
	// Begun says that somebody may have begun to send this round and did not tell what became of it: nobody in it is certainly
	// unsent any more.
	Begun bool
	// Prior is what the earlier rounds of this segment add up to, as JSON that means nothing to this package; nil in round 0.
	// Encode carries it in the Volley-Prior header and DecodeSegment gives it back as it was.
	Prior json.RawMessage
	// Body is the message's bytes as they were delivered, for the dead letter.
	Body []byte
}

// Try is what earlier rounds did to one recipient.
type Try struct {
	// Attempts counts transient answers that the recipient itself got.
	Attempts int
	// NotBefore is when it may be tried again; zero means now.
	NotBefore time.Time
	// Reason and Status are the last answer: what a recipient that runs out of time fails with. "" and 0 if there was none.
	Reason string
	Status int
}

// NewSegment makes the segment of a whole job as it came from PUSH_JOBS: body is what Decode made the job of, and is kept; msgID is its
// Nats-Msg-Id header ("" if none), sequence and stored are where and when the broker stored it.
func NewSegment(j *Job, body []byte, lane Lane, msgID string, sequence uint64, stored time.Time) *Segment {
	id, explicit := ResolveID(j.ID, msgID, sequence, stored)
	return &Segment{
		Job: j, JobID: id, Lane: lane, Whole: true, Segments: 1, Total: j.Recipients(),
		Published: stored, Fingerprint: Fingerprint(body), Explicit: explicit, Body: body,
	}
}

// Sub returns segment i of a split of this whole job: its recipients from bounds[i] to bounds[i+1]. bounds are ascending
// positions in the job's ids, the first 0 and the last their number; see Split.
func (s *Segment) Sub(bounds []int, i int) *Segment {
	from, to := bounds[i], bounds[i+1]
	job := *s.Job
	job.IDs = s.Job.IDs[from:to:to]
	if job.Vars != nil {
		job.Vars = s.Job.Vars[from:to:to]
	}
	sub := *s
	sub.Job, sub.Whole, sub.Number, sub.Segments, sub.Begun, sub.Body = &job, false, i, len(bounds)-1, false, nil
	sub.Positions = make([]int, to-from)
	for k := range sub.Positions {
		sub.Positions[k] = s.Position(from + k)
	}
	if s.Tries != nil {
		sub.Tries = s.Tries[from:to:to]
	}
	return &sub
}

// Tail returns the segment's place in subjects.
func (s *Segment) Tail() Tail {
	tail := Tail{
		Platform: s.Job.Platform, App: s.Job.App, Lane: s.Lane, Job: s.JobID, Segment: SegmentAll, Round: s.Round,
	}
	if !s.Whole {
		tail.Segment = strconv.Itoa(s.Number)
	}
	return tail
}

// Position returns the index in the job's original ids of recipient i of this segment.
func (s *Segment) Position(i int) int {
	if s.Positions == nil {
		return i
	}
	return s.Positions[i]
}
