package jobs

import (
	"encoding/json"
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
	// Requeued is set for a dead letter's second life.
	Requeued bool
	// Explicit says that the id was chosen by the publisher (body or Nats-Msg-Id header), not derived.
	Explicit bool
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
}

// Position returns the index in the job's original ids of recipient i of this segment.
func (s *Segment) Position(i int) int {
	if s.Positions == nil {
		return i
	}
	return s.Positions[i]
}
