package jobs

import (
	"encoding/json"
	"math"
	"strconv"
)

// interruptionLevels is Apple's closed set (payload key reference, "interruption-level").
var interruptionLevels = []string{"passive", "active", "time-sensitive", "critical"}

// activityEvents is Apple's closed set of what a Live Activity push does.
var activityEvents = []string{"start", "update", "end"}

// pushTypeBackground and pushTypeLiveActivity are the push types with rules of their own. Any other text is passed on,
// so that a new type of Apple's needs no new version of ours.
const (
	pushTypeBackground   = "background"
	pushTypeLiveActivity = "liveactivity"
)

// apnsFields are the fields of an APNs job. Sources: reference API §2.3 for the older names, Apple's header and payload
// pages for the newer ones.
var apnsFields = newFieldTable(commonFields, []field{
	{name: fieldMessage, shapes: true, set: setAPNSMessage},

	{name: "title", alert: "title", set: textAt(func(j *Job) **string { return &j.APNS.Title })},
	{name: "title_loc_key", alert: "title-loc-key", set: textAt(func(j *Job) **string { return &j.APNS.TitleLocKey })},
	{name: "title_loc_args", alert: "title-loc-args", set: stringsAt(func(j *Job) *[]string { return &j.APNS.TitleLocArgs })},
	{name: "subtitle", alert: "subtitle", set: textAt(func(j *Job) **string { return &j.APNS.Subtitle })},
	{name: "subtitle_loc_key", alert: "subtitle-loc-key", set: textAt(func(j *Job) **string { return &j.APNS.SubtitleLocKey })},
	{name: "subtitle_loc_args", alert: "subtitle-loc-args", set: stringsAt(func(j *Job) *[]string { return &j.APNS.SubtitleLocArgs })},
	{name: "action_loc_key", alert: "action-loc-key", set: textAt(func(j *Job) **string { return &j.APNS.ActionLocKey })},
	{name: "loc_key", alert: "loc-key", set: textAt(func(j *Job) **string { return &j.APNS.LocKey })},
	{name: "loc_args", alert: "loc-args", set: stringsAt(func(j *Job) *[]string { return &j.APNS.LocArgs })},
	{name: "launch_image", alert: "launch-image", set: textAt(func(j *Job) **string { return &j.APNS.LaunchImage })},

	{name: "badge", aps: "badge", set: integerAt(0, math.MaxInt64, func(j *Job) **int64 { return &j.APNS.Badge })},
	{name: "sound", aps: "sound", set: setSound},
	{name: "category", aps: "category", set: textAt(func(j *Job) **string { return &j.APNS.Category })},
	{name: "content_available", aps: "content-available", set: flagAt(func(j *Job) **bool { return &j.APNS.ContentAvailable })},
	{name: "mutable_content", aps: "mutable-content", set: flagAt(func(j *Job) **bool { return &j.APNS.MutableContent })},
	{name: "thread_id", aps: "thread-id", set: textAt(func(j *Job) **string { return &j.APNS.ThreadID })},
	{name: "interruption_level", aps: "interruption-level", set: wordAt(interruptionLevels, func(j *Job) **string { return &j.APNS.InterruptionLevel })},
	{name: "relevance_score", aps: "relevance-score", set: setRelevanceScore},
	{name: "target_content_id", aps: "target-content-id", set: textAt(func(j *Job) **string { return &j.APNS.TargetContentID })},
	{name: "filter_criteria", aps: "filter-criteria", set: textAt(func(j *Job) **string { return &j.APNS.FilterCriteria })},
	{name: "stale_date", aps: "stale-date", set: integerAt(0, math.MaxInt64, func(j *Job) **int64 { return &j.APNS.StaleDate })},
	{name: "content_state", aps: "content-state", set: objectAt(func(j *Job) *json.RawMessage { return &j.APNS.ContentState })},
	{name: "timestamp", aps: "timestamp", set: integerAt(0, math.MaxInt64, func(j *Job) **int64 { return &j.APNS.Timestamp })},
	{name: "event", aps: "event", set: wordAt(activityEvents, func(j *Job) **string { return &j.APNS.Event })},
	{name: "dismissal_date", aps: "dismissal-date", set: integerAt(0, math.MaxInt64, func(j *Job) **int64 { return &j.APNS.DismissalDate })},
	{name: "attributes_type", aps: "attributes-type", set: textAt(func(j *Job) **string { return &j.APNS.AttributesType })},
	{name: "attributes", aps: "attributes", set: objectAt(func(j *Job) *json.RawMessage { return &j.APNS.Attributes })},

	{name: "extra", shapes: true, set: setExtra},
	{name: "max_payload_length", shapes: true, set: integerAt(0, MaxPayloadLength, func(j *Job) **int { return &j.APNS.MaxPayloadLength })},
	{name: fieldPayload, set: payloadAt(func(j *Job) *json.RawMessage { return &j.APNS.Payload })},

	{name: "topic", set: headerAt(MaxAPNSTopicBytes, func(j *Job) **string { return &j.APNS.Topic })},
	{name: "push_type", set: headerAt(MaxAPNSTopicBytes, func(j *Job) **string { return &j.APNS.PushType })},
	{name: "priority", set: setPriority},
	{name: "low_priority", set: flagAt(func(j *Job) **bool { return &j.APNS.LowPriority })},
	{name: "collapse_id", set: headerAt(MaxCollapseIDBytes, func(j *Job) **string { return &j.APNS.CollapseID })},
	{name: "channel", set: setChannel},
	{name: "expiration", set: integerAt(0, MaxExpiration, func(j *Job) **int64 { return &j.APNS.Expiration })},
	{name: "batch_size", set: integerAt(1, MaxBatchSize, func(j *Job) **int { return &j.APNS.BatchSize })},
	{name: "error_timeout", set: setErrorTimeout},
	{name: "retries", set: integerAt(1, MaxRetries, func(j *Job) **int { return &j.APNS.Retries })},
})

// inPayload says whether the option is part of the payload.
func (f *field) inPayload() bool { return f.shapes || f.alert != "" || f.aps != "" }

func setSound(d *decoder, name string, v value) {
	if d.soundValue(name, v) {
		d.job.APNS.Sound = v.canonical()
	}
}

// soundValue checks a sound: a name, or Apple's object for critical alerts.
func (d *decoder) soundValue(name string, v value) bool {
	faults := len(d.faults)
	switch v.kind {
	case kindString:
	case kindObject:
		v.members(func(key string, member value) {
			path := shownPath(name, key)
			switch key {
			case "critical":
				d.zeroOrOne(path, member)
			case "name":
				if member.kind != kindString {
					d.wrongType(path, "a string", member)
				}
			case "volume":
				if n, ok := d.number(path, member); ok && (n < 0 || n > 1) {
					d.add(path, "must be from 0 to 1")
				}
			default:
				d.add(path, `unknown key; a sound has "critical", "name" and "volume"`)
			}
		})
	default:
		d.wrongType(name, "a string or an object", v)
	}
	return len(d.faults) == faults
}

func (d *decoder) zeroOrOne(name string, v value) {
	if v.raw != "0" && v.raw != "1" {
		d.add(name, "must be the number 1 or 0")
	}
}

func setRelevanceScore(d *decoder, name string, v value) {
	if _, ok := d.number(name, v); ok {
		d.job.APNS.RelevanceScore = v.canonical()
	}
}

func setExtra(d *decoder, name string, v value) {
	extra := d.objectMap(name, v)
	if _, ok := extra["aps"]; ok {
		// The reference overwrites it without a word.
		d.add(name, `must not hold "aps": the message and its options make it`)
	}
	d.job.APNS.Extra = extra
}

// setPriority takes the three values that Apple's header knows.
func setPriority(d *decoder, name string, v value) {
	if v.raw != "1" && v.raw != "5" && v.raw != "10" {
		d.add(name, "must be the number 1, 5 or 10")
		return
	}
	priority, _ := strconv.Atoi(v.raw)
	d.job.APNS.Priority = &priority
}

func setChannel(d *decoder, name string, v value) {
	switch {
	case v.kind != kindString:
		d.wrongType(name, "a string", v)
	case v.text() == "":
		d.add(name, "must not be empty")
	case len(v.text()) > MaxChannelBytes:
		d.add(name, "has %d bytes, at most %d are taken", len(v.text()), MaxChannelBytes)
	default:
		channel := v.text()
		d.job.APNS.Channel = &channel
	}
}

func setErrorTimeout(d *decoder, name string, v value) {
	seconds, ok := d.number(name, v)
	switch {
	case !ok:
	case seconds < 0 || seconds > MaxErrorTimeout:
		d.add(name, "must be from 0 to %d seconds", MaxErrorTimeout)
	default:
		d.job.APNS.ErrorTimeout = &seconds
	}
}
