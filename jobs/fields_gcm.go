package jobs

import (
	"encoding/json"
	"strings"
)

// topicPrefix stands before topics on the legacy protocol's wire; jobs may write it or not.
const topicPrefix = "/topics/"

// gcmFields are the fields of a GCM / FCM job. Sources: reference API §5 and legacy GCM §2.2 for the older names, FCM v1
// §3.1 for the newer ones.
var gcmFields = newFieldTable(commonFields, []field{
	{name: fieldMessage, shapes: true, set: setGCMMessage},
	{name: fieldNotification, shapes: true, set: setNotification},
	{name: "collapse_key", shapes: true, set: nonEmptyAt(func(j *Job) **string { return &j.GCM.CollapseKey })},
	{name: "delay_while_idle", shapes: true, set: flagAt(func(j *Job) **bool { return &j.GCM.DelayWhileIdle })},
	{name: "time_to_live", shapes: true, set: integerAt(0, MaxTimeToLive, func(j *Job) **int64 { return &j.GCM.TimeToLive })},
	{name: "low_priority", shapes: true, set: flagAt(func(j *Job) **bool { return &j.GCM.LowPriority })},
	{name: "restricted_package_name", shapes: true, set: nonEmptyAt(func(j *Job) **string { return &j.GCM.RestrictedPackageName })},
	{name: "android", shapes: true, set: objectAt(func(j *Job) *json.RawMessage { return &j.GCM.Android })},
	{name: "apns", shapes: true, set: objectAt(func(j *Job) *json.RawMessage { return &j.GCM.APNS })},
	{name: "webpush", shapes: true, set: objectAt(func(j *Job) *json.RawMessage { return &j.GCM.Webpush })},
	{name: "fcm_options", shapes: true, set: objectAt(func(j *Job) *json.RawMessage { return &j.GCM.FCMOptions })},
	{name: fieldPayload, set: payloadAt(func(j *Job) *json.RawMessage { return &j.GCM.Payload })},

	{name: "dry_run", set: flagAt(func(j *Job) **bool { return &j.GCM.DryRun })},
	{name: "fid", set: flagAt(func(j *Job) **bool { return &j.GCM.FID })},
	{name: "topic", set: setTopic},
	{name: "condition", set: setCondition},
})

// fieldNotification is an option, and a key of the message object that overrides it.
const fieldNotification = "notification"

// setGCMMessage reads the message as the reference does: an object is the data, without its key "notification"; any
// other value is wrapped by the sender as {"message": value}, an explicit null included.
func setGCMMessage(d *decoder, name string, v value) {
	switch v.kind {
	case kindString:
		d.job.Message = Message{Kind: MessageText, Text: v.text()}
	case kindObject:
		data := make(map[string]json.RawMessage)
		v.members(func(key string, member value) {
			if key == fieldNotification {
				if member.kind != kindNull && member.kind != kindObject {
					d.wrongType(shownPath(name, key), "an object or null", member)
				}
				return
			}
			if reservedDataKey(key) {
				d.add(shownPath(name, key), `is a reserved data key ("from", "message_type" and all that begin with "google" or "gcm"); choose another`)
				return
			}
			data[key] = member.canonical()
		})
		d.job.Message = Message{Kind: MessageData, Object: data}
	default:
		d.job.Message = Message{Kind: MessageData, Value: v.canonical()}
	}
}

// reservedDataKey says whether Google keeps the data key for itself (legacy GCM §2.3; FCM v1's list is part of it).
func reservedDataKey(key string) bool {
	return key == "from" || key == "message_type" || strings.HasPrefix(key, "google") || strings.HasPrefix(key, "gcm")
}

func setNotification(d *decoder, name string, v value) { d.job.GCM.Notification = d.objectMap(name, v) }

func setTopic(d *decoder, name string, v value) {
	if v.kind != kindString {
		d.wrongType(name, "a string", v)
		return
	}
	topic := strings.TrimPrefix(v.text(), topicPrefix)
	if !hasForm(topic, MaxTopicBytes, isTopicByte, isTopicByte) {
		d.add(name, "must be 1 to %d letters, digits and -_.~%%, with or without %q before it", MaxTopicBytes, topicPrefix)
		return
	}
	d.job.GCM.Topic = &topic
}

func isTopicByte(c byte) bool { return isAlnum(c) || strings.IndexByte("-_.~%", c) >= 0 }

// setCondition checks what our side can know of a condition: it names 1 to MaxConditionTopics topics. The rest is
// Google's grammar.
func setCondition(d *decoder, name string, v value) {
	if v.kind != kindString {
		d.wrongType(name, "a string", v)
		return
	}
	condition := v.text()
	topics, words := 0, strings.Fields(strings.NewReplacer("(", " ", ")", " ").Replace(condition))
	for i := 1; i < len(words); i++ {
		if words[i] == "topics" && words[i-1] == "in" {
			topics++
		}
	}
	if topics < 1 || topics > MaxConditionTopics {
		d.add(name, `must name 1 to %d topics, like "'news' in topics && 'sports' in topics"; names %d`, MaxConditionTopics, topics)
		return
	}
	d.job.GCM.Condition = &condition
}
