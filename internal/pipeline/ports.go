package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// Delivery is one message as the broker handed it over.
type Delivery struct {
	// Stream is jobs.StreamJobs or jobs.StreamWork.
	Stream  string
	Subject string
	Header  map[string][]string
	Body    []byte
	// Sequence is the message's sequence in Stream, Stored when the broker stored it (its clock).
	Sequence uint64
	Stored   time.Time
	// Suspicious says that somebody else may have begun with it: it was redelivered, or it is older than our connection.
	Suspicious bool
	// Begun says that the broker has handed it out before: somebody may have sent a part of it without telling.
	Begun bool
	// Forsaken says that nobody has had the message's app for the grace, as far as this worker knows.
	Forsaken bool
	// Held says whether the delivery is still ours: our last heartbeat on a working connection is younger than the ack wait. Ask
	// before each write to a provider. nil (in tests) means always. It is safe for concurrent use.
	Held func() bool
}

// Disposition is what to tell the broker about a delivery.
type Disposition uint8

const (
	// Leave says nothing: the delivery comes back after the ack wait. It is the zero value, because it is always safe.
	Leave Disposition = iota
	// Ack takes the message off the queue.
	Ack
	// GiveBack returns a delivery of which nothing was begun, at once.
	GiveBack
)

// ErrStale says that the broker may have given the delivery to somebody else meanwhile.
var ErrStale = errors.New("the delivery's lease is over")

// ErrRefused says that what was to be stored is certainly not stored and never will be as it is: it is too large.
var ErrRefused = errors.New("the broker refuses it")

// ErrCrowded says that work of too many apps that nobody has waits already.
var ErrCrowded = errors.New("work of too many apps that nobody has waits already")

// Events is the store of result events: one per subject, for ever.
type Events interface {
	// Commit stores the event on its own subject if nothing is stored there. It returns nil if the event is stored now, or
	// the event that was there before. An error means that the outcome is not known; committing the same event again is safe.
	Commit(ctx context.Context, event *results.Event) (earlier *results.Event, err error)
	// CommitAll does Commit for each of the events, at one time.
	CommitAll(ctx context.Context, events []*results.Event) []Commitment
	// Find returns the event stored on the subject, or nil if there certainly is none.
	Find(ctx context.Context, subject string) (*results.Event, error)
	// Absent does Find for each of the subjects at one time, and says of which there certainly is none. The others are to be
	// looked for again, one by one.
	Absent(ctx context.Context, subjects []string) []bool
}

// Commitment is what Events.Commit returns.
type Commitment struct {
	Earlier *results.Event
	Err     error
}

// Work is the internal queue of segments.
type Work interface {
	// Put stores the segment as runnable work, or as a schedule if due is later than now. after is the sequence of the copy
	// that the caller itself holds, 0 if it holds none. stored is false if another copy of the segment is alive: leave it alone.
	Put(ctx context.Context, segment *jobs.Segment, due time.Time, after uint64) (stored bool, err error)
	// Hold is Put of a schedule for a segment that is paused: withdrawing the pause turns it into work before its time.
	Hold(ctx context.Context, segment *jobs.Segment, until time.Time, after uint64) (stored bool, err error)
	// Hasten turns the schedule of the segment into work at once, if there is one.
	Hasten(ctx context.Context, segment *jobs.Segment) error
	// Shelter sees to it that work of an app that this worker does not have is found by whoever looks after it. ErrCrowded says that there
	// is too much of that kind. Call it before and after such work is put there.
	Shelter(ctx context.Context, platform jobs.Platform, app string, lane jobs.Lane) error
	// Parked says how much of the app there is, whoever put it there. It is asked now and then, not for each message.
	Parked(ctx context.Context, platform jobs.Platform, app string) (Parked, error)
	// Newer says whether a newer copy of the work message with this subject and sequence waits.
	Newer(ctx context.Context, subject string, sequence uint64) (bool, error)
	// NoNewer does Newer for each of the deliveries at one time, and says of which there certainly is no newer copy. The others are to be
	// looked for again, one by one.
	NoNewer(ctx context.Context, deliveries []Delivery) []bool
	// Living returns the fingerprint of the living copy of the segment, "" if there certainly is none.
	Living(ctx context.Context, segment *jobs.Segment) (fingerprint string, err error)
}

// Plan is how a job was split, created before its first segment is published and followed by whoever finds it.
type Plan struct {
	Fingerprint string `json:"fingerprint"`
	Campaign    string `json:"campaign,omitempty"`
	// Bounds has one more entry than there are segments: segment i is the ids [Bounds[i], Bounds[i+1]).
	Bounds []int `json:"bounds"`
	// Round is the whole job's round: a requeued job is split anew.
	Round int `json:"round,omitempty"`
	// Dead says that the job was given up before it was split: nobody may split it in this round any more.
	Dead bool `json:"dead,omitempty"`
}

// Segments is how many segments the plan has.
func (p Plan) Segments() int { return len(p.Bounds) - 1 }

// Progress is the status record of a job with several segments.
type Progress struct {
	// Settled and Segments count segments; the job is done when they are equal.
	Settled, Segments int
	Totals            results.Totals
}

// Status keeps one record per job with several segments.
type Status interface {
	// Plan creates the job's plan, or returns the one that exists of the same round or a later one.
	Plan(ctx context.Context, platform jobs.Platform, app, job string, plan Plan) (Plan, error)
	// FindPlan returns the job's plan; one without Bounds if there certainly is none.
	FindPlan(ctx context.Context, platform jobs.Platform, app, job string) (Plan, error)
	// NoPlans says for each of the segments whether its job certainly has no plan. The others are to be looked for again, one by one.
	NoPlans(ctx context.Context, segments []*jobs.Segment) []bool
	// Settle adds the totals of a settled segment, once however often it is called, and returns the record after it.
	Settle(ctx context.Context, event *results.Event) (Progress, error)
}

// Claim is what is known of the starts of one delivery, or of who sends a segment at most once.
type Claim struct {
	// Starts counts starts of a suspicious delivery, Alone those of them that ran alone on their worker.
	Starts int `json:"starts,omitempty"`
	Alone  int `json:"alone,omitempty"`
	// Owner is who claimed a segment that is sent at most once: worker and nonce.
	Owner string `json:"owner,omitempty"`
	// Revision is the record's revision; 0 for none.
	Revision uint64 `json:"-"`
}

// Claims keeps claims by key.
type Claims interface {
	// Claim reads the record of the key; a zero Claim if there certainly is none.
	Claim(ctx context.Context, key string) (Claim, error)
	// PutClaim writes the record if it still is at claim.Revision and returns it with its new revision; stored is false if
	// somebody else wrote it meanwhile. An error means that the outcome is not known.
	PutClaim(ctx context.Context, key string, claim Claim) (written Claim, stored bool, err error)
	// DropClaim removes the record at that revision. That it is gone already is no error.
	DropClaim(ctx context.Context, key string, revision uint64) error
}

// Letter is a dead letter.
type Letter struct {
	Platform jobs.Platform
	// App is "_" if the job's app could not be read.
	App string
	// Subject is where the message was taken from: it names the lane and, on PUSH_WORK, the segment.
	Subject string
	// Published is when the broker stored the job in PUSH_JOBS: expiration and time_to_live still count from it when the letter
	// is requeued.
	Published time.Time
	Header    map[string][]string
	Body      []byte
	// Event is the event that was committed for it.
	Event *results.Event
}

// Dead stores dead letters.
type Dead interface {
	// Bury stores the letter. Burying the same one again (same event id) is harmless.
	Bury(ctx context.Context, letter Letter) error
}

// Apps knows the configured apps.
type Apps interface {
	// App returns the app, or false if it has no credentials for the platform.
	App(platform jobs.Platform, name string) (App, bool)
	// Known lists the names of the platform's apps in order.
	Known(platform jobs.Platform) []string
}

// App is one app's credentials and connections for one platform. It is safe for concurrent use.
type App interface {
	// Prepare renders what all recipients share. A jobs.Faults error says that the job can't be sent as it is.
	Prepare(segment *jobs.Segment) (Batch, error)
	// SendEach does Batch.Send for batches of this app that have one recipient each, together. out[i] is the outcome of batches[i].
	SendEach(ctx context.Context, batches []Batch, proceed func() bool, out []sender.Outcome)
	// Reason returns the row of the platform's table with that name, for a failure whose answer came in an earlier round.
	Reason(name string) *sender.Reason
	MaxAttempts() int
	// Backlog is about how many bytes of the app may wait on PUSH_WORK when a publisher's job comes; 0 is no limit.
	Backlog() int64
	// Project names what the app shares with others of the same name at its provider: a quota that is exceeded is exceeded for all of
	// them. "" is for an app that shares nothing.
	Project() string
	// Explain says in one sentence what an answer that concerns the whole app means and what to do about it, naming the
	// credential but never a secret.
	Explain(reason *sender.Reason) string
	// Rated says that the app has a rate of its own, so that sendings of it may wait.
	Rated() bool
	// MessageIDs says whether events name the provider's ids of accepted recipients.
	MessageIDs() bool
}

// Batch is one prepared segment.
type Batch interface {
	// Deadline is when the provider should no longer be asked; zero for a job that is sent once and never retried.
	Deadline() time.Time
	// Book takes room under the app's own rate for all recipients, if there is that much now: then the next Send does not wait for it.
	// Without a rate it answers true.
	Book() bool
	// Send sends to recipient i of the segment for each i in recipients and sets out[i] for each of them. It returns when every
	// one has its outcome; a cancelled context makes the rest sender.Unsent or sender.Uncertain. proceed is asked before each
	// write to the provider; once it answers false the rest is sender.Unsent.
	Send(ctx context.Context, recipients []int, proceed func() bool, out []sender.Outcome)
}

// Clock tells the broker's time.
type Clock interface{ Now() time.Time }
