package apns

import (
	"encoding/json"
	"strings"
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
// nor sound, and "alert" for everything else, also for what is not valid JSON. A key with null is as absent.
func PushTypeOf(payload []byte) string { return contentsOf(payload).pushType() }

// contents is what of a payload says which push type it is.
type contents struct {
	MDM value        `json:"mdm"`
	APS *apsContents `json:"aps"`
}

type apsContents struct {
	Alert            value `json:"alert"`
	Badge            value `json:"badge"`
	Sound            value `json:"sound"`
	ContentAvailable value `json:"content-available"`
	ContentState     value `json:"content-state"`
	Event            value `json:"event"`
	AttributesType   value `json:"attributes-type"`
	Attributes       value `json:"attributes"`
}

// value is one JSON value; null is none.
type value string

// UnmarshalJSON keeps the text.
func (v *value) UnmarshalJSON(text []byte) error {
	if *v = value(text); *v == "null" {
		*v = ""
	}
	return nil
}

// contentsOf reads a payload; what it can't read has nothing.
func contentsOf(payload []byte) contents {
	var c contents
	if json.Unmarshal(payload, &c) != nil {
		return contents{}
	}
	return c
}

// contents is what contentsOf would read from the payload of a message of the usual form; false for any other form. Of what is there but
// for Event, only that it is there.
func (m *Message) contents() (contents, bool) {
	if m.Raw != nil || m.APS != nil || m.Event != nil {
		return contents{}, false
	}
	const there = "…"
	aps := new(apsContents)
	var room [18]option
	for _, o := range m.apsOptions(room[:0]) {
		switch o.key {
		case "badge":
			aps.Badge = there
		case "sound":
			aps.Sound = there
		case "content-available":
			aps.ContentAvailable = "1"
		case "content-state":
			aps.ContentState = there
		case "attributes-type":
			aps.AttributesType = there
		case "attributes":
			aps.Attributes = there
		}
	}
	if m.Alert != nil || m.hasAlert() {
		aps.Alert = there
	}
	mdm := value("")
	if _, given := m.ExtraJSON["mdm"]; given || m.Extra["mdm"] != nil {
		mdm = there
	}
	return contents{MDM: mdm, APS: aps}, true
}

func (c contents) pushType() string {
	switch {
	case c.isMDM():
		return PushTypeMDM
	case c.isActivity():
		return PushTypeLiveActivity
	case c.wakes() && !c.shows():
		return PushTypeBackground
	}
	return PushTypeAlert
}

func (c contents) isMDM() bool { return c.APS == nil && c.MDM != "" }

func (c contents) isActivity() bool {
	aps := c.APS
	return aps != nil && (aps.ContentState != "" || aps.Event != "" || aps.AttributesType != "" || aps.Attributes != "")
}

func (c contents) wakes() bool { return c.APS != nil && c.APS.ContentAvailable == "1" }

// shows says whether the user would notice.
func (c contents) shows() bool {
	return c.APS != nil && (c.APS.Alert != "" || c.APS.Badge != "" || c.APS.Sound != "")
}

// starts says whether the payload starts a Live Activity.
func (c contents) starts() bool { return c.APS != nil && c.APS.Event == `"start"` }

// conflict says why a payload can't be of the given push type; "" if it can. Apple may refuse, delay or silently drop
// what does not fit (apns-http2 §5).
func (c contents) conflict(pushType string) string {
	switch pushType {
	case PushTypeBackground:
		if c.shows() {
			return "is background, but the payload has an alert, badge or sound; leave push_type out, or those"
		}
		if !c.wakes() {
			return "is background, but the payload does not wake the app; set content_available"
		}
	case PushTypeMDM:
		if !c.isMDM() {
			return `is mdm, but the payload is not {"mdm": …}`
		}
	case PushTypeLiveActivity:
		if !c.isActivity() {
			return "is liveactivity, but the payload says nothing of an activity; set event and content_state"
		}
	case PushTypeAlert:
		if found := c.pushType(); found == PushTypeLiveActivity || found == PushTypeMDM {
			return "is alert, but the payload is that of a " + found + " push; leave push_type out"
		}
	}
	return ""
}
