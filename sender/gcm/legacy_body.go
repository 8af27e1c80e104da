package gcm

// legacyBody is the body of GCM's JSON protocol without its target: reference API §5.1, and by decision of this project raw
// UTF-8 and a low priority that is said ("normal") instead of left out, because leaving it out means high for notifications.
func (r *rendering) legacyBody() map[string]any {
	body := map[string]any{"data": r.legacyData(), "priority": "high"}
	if r.LowPriority != nil && *r.LowPriority {
		body["priority"] = "normal"
	}
	if r.notification != nil {
		body["notification"] = r.notification
	}
	if r.CollapseKey != nil {
		body["collapse_key"] = *r.CollapseKey
	}
	if r.DelayWhileIdle != nil {
		body["delay_while_idle"] = *r.DelayWhileIdle
	}
	if r.TimeToLive != nil {
		body["time_to_live"] = jsonInt(*r.TimeToLive)
	}
	if r.RestrictedPackageName != nil {
		body["restricted_package_name"] = *r.RestrictedPackageName
	}
	if r.DryRun != nil && *r.DryRun {
		body["dry_run"] = true
	}
	return body
}

// legacyData is the data object: the message object without "notification", or any other value under the key "message".
func (r *rendering) legacyData() map[string]any {
	object, ok := r.data.(map[string]any)
	if !ok {
		return map[string]any{"message": r.data}
	}
	data := make(map[string]any, len(object))
	for key, value := range object {
		if key != "notification" {
			data[key] = value
		}
	}
	return data
}
