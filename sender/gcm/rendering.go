package gcm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/volleypush/volley/jobs"
)

// rendering is one Prepare: the message's values decoded once, and all that is wrong with them.
type rendering struct {
	*Message
	protocol Protocol
	now      time.Time
	personal bool // texts hold placeholders

	data         any            // decoded Data
	notification any            // decoded Notification, or what the data object puts in its place
	android      map[string]any // nil = not given, here and below
	apns         map[string]any
	webpush      map[string]any
	fcmOptions   map[string]any
	payload      map[string]any
	rawPayload   json.RawMessage

	faults  jobs.Faults
	notices []string
}

func (r *rendering) faultf(field, format string, args ...any) {
	r.faults = append(r.faults, jobs.Fault{Field: field, Problem: fmt.Sprintf(format, args...)})
}

// decode reads every any-typed field and checks the options that both protocols share.
func (r *rendering) decode() {
	var err error
	if r.data, err = decodeValue(r.Data); err != nil {
		r.faultf("message", "%v", err)
	}
	if object := r.object("notification", r.Notification); object != nil { // a nil map in an any is not nil
		r.notification = object
	}
	if data, ok := r.data.(map[string]any); ok {
		if inside, ok := data["notification"]; ok {
			r.notification = inside
		}
	}
	r.android = r.object("android", r.Android)
	r.apns = r.object("apns", r.APNS)
	r.webpush = r.object("webpush", r.Webpush)
	r.fcmOptions = r.object("fcm_options", r.FCMOptions)
	if r.payload = r.object("payload", r.Payload); r.payload != nil {
		r.rawPayload = rawObject(r.Payload)
	}
	if ttl := r.TimeToLive; ttl != nil && (*ttl < 0 || *ttl > jobs.MaxTimeToLive) {
		r.faultf("time_to_live", "must be 0 to %d seconds", jobs.MaxTimeToLive)
	}
	if r.protocol == Legacy {
		for _, f := range []struct {
			name  string
			given bool
		}{
			{"fid", r.FID != nil && *r.FID},
			{"android", r.android != nil},
			{"apns", r.apns != nil},
			{"webpush", r.webpush != nil},
			{"fcm_options", r.fcmOptions != nil},
		} {
			if f.given {
				r.faultf(f.name, "only FCM v1 has it; this app uses the legacy protocol")
			}
		}
	}
}

// object decodes a field that must be a JSON object; nil if it is absent or null.
func (r *rendering) object(field string, v any) map[string]any {
	decoded, err := decodeValue(v)
	if err != nil {
		r.faultf(field, "%v", err)
		return nil
	}
	if decoded == nil {
		return nil
	}
	object, ok := decoded.(map[string]any)
	if !ok {
		r.faultf(field, "must be an object")
	}
	return object
}

// rawObject returns the bytes of an object that decodeValue has accepted, without the space around it.
func rawObject(v any) json.RawMessage {
	raw, ok := v.(json.RawMessage)
	if !ok {
		raw, _ = json.Marshal(v) // decodeValue has done the same without an error
	}
	return bytes.TrimSpace(raw)
}

func isEmptyObject(object json.RawMessage) bool {
	return len(bytes.TrimSpace(object[1:len(object)-1])) == 0
}

// checkTarget checks topic and condition.
func (r *rendering) checkTarget() {
	if r.Topic != nil && r.Condition != nil {
		r.faultf("condition", "a message has either a topic or a condition")
	}
	if r.FID != nil && *r.FID && (r.Topic != nil || r.Condition != nil) {
		r.faultf("fid", "has no meaning beside a topic or condition")
	}
	if r.Topic != nil && !validTopic(topicName(*r.Topic)) {
		r.faultf("topic", "must be 1 to %d of the characters a-z A-Z 0-9 - _ . ~ %%", MaxTopicName)
	}
	if r.Condition != nil && strings.TrimSpace(*r.Condition) == "" {
		r.faultf("condition", "is empty")
	}
}

// topicPrefix stands before a topic in the legacy protocol, and in neither place it is part of the name.
const topicPrefix = "/topics/"

func topicName(topic string) string { return strings.TrimPrefix(topic, topicPrefix) }

// validTopic: [a-zA-Z0-9-_.~%]{1,900} (FCM v1, Message.topic).
func validTopic(name string) bool {
	return name != "" && len(name) <= MaxTopicName && strings.IndexFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.~%", c))
	}) < 0
}

// target is the key and value of a topic or condition in the protocol's form; "" for registration IDs.
func (r *rendering) target() (key, value string) {
	switch {
	case r.Topic != nil && r.protocol == Legacy:
		return "to", topicPrefix + topicName(*r.Topic)
	case r.Topic != nil:
		return "topic", topicName(*r.Topic)
	case r.Condition != nil:
		return "condition", *r.Condition
	}
	return "", ""
}

// checkAlone refuses whatever a raw payload would silently override, and a target inside it.
func (r *rendering) checkAlone() {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"message", r.data != nil},
		{"notification", r.Notification != nil && r.notification != nil},
		{"collapse_key", r.CollapseKey != nil},
		{"delay_while_idle", r.DelayWhileIdle != nil},
		{"time_to_live", r.TimeToLive != nil},
		{"low_priority", r.LowPriority != nil},
		{"restricted_package_name", r.RestrictedPackageName != nil},
		{"android", r.android != nil},
		{"apns", r.apns != nil},
		{"webpush", r.webpush != nil},
		{"fcm_options", r.fcmOptions != nil},
		{"dry_run", r.protocol == Legacy && r.DryRun != nil},
	} {
		if f.given {
			r.faultf(f.name, "can't stand beside payload, which is sent as it is: put it into payload")
		}
	}
	targets := []string{"token", "fid", "topic", "condition", "name"}
	if r.protocol == Legacy {
		targets = []string{"to", "registration_ids", "condition", "notification_key"}
	}
	for _, key := range targets {
		if _, ok := r.payload[key]; ok {
			r.faultf("payload", "must not contain %q: the job's own ids, topic or condition are the target", key)
		}
	}
}

// payloadSize is what counts towards the limit: keys and values of data and notification, for each platform as its own block
// changes them; the largest counts. A string counts as its bytes, any other value as its compact JSON.
func payloadSize(message map[string]any) int {
	size := func(v any) int {
		object, ok := v.(map[string]any)
		if !ok {
			return 0
		}
		n := 0
		for key, value := range object {
			n += len(key)
			if text, ok := value.(string); ok {
				n += len(text)
			} else {
				n += len(appendJSON(nil, value))
			}
		}
		return n
	}
	block := func(name string) map[string]any {
		b, _ := message[name].(map[string]any)
		return b
	}
	data, notification := size(message["data"]), size(message["notification"])
	largest := data + notification
	for _, name := range []string{"android", "webpush"} {
		b := block(name)
		own := data
		if b["data"] != nil {
			own = size(b["data"])
		}
		largest = max(largest, own+notification+size(b["notification"]))
	}
	if payload, ok := block("apns")["payload"].(map[string]any); ok {
		n := data + len(appendJSON(nil, payload))
		if aps, _ := payload["aps"].(map[string]any); aps["alert"] == nil {
			n += notification // FCM puts title and body into the alert itself
		}
		largest = max(largest, n)
	}
	return largest
}
