package jobs

import "math"

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

	// SubjectFeedback and the name of an app is where a worker is asked, by a core NATS request, to read the feedback service of
	// the app's binary protocol now.
	SubjectFeedback = "push.feedback"

	// SubjectPresence, the platform and the name of an app are where a core NATS request is answered by whoever has the app. Nobody
	// answers for one that no running worker has.
	SubjectPresence = "push.presence"

	// SubjectFleet is where each worker says on core NATS, every second, how it is; who shows the fleet listens there.
	SubjectFleet = "push.fleet"
	// SubjectFleetHistory is where a worker is asked, by a core NATS request, for the fleet's last hour.
	SubjectFleetHistory = "push.fleet.history"
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
	// MaxExpiration is the longest APNs expiration in seconds. The apns-expiration header and the binary frame count in
	// seconds since 1970; the frame has 32 bits for it.
	MaxExpiration = math.MaxInt32
	// MaxBatchSize is the most notifications in one coalesced write; the least is 1.
	MaxBatchSize = 1000
	// MaxErrorTimeout is the longest error_timeout in seconds; the least is 0.
	MaxErrorTimeout = 300
	// MaxPayloadLength is the largest max_payload_length: Apple takes no larger payload (voip and broadcast).
	MaxPayloadLength = 5120
	// MaxRetries is the most write retries of the binary protocol; the least is 1.
	MaxRetries = 100
	// MaxCollapseIDBytes is the longest apns-collapse-id, in bytes.
	MaxCollapseIDBytes = 64
	// MaxChannelBytes is the longest channel id of a broadcast, in bytes; ours: Apple says not to assume a size.
	MaxChannelBytes = 1024
	// MaxAPNSTopicBytes is the longest apns-topic and apns-push-type, in bytes; ours, far above any bundle id.
	MaxAPNSTopicBytes = 255
	// MaxEpochSeconds is the latest time that the binary frame's 32 bits can say: the end of an APNs job's expiration.
	MaxEpochSeconds = math.MaxUint32
	// MaxTopicBytes is the longest FCM topic, without "/topics/".
	MaxTopicBytes = 900
	// MaxConditionTopics is how many topics an FCM condition may name.
	MaxConditionTopics = 5
	// MaxDepth is how deep the values of a job may be nested, the job itself included.
	MaxDepth = 100
	// MaxVars is the most variables that one recipient has.
	MaxVars = 64
	// MaxVarNameBytes is the longest name of a variable.
	MaxVarNameBytes = 64
	// MaxFaults is how many faults of one job are listed; one more then says how many were left out.
	MaxFaults = 50
	// MaxNameBytes is the longest unknown name that a fault quotes: a longer one may be a token in the wrong place.
	MaxNameBytes = 40
)
