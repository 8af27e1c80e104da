// This file models the JSON of FCM HTTP v1: the message and its parts in Google's discovery document of fcm v1 (revision
// 20261023), read by the rules of proto3 JSON: snake_case and camelCase names, null as absent, the last of repeated keys
// wins, unknown names and wrong types refused with the path of the field and no FcmError.

package gcmtest

// kind is the type of a field.
type kind int

const (
	text kind = iota
	texts
	textMap
	boolean
	integer
	number
	duration
	durations
	timestamp
	enum
	structure // any JSON object
	inner     // a message of its own
)

// field is one field of a message.
type field struct {
	kind  kind
	shape shape    // of an inner message
	names []string // of an enum
}

// shape is a message: its fields by snake_case name.
type shape map[string]field

// with adds fields of one kind.
func (s shape) with(k kind, names ...string) shape {
	for _, name := range names {
		s[name] = field{kind: k}
	}
	return s
}

func (s shape) withInner(name string, inside shape) shape {
	s[name] = field{kind: inner, shape: inside}
	return s
}

func (s shape) withEnum(name string, values ...string) shape {
	s[name] = field{kind: enum, names: values}
	return s
}

// requestShape is the body of messages:send.
func requestShape() shape {
	message := shape{}.
		with(text, "name", "token", "fid", "topic", "condition").
		with(textMap, "data").
		withInner("notification", shape{}.with(text, "title", "body", "image")).
		withInner("android", androidShape()).
		withInner("android_v2", androidV2Shape()).
		withInner("webpush", shape{}.with(textMap, "headers", "data").with(structure, "notification").
			withInner("fcm_options", shape{}.with(text, "link", "analytics_label"))).
		withInner("apns", shape{}.with(textMap, "headers").with(structure, "payload").with(text, "live_activity_token").
			withInner("fcm_options", shape{}.with(text, "analytics_label", "image"))).
		withInner("fcm_options", analyticsShape())
	return shape{}.with(boolean, "validate_only").withInner("message", message)
}

func analyticsShape() shape { return shape{}.with(text, "analytics_label") }

// androidCommonShape is what both versions of the Android part have.
func androidCommonShape() shape {
	return shape{}.
		with(text, "collapse_key", "restricted_package_name").
		with(duration, "ttl").
		with(textMap, "data").
		with(boolean, "direct_boot_ok", "bandwidth_constrained_ok", "restricted_satellite_ok").
		withInner("fcm_options", analyticsShape())
}

func androidShape() shape {
	notification := androidNotificationShape().
		withEnum("proxy", "PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED").
		with(boolean, "bypass_proxy_notification")
	return androidCommonShape().withEnum("priority", "NORMAL", "HIGH").withInner("notification", notification)
}

func androidV2Shape() shape {
	remote := shape{}.with(boolean, "mutable_content", "use_as_v1_data_message").
		withInner("notification", androidNotificationShape().with(integer, "id"))
	return androidCommonShape().withInner("remote_notification", remote).withInner("background_sync", shape{})
}

func androidNotificationShape() shape {
	color := shape{}.with(number, "red", "green", "blue", "alpha")
	return shape{}.
		with(text, "title", "body", "icon", "color", "sound", "tag", "click_action", "body_loc_key", "title_loc_key", "channel_id", "ticker", "image").
		with(texts, "body_loc_args", "title_loc_args").
		with(boolean, "sticky", "local_only", "default_sound", "default_vibrate_timings", "default_light_settings").
		with(timestamp, "event_time").
		with(durations, "vibrate_timings").
		with(integer, "notification_count").
		withEnum("notification_priority", "PRIORITY_UNSPECIFIED", "PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX").
		withEnum("visibility", "VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET").
		withInner("light_settings", shape{}.with(duration, "light_on_duration", "light_off_duration").withInner("color", color))
}
