package dash

import (
	"context"
	"errors"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// ErrAbsent says that what a page is about is not there (any more).
var ErrAbsent = errors.New("it is not there")

// ErrRefused says that what somebody asked for is not done, and why; nothing has changed.
var ErrRefused = errors.New("it is not done")

// Bus carries what workers tell each other, on core NATS: nothing is kept.
type Bus interface {
	// Tell sends to everybody who hears the subject now, Hear listens to it until stop is called.
	Tell(subject string, body []byte) error
	Hear(subject string, hear func(body []byte)) (stop func(), err error)
	// Ask asks one of those who serve the subject; an error says that there was no answer.
	Ask(ctx context.Context, subject string, body []byte) ([]byte, error)
	Serve(subject string, answer func(body []byte) []byte) (stop func(), err error)
}

// Broker is what the pages read from the broker, and what people change there. All of it is safe for concurrent use.
type Broker interface {
	// Backlog is what the broker last said of what waits; false if it has not said anything for too long.
	Backlog() (Backlog, bool)
	// Waiting is what the broker last said of the jobs that lie in the queues; false if it has not said anything for too long. WaitingJob looks for one
	// of them now; nil if it is not among the first ones.
	Waiting() (Waiting, bool)
	WaitingJob(ctx context.Context, job JobKey) (*WaitingJob, error)
	// Follow calls fn with the last stored events, and then with each that is stored, in order, until the context ends.
	Follow(ctx context.Context, last int, fn func(*results.Event) error) error
	// Event loads a stored event by its subject; nil if it is not there any more.
	Event(ctx context.Context, subject string) (*results.Event, error)
	// JobEvents calls fn with the stored events of a job, oldest first.
	JobEvents(ctx context.Context, job JobKey, fn func(*results.Event) error) error
	// JobsByID lists the platforms and apps of which events with that job id are stored.
	JobsByID(ctx context.Context, id string) ([]JobKey, error)
	// Letters returns dead letters, newest first, without bodies; more is what to ask before for the next ones, 0 at the end.
	Letters(ctx context.Context, q LetterQuery) (letters []Letter, more uint64, err error)
	// Letter loads one, or ErrAbsent.
	Letter(ctx context.Context, sequence uint64) (*Letter, error)
	// Requeue gives a letter a new start and says as what; Drop deletes it. Errors are ErrAbsent and ErrRefused, with the reason.
	Requeue(ctx context.Context, sequence uint64, resendUncertain bool) (string, error)
	Drop(ctx context.Context, sequence uint64) error
}

// Control is what people order. All of it is safe for concurrent use.
type Control interface {
	// Orders lists what people have ordered and is in force. Pause and Cancel order something, Resume takes back every pause within the
	// scope and says how many. ErrRefused says why not.
	Orders(ctx context.Context) ([]Order, error)
	Pause(ctx context.Context, scope Scope) error
	Resume(ctx context.Context, scope Scope) (int, error)
	Cancel(ctx context.Context, scope Scope) error
}

// Scope says for which jobs an order holds. An empty field chooses all.
type Scope struct {
	Platform jobs.Platform
	App      string
	Lane     jobs.Lane
	Campaign string
	Job      string
}

// Order is a pause or a cancel that is in force.
type Order struct {
	// Kind is "pause" or "cancel".
	Kind string
	Scope
	At time.Time
}

// JobKey is the identity of a job.
type JobKey struct {
	Platform jobs.Platform
	App, Job string
}

// Backlog is what waits at the broker.
type Backlog struct {
	// At is when the broker was asked.
	At     time.Time
	Queues []Queue
	// Letters is how many dead letters there are.
	Letters int
}

// Queue is what waits for one durable.
type Queue struct {
	Platform jobs.Platform
	// App is "" for jobs as they were published: those of all apps wait together.
	App               string
	Lane              jobs.Lane
	Waiting, InFlight int
	// Age is how old the oldest of them is; 0 for none.
	Age time.Duration
}

// Waiting are the jobs that lie in the queues, as far as one look takes them in.
type Waiting struct {
	Jobs []WaitingJob
	// Partial says that there are more.
	Partial bool
}

// WaitingJob is a job that lies in the queues, whole or in parts.
type WaitingJob struct {
	JobKey
	Campaign string
	Lane     jobs.Lane
	// State is "queued", "scheduled", "paused", "cancelled" or "running".
	State string
	// Recipients is how many the whole job has.
	Recipients int
	// Published is when it was stored, DeliverAt when a scheduled one begins.
	Published, DeliverAt time.Time
}

// LetterQuery chooses dead letters; empty fields choose all.
type LetterQuery struct {
	Platform         jobs.Platform
	App, Reason, Job string
	// Before leaves out that letter and all that are newer; 0 leaves out none. Limit is how many at most.
	Before uint64
	Limit  int
}

// Letter is a dead letter.
type Letter struct {
	Sequence uint64
	Stored   time.Time
	Platform jobs.Platform
	// App is "_" if it could not be read.
	App                          string
	Reason, Event, Job, Campaign string
	Subject                      string
	Published                    time.Time
	Recipients, Uncertain        int
	Requeues                     int
	Faults                       []jobs.Fault
	Header                       map[string][]string
	Size                         int
	// Body is nil in a list.
	Body []byte
}
