package queue

import (
	"time"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// State is how far a job is.
type State string

// The states.
const (
	// StateUnknown is a job of which nothing is left, or that never was.
	StateUnknown State = "unknown"
	// StateQueued waits for a worker to take it.
	StateQueued State = "queued"
	// StateScheduled waits for its deliver_at.
	StateScheduled State = "scheduled"
	StateRunning   State = "running"
	StatePaused    State = "paused"
	// StateCancelled has an end that people ordered; Left says how many have not been told of yet.
	StateCancelled State = "cancelled"
	StateDone      State = "done"
	// StateDead is a dead letter.
	StateDead State = "dead"
)

// JobState is one job as its traces at the broker show it.
type JobState struct {
	Platform jobs.Platform `json:"platform"`
	App      string        `json:"app"`
	Job      string        `json:"job"`
	Campaign string        `json:"campaign,omitempty"`
	Lane     jobs.Lane     `json:"lane,omitempty"`
	State    State         `json:"state"`
	Progress
	// DeliverAt is when a scheduled job begins.
	DeliverAt time.Time `json:"deliver_at,omitzero"`
	// Published is when the job was stored; zero if no trace says so.
	Published time.Time `json:"published,omitzero"`

	record         *record
	recorded       bool // record was looked for
	ended, dead    bool
	cancelled      bool // somebody was skipped for that
	queued, before bool // on PUSH_JOBS; waits for deliver_at
	held           int
	// total is how many recipients the job has as far as anything says so, told how many its events are about.
	total, told int
	waits       bool // something of it is on PUSH_WORK
}

// Progress is how far a job or a campaign is.
type Progress struct {
	// Segments is how many there are, SegmentsDone how many have told of everybody in them.
	Segments     int `json:"segments"`
	SegmentsDone int `json:"segments_done"`
	// Totals are of what is told. Recipients is how many there are altogether, Left how many have no final place yet, Retrying how many of those
	// wait for another try.
	Totals   results.Totals `json:"totals"`
	Left     int            `json:"left"`
	Retrying int            `json:"retrying"`
	// PerSecond is how many recipients got their final place in each of the last ten seconds.
	PerSecond float64 `json:"per_second"`
	// First and Last are the times of the first and the last event.
	First time.Time `json:"first_at,omitzero"`
	Last  time.Time `json:"last_at,omitzero"`

	pace pace
}

// add counts an event.
func (j *JobState) add(e *results.Event) {
	if j.Campaign == "" {
		j.Campaign = e.Campaign
	}
	j.Segments = max(j.Segments, e.Segments)
	if j.First.IsZero() || e.At.Before(j.First) {
		j.First = e.At
	}
	if e.At.After(j.Last) {
		j.Last = e.At
	}
	if e.Kind == results.KindJobDone {
		j.ended = true
		return
	}
	if e.Kind != results.KindSegment && e.Kind != results.KindDead {
		return
	}
	again := beginsAgain(e)
	if again { // they are not counted as dead any more
		skipped := min(j.Totals.Skipped, e.Recipients)
		j.Totals.Skipped -= skipped
		j.Totals.Uncertain -= min(j.Totals.Uncertain, e.Recipients-skipped)
		j.SegmentsDone = max(j.SegmentsDone-1, 0)
	}
	for _, skipped := range e.Skipped {
		j.cancelled = j.cancelled || skipped.Why == results.SkippedCancelled
	}
	settled := j.Totals.Settled()
	j.Totals.Add(e)
	if e.Round == 0 {
		j.told += e.Recipients
	} else if !again {
		j.Retrying -= min(j.Retrying, e.Recipients)
	}
	j.Retrying += retrying(e)
	if e.Retry == nil {
		j.SegmentsDone++
	}
	j.pace.add(e.At, j.Totals.Settled()-settled)
	j.ended = e.Done || j.ended && !e.Requeued
	j.dead = e.Kind == results.KindDead && e.Done
}

// beginsAgain says whether the event is the first of a dead letter's new start: its totals are of nothing else.
func beginsAgain(e *results.Event) bool {
	var own results.Totals
	own.Add(e)
	return e.Requeued && e.Totals != nil && *e.Totals == own
}

func retrying(e *results.Event) int {
	if e.Retry == nil {
		return 0
	}
	return len(e.Retry.Indexes)
}

// wait counts a message of PUSH_WORK.
func (j *JobState) wait(w *Waiting) {
	if j.Campaign == "" {
		j.Campaign = w.Campaign
	}
	j.Lane, j.Published = w.Tail.Lane, w.Published
	whole := w.Tail.Segment == jobs.SegmentAll
	switch {
	case w.Held:
		j.held++
	case whole && !w.Due.IsZero():
		j.before, j.DeliverAt = true, w.Due
	}
	j.known(w.Total)
	if j.Segments == 0 && whole {
		j.Segments = 1
	}
	j.queued, j.waits = false, true
}

// known notes how many recipients the job has.
func (j *JobState) known(total int) { j.total = max(j.total, total) }

// settle works out what follows from the traces.
func (j *JobState) settle(orders *pipeline.Orders, now time.Time) {
	if r := j.record; r != nil && r.Segments > 0 {
		j.Segments = r.Segments
		if bounds := r.Plan.Bounds; len(bounds) > 0 {
			j.known(bounds[len(bounds)-1])
		}
		if r.Totals.Settled() > j.Totals.Settled() { // its events are not kept any more
			j.Totals, j.SegmentsDone = r.Totals, r.settled()
			j.known(r.Totals.Recipients)
		}
		j.ended = j.ended || r.settled() == r.Segments
		if j.Campaign == "" {
			j.Campaign = r.Plan.Campaign
		}
	}
	j.Totals.Recipients = max(j.total, j.told)
	j.Left = max(j.Totals.Recipients-j.Totals.Settled(), 0)
	j.PerSecond = j.pace.rate(now)
	scope := pipeline.Scope{Platform: j.Platform, App: j.App, Lane: j.Lane, Campaign: j.Campaign, Job: j.Job}
	cancelled := orders.Of(pipeline.OrderCancel, scope, j.stored()) != nil
	switch {
	case j.dead:
		j.State = StateDead
	case j.ended && j.cancelled:
		j.State = StateCancelled
	case j.ended:
		j.State = StateDone
	case cancelled:
		j.State = StateCancelled
	case j.held > 0 || orders.Of(pipeline.OrderPause, scope, j.stored()) != nil:
		j.State = StatePaused
	case j.before && j.First.IsZero():
		j.State = StateScheduled
	case j.queued:
		j.State = StateQueued
	case j.waits || !j.First.IsZero() || j.record != nil && j.record.Segments > 0:
		j.State = StateRunning
	default:
		j.State = StateUnknown
	}
}

// stored is when the job was stored, or the earliest that is known.
func (j *JobState) stored() time.Time {
	if j.Published.IsZero() {
		return j.First
	}
	return j.Published
}

// latest is when something was last heard of the job.
func (j *JobState) latest() time.Time {
	if j.Last.After(j.Published) {
		return j.Last
	}
	return j.Published
}
