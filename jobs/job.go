package jobs

import (
	"encoding/json"
	"time"
)

// Platform says which provider a job is for. The subject decides it, never the body.
type Platform string

// The two platforms.
const (
	APNS Platform = "apns"
	GCM  Platform = "gcm"
)

// Lane is the priority class of a job. The subject decides it, never the body.
type Lane string

// The lanes, most urgent first. LaneNormal is the lane of the plain subjects push.apns and push.gcm.
const (
	LaneHigh   Lane = "high"
	LaneNormal Lane = "normal"
	LaneBulk   Lane = "bulk"
)

// OnUncertain says what becomes of a recipient whose answer was lost after its request was written.
type OnUncertain string

// OnUncertainResend sends again (at least once, the default); OnUncertainReport never does (at most once).
const (
	OnUncertainResend OnUncertain = "resend"
	OnUncertainReport OnUncertain = "report"
)

// DefaultApp is the app of a job that names none.
const DefaultApp = "default"

// Job is one decoded and validated job. It is read-only after Decode and then safe for concurrent use.
type Job struct {
	Platform Platform
	// ID is the id given in the body, "" if none; see ResolveID.
	ID string
	// App names the credentials; DefaultApp if the body names none.
	App string
	// Campaign groups jobs; "" if none.
	Campaign string
	// IDs are the recipients as given: device tokens or registration IDs. It is empty for a job that has a
	// topic, condition or channel as its target. A malformed one does not fail the job: see ValidateRecipient.
	IDs []Token
	// Vars are the variables of each recipient, parallel to IDs; nil for a job that is the same for all of them: one with "ids" or a target.
	// Texts of a job with Vars have placeholders; see Template.
	Vars [][]Var
	// Message is the job's "message", already sorted into its form.
	Message Message
	// DeliverAt is the time before which nothing is sent; zero means now.
	DeliverAt time.Time
	// OnUncertain is never "".
	OnUncertain OnUncertain
	// APNS holds the platform's options; non-nil exactly if Platform is APNS.
	APNS *APNSOptions
	// GCM holds the platform's options; non-nil exactly if Platform is GCM.
	GCM *GCMOptions

	// source is the body, and fields its members but the recipients, sorted by name: what Encode writes. Only Decode sets them.
	source string
	fields []rawField
}

// rawField is one member of the body as it stands there.
type rawField struct {
	name  string
	value value
}

// MessageKind is the form of a job's "message".
type MessageKind uint8

// The forms. Text is a JSON string. Alert and APS occur for APNs only: an object that has only keys of the alert
// object, or only keys of the aps dictionary. Data occurs for GCM only: an object is the data itself; any other JSON
// value, an explicit null included, is wrapped by the sender as {"message": value}. None is an absent message; for APNs
// also null and an object without keys.
const (
	MessageNone MessageKind = iota
	MessageText
	MessageAlert
	MessageAPS
	MessageData
)

// Message is the "message" of a job.
type Message struct {
	Kind MessageKind
	// Text is set for MessageText.
	Text string
	// Object holds the keys of MessageAlert, MessageAPS and of a MessageData that is an object, there without its
	// "notification", which is in GCMOptions; nil otherwise. The values are canonical JSON: no spaces, sorted keys, raw UTF-8.
	Object map[string]json.RawMessage
	// Value is the JSON value of a MessageData that is not an object (null, number, boolean, array), canonical.
	Value json.RawMessage
}

// APNSOptions are the options of an APNs job. A nil pointer or nil RawMessage means that the job does not say. RawMessages
// but Payload are canonical JSON: no spaces, sorted keys, raw UTF-8, numbers as they were written.
// Sources: reference API §2.3 and §3 (names, rules), Apple's header and payload pages (newer names).
type APNSOptions struct {
	Badge             *int64
	Sound             json.RawMessage // string or object
	Category          *string
	ContentAvailable  *bool
	MutableContent    *bool
	Title             *string
	TitleLocKey       *string
	TitleLocArgs      []string // nil = absent; [] is kept
	ActionLocKey      *string
	LocKey            *string
	LocArgs           []string
	LaunchImage       *string
	ThreadID          *string
	Extra             map[string]json.RawMessage
	Subtitle          *string
	SubtitleLocKey    *string
	SubtitleLocArgs   []string
	InterruptionLevel *string
	RelevanceScore    json.RawMessage // number
	TargetContentID   *string
	FilterCriteria    *string
	StaleDate         *int64
	ContentState      json.RawMessage // object
	Timestamp         *int64
	Event             *string
	DismissalDate     *int64
	AttributesType    *string
	Attributes        json.RawMessage // object
	Payload           json.RawMessage // object, sent as it is
	Topic             *string
	PushType          *string
	Priority          *int
	CollapseID        *string
	Channel           *string
	Expiration        *int64 // seconds from now
	LowPriority       *bool
	BatchSize         *int
	ErrorTimeout      *float64 // seconds
	MaxPayloadLength  *int
	Retries           *int
}

// GCMOptions are the options of a GCM / FCM job; nil means that the job does not say. RawMessages but Payload are
// canonical JSON.
type GCMOptions struct {
	// Notification is the message's own "notification" if it has one, else the option.
	Notification          map[string]json.RawMessage
	CollapseKey           *string
	DelayWhileIdle        *bool
	TimeToLive            *int64 // seconds
	LowPriority           *bool
	RestrictedPackageName *string
	DryRun                *bool
	// FCM v1 only:
	FID        *bool   // true: the ids are Firebase installation IDs
	Topic      *string // without "/topics/"
	Condition  *string
	Android    json.RawMessage // object
	APNS       json.RawMessage // object
	Webpush    json.RawMessage // object
	FCMOptions json.RawMessage // object
	Payload    json.RawMessage // object: the "message" of v1, or the body of legacy, without its target
}

// Recipients is how many recipients the job has: one for a topic, condition or channel.
func (j *Job) Recipients() int {
	if _, ok := j.Target(); ok {
		return 1
	}
	return len(j.IDs)
}

// Target returns the topic, condition or channel of a job that has one instead of ids.
func (j *Job) Target() (string, bool) {
	switch {
	case j.APNS != nil && j.APNS.Channel != nil:
		return *j.APNS.Channel, true
	case j.GCM != nil && j.GCM.Topic != nil:
		return *j.GCM.Topic, true
	case j.GCM != nil && j.GCM.Condition != nil:
		return *j.GCM.Condition, true
	}
	return "", false
}

// Recipient returns the text of recipient i as events show it: the id, or the target.
func (j *Job) Recipient(i int) string {
	if t, ok := j.Target(); ok {
		return t
	}
	return j.IDs[i].Reveal()
}
