package results

import (
	"time"

	"github.com/volleypush/volley/jobs"
)

// Version is the "v" of the events this code writes. A reader leaves events of a newer version to a newer reader.
const Version = 1

// Kind is the kind of an event.
type Kind string

// The kinds.
const (
	KindSegment      Kind = "segment"
	KindJobDone      Kind = "job_done"
	KindDead         Kind = "dead"
	KindDuplicateJob Kind = "duplicate_job"
	KindCredential   Kind = "credential"
	KindProvider     Kind = "provider"
	// KindFeedback is a part of the list of Apple's feedback service: its expired_tokens belong to no job, and their index is the
	// position in the list.
	KindFeedback Kind = "feedback"
)

// Action is the closed vocabulary of what a machine should do about a failure.
type Action string

// The actions.
const (
	ActionDeleteToken      Action = "delete_token"
	ActionCheckEnvironment Action = "check_environment"
	ActionFixCredential    Action = "fix_credential"
	ActionFixPayload       Action = "fix_payload"
	ActionSlowDown         Action = "slow_down"
	ActionRetry            Action = "retry"
	ActionNone             Action = "none"
)

// Code is the reference's error code: an APNs number or a GCM string. In JSON an all-digit code is a number, any
// other a string, the empty one absent.
type Code string

// Why says why a recipient was certainly never sent.
type Why string

// The reasons of skipped recipients.
const (
	SkippedExpired   Why = "expired"
	SkippedCancelled Why = "cancelled"
	SkippedDead      Why = "dead"
)

// Event is one result event. Which fields are set depends on Kind; see DESIGN and api/result.schema.json.
type Event struct {
	V        int           `json:"v"`
	Kind     Kind          `json:"kind"`
	ID       string        `json:"id"`
	Platform jobs.Platform `json:"platform"`
	App      string        `json:"app"`
	Job      string        `json:"job,omitempty"`
	Campaign string        `json:"campaign,omitempty"`
	// Segment is the number of the segment from 0, Segments how many the job has.
	Segment  int `json:"segment"`
	Segments int `json:"segments,omitempty"`
	// Round is the serial number of the segment's events, from 0; for KindDuplicateJob the duplicate's sequence in PUSH_JOBS; for
	// KindFeedback the number of the part.
	Round int `json:"round"`
	// Attempt is the highest attempt number any recipient of this round is at, from 1.
	Attempt int `json:"attempt,omitempty"`
	// Recipients is how many the event accounts for, once each: see Balanced. For KindJobDone it is the job's number.
	Recipients int `json:"recipients"`

	Sent          int            `json:"sent"`
	Failures      []Failure      `json:"failures"`
	ExpiredTokens []ExpiredToken `json:"expired_tokens"`
	CanonicalIDs  []CanonicalID  `json:"canonical_ids"`
	Uncertain     []Uncertain    `json:"uncertain"`
	Skipped       []Skipped      `json:"skipped"`
	Retry         *Retry         `json:"retry,omitempty"`
	// Accepted names accepted recipients' provider ids; only with the app setting message_ids.
	Accepted []AcceptedID `json:"accepted,omitempty"`

	// Done is set on the last event of a single-segment job.
	Done bool `json:"done,omitempty"`
	// Totals are cumulative over a segment's rounds; over the whole job in a job_done event.
	Totals   *Totals `json:"totals,omitempty"`
	Requeued bool    `json:"requeued,omitempty"`

	// Dead describes the dead letter of a KindDead event.
	Dead *Dead `json:"dead,omitempty"`
	// State and Detail belong to credential and provider events; Detail is one sentence with the remedy.
	State  string `json:"state,omitempty"`
	Detail string `json:"detail,omitempty"`

	// Reading is the id of one reading of the feedback service's list; its parts share it.
	Reading string `json:"reading,omitempty"`

	Fingerprint string    `json:"fingerprint,omitempty"`
	At          time.Time `json:"at"`
	Worker      string    `json:"worker"`
}

// Failure is one recipient that failed for good.
type Failure struct {
	Index       int    `json:"index"`
	Token       string `json:"token"`
	Error       string `json:"error"`
	Code        Code   `json:"code,omitempty"`
	Reason      string `json:"reason"`
	Status      int    `json:"status,omitempty"`
	Description string `json:"description,omitempty"`
	Action      Action `json:"action"`
}

// ExpiredToken is a recipient that the provider says is gone: a failure with a time.
type ExpiredToken struct {
	Failure
	// Timestamp (epoch seconds) and TimestampMS are when the provider learned of it; 0 where the provider does not say.
	Timestamp   int64 `json:"timestamp,omitempty"`
	TimestampMS int64 `json:"timestamp_ms,omitempty"`
}

// CanonicalID says that a registration ID was accepted and has a newer one.
type CanonicalID struct {
	Index int    `json:"index"`
	OldID string `json:"old_id"`
	NewID string `json:"new_id"`
}

// Uncertain is a recipient that may or may not have been reached.
type Uncertain struct {
	Index  int    `json:"index"`
	Token  string `json:"token"`
	Reason string `json:"reason"`
}

// Skipped is a group of recipients that were certainly never sent.
type Skipped struct {
	Indexes jobs.Indexes `json:"indexes"`
	Why     Why          `json:"why"`
}

// AcceptedID is the provider's id of one accepted recipient.
type AcceptedID struct {
	Index int    `json:"index"`
	ID    string `json:"id"`
}

// Retry names who goes on in the next round. The retry segment is built from it, never from memory.
type Retry struct {
	// At is when the next round is due.
	At      time.Time    `json:"at"`
	Indexes jobs.Indexes `json:"indexes"`
	// Groups splits Indexes by what the next round has to know of each: attempts so far and the earliest time.
	Groups []RetryGroup `json:"groups,omitempty"`
}

// RetryGroup is some of a retry's recipients that share attempts, due time and last answer.
type RetryGroup struct {
	Indexes   jobs.Indexes `json:"indexes"`
	Attempts  int          `json:"attempts"`
	NotBefore time.Time    `json:"not_before,omitzero"`
	// Reason and Status are the last answer, which the recipients fail with if nothing better comes; "" and 0 if there was none.
	Reason string `json:"reason,omitempty"`
	Status int    `json:"status,omitempty"`
}

// Dead describes a dead letter.
type Dead struct {
	// Reason is one of DeadReasons.
	Reason string `json:"reason"`
	// Faults are all faults of an invalid job.
	Faults []jobs.Fault `json:"faults,omitempty"`
	// Stream and Sequence say where the message was taken from.
	Stream   string `json:"stream,omitempty"`
	Sequence uint64 `json:"sequence,omitempty"`
}

// Totals are sums over rounds (of a segment) or over segments (of a job); see Totals.Add.
type Totals struct {
	// Recipients counts each recipient once, from its first round on.
	Recipients    int `json:"recipients"`
	Sent          int `json:"sent"`
	Failures      int `json:"failures"`
	ExpiredTokens int `json:"expired_tokens"`
	CanonicalIDs  int `json:"canonical_ids"`
	Uncertain     int `json:"uncertain"`
	Skipped       int `json:"skipped"`
	// Retries counts recipients handed to a later round, added up over all rounds.
	Retries int `json:"retries"`
}
