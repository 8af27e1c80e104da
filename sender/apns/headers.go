package apns

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The values of apns-push-type that Apple documents (apns-http2 §5). Any other word is passed on as it is, so that a new
// one needs no release.
const (
	PushTypeAlert        = "alert"
	PushTypeBackground   = "background"
	PushTypeVoIP         = "voip"
	PushTypeComplication = "complication"
	PushTypeFileProvider = "fileprovider"
	PushTypeMDM          = "mdm"
	PushTypeLocation     = "location"
	PushTypeLiveActivity = "liveactivity"
	PushTypePushToTalk   = "pushtotalk"
	PushTypeWidgets      = "widgets"
	PushTypeControls     = "controls"
)

// Priorities of apns-priority: now, when it suits the device, and last of all.
const (
	PriorityHigh   = 10
	PriorityLow    = 5
	PriorityLowest = 1
)

// MaxCollapseID is the most bytes (not characters) of apns-collapse-id.
const MaxCollapseID = 64

// topicSuffix is what a push type adds to the bundle id, apns-http2 §5. Types that are absent add nothing.
func topicSuffix(pushType string) string {
	switch pushType {
	case PushTypeVoIP:
		return ".voip"
	case PushTypeComplication:
		return ".complication"
	case PushTypeFileProvider:
		return ".pushkit.fileprovider"
	case PushTypeLocation:
		return ".location-query"
	case PushTypeLiveActivity:
		return ".push-type.liveactivity"
	case PushTypePushToTalk:
		return ".voip-ptt"
	case PushTypeWidgets:
		return ".push-type.widgets"
	case PushTypeControls:
		return ".push-type.controls"
	}
	return ""
}

// TopicFor returns the apns-topic for a bundle id and a push type: the bundle id with the type's suffix, unless it has
// that suffix already. The topic of type mdm is the UID of the MDM certificate and is returned as it is.
func TopicFor(bundle, pushType string) string {
	suffix := topicSuffix(pushType)
	if bundle == "" || strings.HasSuffix(bundle, suffix) {
		return bundle
	}
	return bundle + suffix
}

// PayloadLimit is the most bytes of a payload of the push type.
func PayloadLimit(pushType string) int {
	if pushType == PushTypeVoIP {
		return MaxVoIPPayload
	}
	return MaxPayload
}

// PushTypeOf derives the push type from a payload: "mdm" for {"mdm": …}, "liveactivity" if the aps dictionary has
// content-state, event, attributes-type or attributes, "background" if it has content-available and neither alert, badge
// nor sound, and "alert" for everything else, also for what is not valid JSON.
func PushTypeOf(payload []byte) string {
	var root struct {
		MDM json.RawMessage `json:"mdm"`
		APS *struct {
			Alert            json.RawMessage `json:"alert"`
			Badge            json.RawMessage `json:"badge"`
			Sound            json.RawMessage `json:"sound"`
			ContentAvailable json.RawMessage `json:"content-available"`
			ContentState     json.RawMessage `json:"content-state"`
			Event            json.RawMessage `json:"event"`
			AttributesType   json.RawMessage `json:"attributes-type"`
			Attributes       json.RawMessage `json:"attributes"`
		} `json:"aps"`
	}
	if json.Unmarshal(payload, &root) != nil {
		return PushTypeAlert
	}
	aps := root.APS
	switch {
	case aps == nil && root.MDM != nil:
		return PushTypeMDM
	case aps == nil:
		return PushTypeAlert
	case aps.ContentState != nil || aps.Event != nil || aps.AttributesType != nil || aps.Attributes != nil:
		return PushTypeLiveActivity
	case string(aps.ContentAvailable) == "1" && aps.Alert == nil && aps.Badge == nil && aps.Sound == nil:
		return PushTypeBackground
	}
	return PushTypeAlert
}

// Expiration is the header apns-expiration, which has three states: absent (the zero Expiration: Apple stores the
// notification by its own policy, up to 30 days), ExpireNow (one attempt, never stored), and a time (ExpireAt).
type Expiration struct {
	given bool
	unix  int64
}

// ExpireNow is one attempt, never stored: the header "0".
func ExpireNow() Expiration { return Expiration{given: true} }

// ExpireAt is the time after which Apple need not try any more, in whole seconds. A time at or before 1970 is ExpireNow.
func ExpireAt(t time.Time) Expiration { return Expiration{given: true, unix: max(t.Unix(), 0)} }

// String is the header's value; "" if it is absent.
func (e Expiration) String() string {
	if !e.given {
		return ""
	}
	return strconv.FormatInt(e.unix, 10)
}

// isHeaderText says whether a value may stand in a header: visible ASCII and inner spaces. It keeps a topic or collapse
// id from becoming something else on the wire.
func isHeaderText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == strings.TrimSpace(s)
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20 // lower case; digits stay as they are
		if (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// MaxTokenBytes is the longest device token, decoded. Apple documents no size ("opaque"); Live Activity tokens are longer
// than the classic 32 bytes.
const MaxTokenBytes = 100

// ValidToken says whether a device token can be sent at all: hex in either case, even length, 1 to 100 bytes decoded.
func ValidToken(token string) bool {
	return token != "" && len(token)%2 == 0 && len(token) <= 2*MaxTokenBytes && isHex(token)
}

// isUUID says whether an apns-id has the canonical form 8-4-4-4-12, hex in either case.
func isUUID(s string) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	return isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
}
