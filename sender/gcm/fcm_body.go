package gcm

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// fcmMessage is the "message" object of FCM v1 without its target. The options of GCM become what they mean on each platform
// (Google's migration guide; the split of the notification keys is in fcm_notification.go), then the job's own android, apns and
// webpush blocks are merged over them.
//
//	time_to_live             android.ttl, apns-expiration (from now), web push TTL
//	low_priority             android.priority NORMAL, else HIGH; apns-priority 5, else 10
//	collapse_key             android.collapse_key, apns-collapse-id (to 64 bytes), web push Topic (if it has its form)
//	restricted_package_name  android.restricted_package_name
//	dry_run                  validate_only, outside the message
//	delay_while_idle         nothing
//
// A message without anything to show is a background push on iOS, for which Apple forbids priority 10: it gets 5 either way.
func (r *rendering) fcmMessage() map[string]any {
	message := map[string]any{}
	if data := r.fcmData(); len(data) > 0 {
		message["data"] = data
	}
	parts := r.splitNotification()
	if len(parts.common) > 0 {
		message["notification"] = parts.common
	}
	r.checkTwice()

	android := map[string]any{"priority": "HIGH"}
	low := r.LowPriority != nil && *r.LowPriority
	if low {
		android["priority"] = "NORMAL"
	}
	apnsHeaders, webHeaders := map[string]any{}, map[string]any{}
	if r.TimeToLive != nil {
		seconds := strconv.FormatInt(*r.TimeToLive, 10)
		android["ttl"] = seconds + "s"
		webHeaders["TTL"] = seconds
		apnsHeaders["apns-expiration"] = "0"
		if *r.TimeToLive > 0 {
			apnsHeaders["apns-expiration"] = strconv.FormatInt(r.now.Unix()+*r.TimeToLive, 10)
		}
	}
	if r.CollapseKey != nil {
		key := *r.CollapseKey
		android["collapse_key"] = key
		if len(key) <= maxCollapseID {
			apnsHeaders["apns-collapse-id"] = key
		} else {
			r.notices = append(r.notices, "collapse_key has more than 64 bytes: iOS devices don't get it")
		}
		if validWebTopic(key) {
			webHeaders["Topic"] = key
		}
	}
	if r.RestrictedPackageName != nil {
		android["restricted_package_name"] = *r.RestrictedPackageName
	}
	if r.DelayWhileIdle != nil {
		r.notices = append(r.notices, "delay_while_idle has no effect: FCM v1 has no such option")
	}
	put(android, "notification", parts.android)

	apns := map[string]any{}
	if len(parts.aps) > 0 {
		apns["payload"] = map[string]any{"aps": parts.aps}
	}
	apnsHeaders["apns-priority"] = "5"
	if !low && (len(parts.common) > 0 || shows(merged(apns, r.apns))) {
		apnsHeaders["apns-priority"] = "10"
	}
	apns["headers"] = apnsHeaders
	webpush := map[string]any{}
	put(webpush, "headers", webHeaders)
	put(webpush, "notification", parts.web)
	put(webpush, "fcm_options", parts.webOptions)

	put(message, "android", merged(android, r.android))
	put(message, "apns", merged(apns, r.apns))
	put(message, "webpush", merged(webpush, r.webpush))
	put(message, "fcm_options", r.fcmOptions)
	return message
}

// put sets a key to an object unless that is empty.
func put(into map[string]any, key string, object map[string]any) {
	if len(object) > 0 {
		into[key] = object
	}
}

// fcmData is the data object with every value as a string; see stringValue.
func (r *rendering) fcmData() map[string]any {
	object := r.legacyData()
	data := make(map[string]any, len(object))
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if reservedKey(key) {
			r.faultf("message", "the data key %s is reserved by Google", quoteKey(key))
		}
		value := object[key]
		if r.personal {
			value = nested(value)
		}
		if text, ok := stringValue(value); ok {
			data[key] = text
		}
	}
	return data
}

// reservedKey: from, message_type and the prefixes google. and gcm.notification. (FCM v1, Message.data). FCM answers them with an
// INVALID_ARGUMENT that names nothing.
func reservedKey(key string) bool {
	return key == "from" || key == "message_type" || strings.HasPrefix(key, "google.") || strings.HasPrefix(key, "gcm.notification.")
}

// quoteKey shows a key of the message in an error; a long one is cut, because it may be a text.
func quoteKey(key string) string {
	if len(key) > 40 {
		key = strings.ToValidUTF8(key[:40], "") + "…"
	}
	return strconv.Quote(key)
}

// checkTwice refuses an option that is also given in the android block: which one is meant can't be known.
func (r *rendering) checkTwice() {
	for _, f := range []struct {
		option, key string
		given       bool
	}{
		{"time_to_live", "ttl", r.TimeToLive != nil},
		{"low_priority", "priority", r.LowPriority != nil},
		{"collapse_key", "collapse_key", r.CollapseKey != nil},
		{"restricted_package_name", "restricted_package_name", r.RestrictedPackageName != nil},
	} {
		if _, twice := find(r.android, f.key); f.given && twice {
			r.faultf(f.option, "is set twice: here and as %s in android", f.key)
		}
	}
	for _, block := range []struct {
		name   string
		object map[string]any
	}{{"android", r.android}, {"apns", r.apns}, {"webpush", r.webpush}, {"fcm_options", r.fcmOptions}} {
		seen := map[string]bool{}
		for _, key := range slices.Sorted(maps.Keys(block.object)) {
			if seen[fold(key)] {
				r.faultf(block.name, "%s is set twice, in two spellings", quoteKey(key))
			}
			seen[fold(key)] = true
		}
	}
}

// merged lays an object that the job gives over one that was derived: the job's keys win, objects are merged key by key, a null of
// the job takes the derived key away. Neither argument is changed.
func merged(derived, given map[string]any) map[string]any {
	out := maps.Clone(derived)
	for key, value := range given {
		if old, ok := find(out, key); ok {
			below, isObject := out[old].(map[string]any)
			delete(out, old)
			if over, both := value.(map[string]any); both && isObject {
				value = merged(below, over)
			}
		}
		if value != nil {
			out[key] = value
		}
	}
	return out
}

// find returns the key of the object that Google reads as the same field: proto3 JSON takes collapse_key and collapseKey, and HTTP
// headers have no case.
func find(object map[string]any, key string) (string, bool) {
	if _, ok := object[key]; ok {
		return key, true
	}
	for k := range object {
		if fold(k) == fold(key) {
			return k, true
		}
	}
	return "", false
}

func fold(key string) string { return strings.ToLower(strings.ReplaceAll(key, "_", "")) }

// shows says whether an apns block has something for the user to notice.
func shows(apns map[string]any) bool {
	payload, _ := apns["payload"].(map[string]any)
	aps, _ := payload["aps"].(map[string]any)
	return aps["alert"] != nil || aps["sound"] != nil || aps["badge"] != nil
}

// validWebTopic: at most 32 characters of the URL-safe base64 alphabet (RFC 8030 §5.4).
func validWebTopic(key string) bool {
	return key != "" && len(key) <= maxWebTopic && strings.IndexFunc(key, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}) < 0
}
