package queue

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
)

// Schema is the number of the streams' and durables' form that this code makes. It stands in their metadata under
// SchemaKey. Code with a lower number leaves what a higher one made alone.
const Schema = 1

// SchemaKey is the metadata key of the schema number.
const SchemaKey = "volley_schema"

// minServer is the first NATS release with everything asked of it: message schedules came last.
const minServer = "2.12"

// Defaults of Topology, used when a stream or durable is created.
const (
	DefaultAckWait          = 30 * time.Second
	DefaultResultsRetention = 24 * time.Hour
	DefaultDeadRetention    = 30 * 24 * time.Hour
	DefaultJobsSize         = 1 << 30
	DefaultResultsSize      = 1 << 30
	DefaultDeadSize         = 256 << 20
	DefaultStatusSize       = 128 << 20
)

const (
	// claimsSize and controlSize are the buckets' limits; their records are small and few.
	claimsSize  = 64 << 20
	controlSize = 16 << 20
	// statusRetention is how long a job's record is kept after its last change: longer than any deliver_at within reason plus
	// the longest expiration in use.
	statusRetention = 90 * 24 * time.Hour
	// maxAckPending is how many deliveries of a durable all workers together may hold. Below 1,000 it costs throughput; workers
	// pull only what they have slots for, so it is no limit of theirs.
	maxAckPending = 20_000
	// storeShare is the part of the store that the sum of all limits may take, in percent. The rest is for PUSH_WORK, which
	// can't have a limit: a full queue of schedules would have to drop some.
	storeShare = 80
	// clusterReplicas is how many copies a stream has on a cluster.
	clusterReplicas = 3
)

// Topology is the form of the broker's streams as far as it is a matter of settings. A zero field leaves what exists as it is,
// and means the default (Default…) for what has to be created.
type Topology struct {
	// Replicas is how many copies each stream has; the default is 1 on a single server and 3 on a cluster.
	Replicas int
	// AckWait is how long a delivery lasts without a heartbeat.
	AckWait time.Duration
	// ResultsRetention is how long events are kept: guarantees about events hold for that long.
	ResultsRetention time.Duration
	// DeadRetention is how long dead letters are kept.
	DeadRetention time.Duration
	// JobsSize, ResultsSize, DeadSize and StatusSize are limits in bytes. A full PUSH_JOBS refuses publishers, a full PUSH_RESULTS
	// makes workers wait, a full PUSH_DEAD or PUSH_STATUS drops its oldest.
	JobsSize, ResultsSize, DeadSize, StatusSize int64
	// StoreLimit is the size of the store if the caller knows it (an embedded server does); 0 asks the account, which on a
	// server without account limits does not tell: then the server itself refuses what it has no room for.
	StoreLimit int64
}

// streamOf is one row of the table in the design.
type streamOf struct {
	jetstream.StreamConfig
	// sized, aged and copied say that the setting was given, so that it also holds for a stream that exists.
	sized, aged, copied bool
}

// streams is the table: everything that EnsureTopology makes. PUSH_CLAIMS and PUSH_CONTROL are made with the rest although
// little uses them yet, so that the room a broker needs does not grow with a later release.
func (t Topology) streams(maxPayload, replicas int) []streamOf {
	row := func(config jetstream.StreamConfig, size, byDefault int64, age, ageByDefault time.Duration) streamOf {
		config.Storage = jetstream.FileStorage
		config.MaxBytes, config.MaxAge, config.Replicas = or(size, byDefault), or(age, ageByDefault), or(t.Replicas, replicas)
		config.Duplicates = window(config.Duplicates, config.MaxAge)
		config.Metadata = withSchema(nil)
		return streamOf{config, size != 0, age != 0, t.Replicas != 0}
	}
	bucket := func(name, description string, size, byDefault int64, age time.Duration, discard jetstream.DiscardPolicy) streamOf {
		return row(jetstream.StreamConfig{
			Name: bucketStream(name), Description: description, Subjects: []string{bucketSubject(name, ">")},
			// Unlike the libraries' own buckets ours allow deleting a message, without a marker left behind: a claim that is taken back
			// is gone. This could not be allowed later.
			Discard: discard, MaxMsgsPerSubject: 1, AllowRollup: true,
		}, size, byDefault, 0, age)
	}
	var intake []string
	for _, p := range jobs.Platforms() {
		for _, lane := range jobs.Lanes() {
			intake = append(intake, jobs.IntakeSubject(p, lane))
		}
	}
	return []streamOf{
		row(jetstream.StreamConfig{
			Name: jobs.StreamJobs, Description: "Volley: jobs as publishers put them",
			Subjects: intake, Retention: jetstream.WorkQueuePolicy,
			Discard:    jetstream.DiscardNew,                // a full stream is an error the publisher sees
			MaxMsgSize: int32(maxPayload - jobs.JobReserve), //nolint:gosec // a server's max_payload is 64 MiB at most
		}, t.JobsSize, DefaultJobsSize, 0, 0),
		row(jetstream.StreamConfig{
			Name: jobs.StreamWork, Description: "Volley: segments to send, now or later (internal)",
			Subjects: []string{"push.work.>", "push.later.>"}, Retention: jetstream.WorkQueuePolicy,
			// The server refuses DiscardNew together with schedules, and DiscardOld would drop work: so there is no limit.
			AllowMsgSchedules: true,
			AllowRollup:       true, // the server sets it together with schedules; said here so that nothing differs
		}, 0, -1, 0, 0),
		row(jetstream.StreamConfig{
			Name: jobs.StreamResults, Description: "Volley: result events, one per subject",
			Subjects: []string{subjectEvents}, Retention: jetstream.LimitsPolicy,
			Discard: jetstream.DiscardNew, // dropping the oldest would break "stored once within the retention"
			// With > instead of the stars the server sees a loop and refuses.
			RePublish:   &jetstream.RePublish{Source: subjectEvents, Destination: jobs.SubjectResults},
			AllowDirect: true,
		}, t.ResultsSize, DefaultResultsSize, t.ResultsRetention, DefaultResultsRetention),
		row(jetstream.StreamConfig{
			Name: jobs.StreamDead, Description: "Volley: dead letters",
			Subjects: []string{subjectDead + "*.*"}, Retention: jetstream.LimitsPolicy, Duplicates: deadWindow,
		}, t.DeadSize, DefaultDeadSize, t.DeadRetention, DefaultDeadRetention),
		// Without direct reads: a follower's answer may be old. A full bucket drops the oldest records, those of jobs long done;
		// refusing new ones would stop every large job until some are old enough.
		bucket(jobs.BucketStatus, "Volley: progress of jobs with several segments", t.StatusSize, DefaultStatusSize, statusRetention, jetstream.DiscardOld),
		bucket(jobs.BucketClaims, "Volley: starts of segments that must not start twice", 0, claimsSize, statusRetention, jetstream.DiscardNew),
		bucket(jobs.BucketControl, "Volley: pause and cancel", 0, controlSize, 0, jetstream.DiscardNew),
	}
}

// subjectEvents matches every event: push.results.<platform>.<app>.<job>.<segment>.<round>.
const subjectEvents = jobs.SubjectResults + ".*.*.*.*.*"

// window is a duplicate window that the server accepts: not longer than the messages live.
func window(duplicates, age time.Duration) time.Duration {
	if age > 0 {
		return min(duplicates, age)
	}
	return duplicates
}

func or[T int | int64 | time.Duration](given, otherwise T) T {
	if given != 0 {
		return given
	}
	return otherwise
}

// check says what is wrong with the settings themselves.
func (t Topology) check(maxPayload int) error {
	switch {
	case maxPayload < 2*jobs.EventReserve:
		return fmt.Errorf("%w: the server's max_payload is %d bytes; Volley needs %d at least, and 1 MiB is the usual", ErrTopology, maxPayload, 2*jobs.EventReserve)
	case t.Replicas < 0 || t.Replicas > 5:
		return fmt.Errorf("%w: replicas is %d; it is 1 to 5, 3 is right for a cluster", ErrTopology, t.Replicas)
	case t.AckWait < 0, t.ResultsRetention < 0, t.DeadRetention < 0:
		return fmt.Errorf("%w: ack wait and retentions can't be negative", ErrTopology)
	case t.JobsSize < 0, t.ResultsSize < 0, t.DeadSize < 0, t.StatusSize < 0, t.StoreLimit < 0:
		return fmt.Errorf("%w: sizes can't be negative", ErrTopology)
	}
	return nil
}

// over lays what we need over what the broker has. Settings that were not given stay as they are.
func (s streamOf) over(have jetstream.StreamConfig) jetstream.StreamConfig {
	merged := have
	merged.Description, merged.Subjects, merged.Retention, merged.Discard = s.Description, s.Subjects, s.Retention, s.Discard
	merged.MaxMsgsPerSubject, merged.MaxMsgSize = s.MaxMsgsPerSubject, s.MaxMsgSize
	merged.AllowRollup, merged.AllowDirect, merged.DenyDelete = s.AllowRollup, s.AllowDirect, s.DenyDelete
	merged.RePublish, merged.AllowMsgSchedules, merged.Storage = s.RePublish, s.AllowMsgSchedules, s.Storage
	// The server fills in its own words for "not set".
	if s.MaxMsgsPerSubject == 0 && have.MaxMsgsPerSubject < 0 {
		merged.MaxMsgsPerSubject = have.MaxMsgsPerSubject
	}
	if s.MaxMsgSize == 0 && have.MaxMsgSize < 0 {
		merged.MaxMsgSize = have.MaxMsgSize
	}
	if s.Duplicates != 0 {
		merged.Duplicates = s.Duplicates
	}
	if s.sized {
		merged.MaxBytes = s.MaxBytes
	}
	if s.aged {
		merged.MaxAge = s.MaxAge
	}
	merged.Duplicates = window(merged.Duplicates, merged.MaxAge)
	if s.copied {
		merged.Replicas = s.Replicas
	}
	merged.Metadata = withSchema(have.Metadata)
	return merged
}

// Room is how many bytes a store must offer for the limits of all streams of a single server.
func (t Topology) Room() int64 {
	var sum int64
	for _, s := range t.streams(1<<20, 1) {
		sum += max(s.MaxBytes, 0)
	}
	return sum * 100 / storeShare
}
