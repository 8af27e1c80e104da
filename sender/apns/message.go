package apns

import (
	"encoding/json"
)

// Message is what a notification says: the JSON body that all its recipients get. A nil pointer, map, slice or interface
// means "not given" and leaves its key out; a given value is kept even when it is 0, "" or empty. The zero Message is
// valid and sends {"aps":{}}.
//
// Text, Alert, APS and Raw are the four forms of the message itself; at most one may be given. A Message is read-only
// once it is used, and then safe for concurrent use. Sources: pushjack-surface §3 with DESIGN §2, apns-http2 §8.
type Message struct {
	// Text is the alert as a plain text. With any alert option that says something it becomes the "body" of the alert object.
	Text *string
	// Alert is the alert object; only keys of the alert object are allowed. Alert options add to it.
	Alert map[string]any
	// APS is the aps dictionary; only its keys are allowed. Options add to it.
	APS map[string]any
	// Raw is the whole payload, a JSON object that is sent byte for byte. No option may be given beside it.
	Raw json.RawMessage

	// Alert options: they turn the alert into an object. One that is given but empty ("" or no arguments) does not turn it, but
	// is part of the object once another one did.
	Title           *string
	Subtitle        *string
	TitleLocKey     *string
	TitleLocArgs    []string
	SubtitleLocKey  *string
	SubtitleLocArgs []string
	ActionLocKey    *string
	LocKey          *string
	LocArgs         []string
	LaunchImage     *string

	// Badge is the number on the icon; 0 clears it.
	Badge *int64
	// Sound is a name ("default") or a dictionary {critical, name, volume}.
	Sound any
	// Category, ThreadID, TargetContentID, InterruptionLevel and FilterCriteria are passed on unchecked, as Apple adds values.
	Category          *string
	ThreadID          *string
	TargetContentID   *string
	InterruptionLevel *string
	FilterCriteria    *string
	// ContentAvailable and MutableContent send 1 when true and nothing when false.
	ContentAvailable bool
	MutableContent   bool
	// RelevanceScore is a number.
	RelevanceScore any
	// Live Activities. Times are epoch seconds; ContentState and Attributes are objects.
	StaleDate      *int64
	ContentState   any
	Timestamp      *int64
	Event          *string
	DismissalDate  *int64
	AttributesType *string
	Attributes     any

	// Extra is merged beside aps. The key "aps" in it is an error: it would overwrite the notification.
	Extra map[string]any
	// ExtraJSON is more of it, for values that are JSON texts already. A key in both is Extra's.
	ExtraJSON map[string]json.RawMessage

	// MaxPayloadLength, if above 0, shortens the alert's text until the payload has at most that many bytes; see Payload.
	MaxPayloadLength int
}

// NewMessage is a Message with a plain text.
func NewMessage(text string) *Message { return &Message{Text: &text} }

// option is one given option: its name in jobs, its key, its value, and whether it says something (is not empty).
type option struct {
	name, key string
	value     any
	says      bool
}

// alertOptions appends the alert options that are given to out.
func (m *Message) alertOptions(out []option) []option {
	text := func(name, key string, value *string) {
		if value != nil {
			out = append(out, option{name, key, value, *value != ""})
		}
	}
	list := func(name, key string, value []string) {
		if value != nil {
			out = append(out, option{name, key, value, len(value) > 0})
		}
	}
	text("title", "title", m.Title)
	text("subtitle", "subtitle", m.Subtitle)
	text("title_loc_key", "title-loc-key", m.TitleLocKey)
	list("title_loc_args", "title-loc-args", m.TitleLocArgs)
	text("subtitle_loc_key", "subtitle-loc-key", m.SubtitleLocKey)
	list("subtitle_loc_args", "subtitle-loc-args", m.SubtitleLocArgs)
	text("action_loc_key", "action-loc-key", m.ActionLocKey)
	text("loc_key", "loc-key", m.LocKey)
	list("loc_args", "loc-args", m.LocArgs)
	text("launch_image", "launch-image", m.LaunchImage)
	return out
}

// apsOptions appends the options beside the alert that are given to out.
func (m *Message) apsOptions(out []option) []option {
	text := func(name, key string, value *string) {
		if value != nil {
			out = append(out, option{name, key, value, true})
		}
	}
	number := func(name, key string, value *int64) {
		if value != nil {
			out = append(out, option{name, key, value, true})
		}
	}
	value := func(name, key string, value any) {
		if raw, ok := value.(json.RawMessage); value != nil && !(ok && isNull(raw)) {
			out = append(out, option{name, key, value, true})
		}
	}
	flag := func(name, key string, value bool) {
		if value {
			out = append(out, option{name, key, 1, true})
		}
	}
	number("badge", "badge", m.Badge)
	value("sound", "sound", m.Sound)
	text("category", "category", m.Category)
	text("thread_id", "thread-id", m.ThreadID)
	flag("content_available", "content-available", m.ContentAvailable)
	flag("mutable_content", "mutable-content", m.MutableContent)
	text("target_content_id", "target-content-id", m.TargetContentID)
	text("interruption_level", "interruption-level", m.InterruptionLevel)
	value("relevance_score", "relevance-score", m.RelevanceScore)
	text("filter_criteria", "filter-criteria", m.FilterCriteria)
	number("stale_date", "stale-date", m.StaleDate)
	value("content_state", "content-state", m.ContentState)
	number("timestamp", "timestamp", m.Timestamp)
	text("event", "event", m.Event)
	number("dismissal_date", "dismissal-date", m.DismissalDate)
	text("attributes_type", "attributes-type", m.AttributesType)
	value("attributes", "attributes", m.Attributes)
	return out
}
