package jobs

import "slices"

// payloadTargets are the keys that would say in a raw payload who it goes to: legacy GCM §2.1, FCM v1 §3.1.
var payloadTargets = []string{"to", "registration_ids", "notification_key", "token", "fid", "topic", "condition"}

// checkGCM checks the rules of a GCM job that concern several fields.
func (d *decoder) checkGCM() {
	o := d.job.GCM
	d.checkRawPayload()
	if d.has(fieldPayload) && !d.has(fieldMessage) {
		// A null beside a raw payload is what a client writes for an option that was left out.
		d.job.Message = Message{}
	}
	if v := d.values.payload; d.has(fieldPayload) && v.kind == kindObject {
		keys := d.keysOf(v)
		for _, key := range payloadTargets {
			if _, has := keys[key]; has {
				d.add(shownPath(fieldPayload, key), `recipients belong in "ids", "topic" or "condition", not in the payload`)
			}
		}
	}
	if o.FID != nil && *o.FID && !d.has(fieldIDs) && !d.has(fieldRecipients) {
		d.add("fid", `says what the ids are, but the job has no "ids"`)
	}
	d.overrideNotification()
	if !d.hasContent() {
		d.add(fieldMessage, `is required (or "notification", "android", "apns", "webpush" or "payload"); {} sends empty data`)
	}
}

func (d *decoder) keysOf(v value) map[string]struct{} {
	keys := make(map[string]struct{})
	v.members(func(key string, _ value) { keys[key] = struct{}{} })
	return keys
}

// overrideNotification lets the message's own "notification" win over the option, as in the reference (§5.1): an object
// replaces it, null removes it.
func (d *decoder) overrideNotification() {
	message, ok := d.values.message, d.has(fieldMessage)
	if !ok || message.kind != kindObject {
		return
	}
	message.members(func(key string, member value) {
		switch {
		case key != fieldNotification:
		case member.kind == kindNull:
			d.job.GCM.Notification = nil
		case member.kind == kindObject:
			d.job.GCM.Notification = d.objectMap(key, member)
		}
	})
}

// hasContent says whether there is anything to send.
func (d *decoder) hasContent() bool {
	if d.job.Message.Kind != MessageNone || d.faulty(fieldMessage) {
		return true
	}
	return slices.ContainsFunc([]string{fieldNotification, "android", "apns", "webpush", fieldPayload}, d.has)
}
