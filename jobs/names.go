package jobs

// Names that are public contract: streams, buckets and the prefix of result subjects. Durable names and subjects
// are built by the functions in subject.go.
const (
	StreamJobs    = "PUSH_JOBS"
	StreamWork    = "PUSH_WORK"
	StreamResults = "PUSH_RESULTS"
	StreamDead    = "PUSH_DEAD"
	BucketStatus  = "PUSH_STATUS"
	BucketClaims  = "PUSH_CLAIMS"
	BucketControl = "PUSH_CONTROL"

	// SubjectResults is where the server re-publishes every stored event for core NATS subscribers.
	SubjectResults = "push.results"
)

// Limits of the contract. Each is tested at the limit and at the limit + 1.
const (
	// MaxSegmentRecipients is the most recipients one segment has.
	MaxSegmentRecipients = 1000
	// JobReserve is what MaxMsgSize of PUSH_JOBS leaves of the server's max payload: room for headers when a job is parked.
	JobReserve = 64 << 10
	// EventReserve is what a segment leaves of the max payload, so that its event fits even when all its recipients fail.
	EventReserve = 128 << 10
	// EventPerRecipient is the most an event needs for one failed recipient beside twice its id.
	EventPerRecipient = 400
	// MaxTokenBytes is the longest device token, decoded.
	MaxTokenBytes = 100
	// MaxRegistrationIDBytes is the longest registration ID.
	MaxRegistrationIDBytes = 4096
	// MaxTimeToLive is GCM's longest time_to_live in seconds.
	MaxTimeToLive = 2_419_200
	// DefaultExpiration is the APNs expiration in seconds from now when neither job nor app says.
	DefaultExpiration = 2_592_000
)
