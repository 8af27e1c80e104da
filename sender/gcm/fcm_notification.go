package gcm

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// notificationParts is a legacy notification as FCM v1 wants it: what all platforms share, and what each has for itself.
type notificationParts struct {
	common, android, aps, web, webOptions map[string]any
}

// splitNotification spreads the keys of the notification:
//
//	title, body, image                           message.notification
//	icon, color, tag, click_action, sound, loc   android.notification (android_channel_id as channel_id)
//	badge, subtitle, sound, click_action, loc    apns.payload.aps (click_action as category; an alert repeats title and body,
//	                                             because an alert in the payload replaces those of the notification)
//	icon and click_action that are URLs          webpush.notification.icon, webpush.fcm_options.link
//	any other key                                android.notification as it is (ticker, sticky, channel_id, …)
//
// Text may be given as a number or boolean, badge as a string, and *_loc_args as an array or, as the legacy protocol had it, as a
// string that holds one. A null is as good as absent.
func (r *rendering) splitNotification() notificationParts {
	p := notificationParts{
		common: map[string]any{}, android: map[string]any{}, aps: map[string]any{}, web: map[string]any{}, webOptions: map[string]any{},
	}
	if r.notification == nil {
		return p
	}
	object, ok := r.notification.(map[string]any)
	if !ok {
		r.faultf("notification", "must be an object")
		return p
	}
	alert := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value := object[key]
		if value == nil {
			continue
		}
		switch key {
		case "title", "body":
			if text, ok := r.text(key, value); ok {
				p.common[key] = text
			}
		case "image":
			if text, ok := r.text(key, value); ok {
				p.common[key] = text
			}
		case "subtitle":
			if text, ok := r.text(key, value); ok {
				alert["subtitle"] = text
			}
		case "badge":
			r.badge(p.aps, value)
		case "sound":
			if _, isObject := value.(map[string]any); isObject {
				p.aps["sound"] = value // critical sounds: iOS only
			} else if text, ok := r.text(key, value); ok {
				p.android["sound"], p.aps["sound"] = text, text
			}
		case "click_action":
			if text, ok := r.text(key, value); ok {
				p.android[key], p.aps["category"] = text, text
				if strings.HasPrefix(text, "https://") {
					p.webOptions["link"] = text
				}
			}
		case "icon":
			if text, ok := r.text(key, value); ok {
				p.android[key] = text
				if strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://") {
					p.web["icon"] = text
				}
			}
		case "tag", "color":
			if text, ok := r.text(key, value); ok {
				p.android[key] = text
			}
		case "android_channel_id":
			if object["channel_id"] != nil {
				r.faultf("notification", "android_channel_id and channel_id are the same key")
			}
			if text, ok := r.text(key, value); ok {
				p.android["channel_id"] = text
			}
		case "body_loc_key", "title_loc_key":
			if text, ok := r.text(key, value); ok {
				p.android[key] = text
				alert[alertKey(key)] = text
			}
		case "body_loc_args", "title_loc_args":
			if args, ok := r.args(key, value); ok {
				p.android[key] = args
				alert[alertKey(key)] = args
			}
		default:
			p.android[key] = value
		}
	}
	if len(alert) > 0 {
		for _, key := range []string{"title", "body"} {
			if text, ok := p.common[key]; ok {
				alert[key] = text
			}
		}
		p.aps["alert"] = alert
	}
	return p
}

// alertKey is the APNs name of a loc key: body_loc_key is loc-key, title_loc_args is title-loc-args.
func alertKey(key string) string {
	return strings.TrimPrefix(strings.ReplaceAll(key, "_", "-"), "body-")
}

// text reads a value that FCM wants as a string.
func (r *rendering) text(key string, value any) (string, bool) {
	switch value.(type) {
	case string, bool, json.Number:
		return stringValue(value)
	}
	r.faultf("notification", "%s must be a string", key)
	return "", false
}

// badge reads a number, or a string that is one.
func (r *rendering) badge(aps map[string]any, value any) {
	text, ok := stringValue(value)
	n, err := strconv.ParseInt(text, 10, 32)
	if !ok || err != nil || n < 0 {
		r.faultf("notification", "badge must be a whole number from 0")
		return
	}
	aps["badge"] = jsonInt(n)
}

// args reads a list of texts.
func (r *rendering) args(key string, value any) ([]any, bool) {
	if text, ok := value.(string); ok {
		value, _ = decodeValue(json.RawMessage(text))
	}
	list, ok := value.([]any)
	if !ok {
		r.faultf("notification", "%s must be an array of strings", key)
		return nil, false
	}
	args := make([]any, len(list))
	for i, element := range list {
		text, ok := r.text(key, element)
		if !ok {
			return nil, false
		}
		args[i] = text
	}
	return args, true
}
