package jobs

import (
	"fmt"
	"strings"
)

func refusedJobs() []refused {
	var all []refused
	platform, blind := APNS, false
	add := func(body, want string) {
		all = append(all, refused{fmt.Sprintf("%s %.60s", platform, body), platform, body, want, blind})
	}

	// Not one JSON object. A schema sees none of it, because it only sees what was parsed.
	blind = true
	add(``, `the message is empty; a job is a JSON object`)
	add(" \n", `the message is empty; a job is a JSON object`)
	add("\ufeff{}", `the message begins with a byte order mark; a job is a JSON object in plain UTF-8`)
	add(`hello`, `the job is not JSON: line 1, column 1: a value is expected here`)
	add(`{"ids":"ab"} {}`, `the job is not JSON: line 1, column 14: something follows the job; a message holds one JSON object`)
	add(`{"ids":"ab"}x`, `the job is not JSON: line 1, column 13: something follows the job; a message holds one JSON object`)
	add("{\"ids\":\"ab\",\n\"badge\":1,}", `the job is not JSON: line 2, column 11: a name in double quotes is expected here`)
	add(`{"ids":"ab"`, `the job is not JSON: line 1, column 12: the text ends too early`)
	add(`{"ids":"ab`, `the job is not JSON: line 1, column 11: the text ends too early`)
	add(`{"ids" "ab"}`, `the job is not JSON: line 1, column 8: a colon is expected here`)
	add(`{"ids":"ab" "badge":1}`, `the job is not JSON: line 1, column 13: a comma or the end of the object is expected here`)
	add(`{"ids":["ab" "cd"]}`, `the job is not JSON: line 1, column 14: a comma or the end of the list is expected here`)
	add(`{"badge":01`+rest, `the job is not JSON: line 1, column 11: a comma or the end of the object is expected here`)
	add(`{"badge":+1`+rest, `the job is not JSON: line 1, column 10: a value is expected here`)
	add(`{"badge":1.`+rest, `the job is not JSON: line 1, column 12: a digit is expected here`)
	add(`{"badge":NaN`+rest, `the job is not JSON: line 1, column 10: a value is expected here`)
	add("{\"message\":\"a\nb\""+rest, `the job is not JSON: line 1, column 14: a control character stands in a string without an escape`)
	add(`{"message":"\x"`+rest, `the job is not JSON: line 1, column 13: an escape in a string is not one of JSON's`)
	add(`{"message":"\ud83d"`+rest, `the job is not JSON: line 1, column 13: an escape in a string is half a character (a lone surrogate)`)
	add(`{"message":"\ude00\ud83d"`+rest, `the job is not JSON: line 1, column 13: an escape in a string is half a character (a lone surrogate)`)
	add("{\"message\":\"\xff\""+rest, `the job is not valid UTF-8 from byte 12 on`)
	add(`{"extra":{"deep":`+nest(MaxDepth-1)+`}`+rest, `the job is not JSON: line 1, column 116: values are nested more than 100 levels deep`)
	add(`{"message":"\`, `the job is not JSON: line 1, column 14: the text ends too early`)
	add(`{"message":"\u00`, `the job is not JSON: line 1, column 13: an escape in a string is not one of JSON's`)
	add(`{"message":"\u00zz"`+rest, `the job is not JSON: line 1, column 13: an escape in a string is not one of JSON's`)
	add(`{"badge":-x`+rest, `the job is not JSON: line 1, column 11: a digit is expected here`)
	add(`{"badge":tru`+rest, `the job is not JSON: line 1, column 10: a value is expected here`)
	add(`{"message":"\q":1`+rest, `the job is not JSON: line 1, column 13: an escape in a string is not one of JSON's`)
	add(`{"mess\qage":1`+rest, `the job is not JSON: line 1, column 7: an escape in a string is not one of JSON's`)
	add(`{"ids":"ab","ids":"cd"}`, `ids: is there twice`)
	add(`{"extra":{"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1,"10":1,"9":1,"1":1,"11":1}`+rest, `extra.9: is there twice; extra.1: is there twice`)
	add(`{"ids":"ab","\u0069ds":"cd"}`, `ids: is there twice`)
	add(`{"extra":{"a":{"b":1,"b":2}}`+rest, `extra.a.b: is there twice`)
	blind = false
	add(`[]`, `a job is a JSON object, this is a list`)
	add(`"text"`, `a job is a JSON object, this is a string`)
	add(`null`, `a job is a JSON object, this is null`)
	add(`7`, `a job is a JSON object, this is a number`)
	add(`true`, `a job is a JSON object, this is true or false`)

	// Names.
	add(`{"bagde":1`+rest, `bagde: unknown field; did you mean "badge"?`)
	add(`{"threadId":"x"`+rest, `threadId: unknown field; did you mean "thread_id"?`)
	add(`{"thread-id":"x"`+rest, `thread-id: unknown field; did you mean "thread_id"?`)
	add(`{"IDS":"x"`+rest, `IDS: unknown field; did you mean "ids"?`)
	add(`{"zzz":1`+rest, `zzz: unknown field`)
	add(`{"":1`+rest, `(an empty name): unknown field`)
	add(`{"`+repeat("x", MaxNameBytes)+`":1`+rest, repeat("x", MaxNameBytes)+`: unknown field`)
	add(`{"`+repeat("x", MaxNameBytes+1)+`":1`+rest, `(a name of 41 bytes): unknown field`)
	add(`{"collapse_key":"x"`+rest, `collapse_key: is a GCM option and this job is for apns`)

	// Fields of every job.
	const idForm = `id: must be 1 to 64 letters, digits, _ and -, the first a letter or digit`
	add(`{"id":""`+rest, idForm)
	add(`{"id":"-a"`+rest, idForm)
	add(`{"id":"a.b"`+rest, idForm)
	add(`{"id":"é"`+rest, idForm)
	add(`{"id":"`+repeat("Z", 65)+`"`+rest, idForm)
	add(`{"id":"PUSH_1"`+rest, `id: ids that begin with "PUSH_" are Volley's own; choose another`)
	add(`{"id":7`+rest, `id: must be a string, is a number`)
	const appForm = `app: must be 1 to 32 lower-case letters, digits, _ and -, the first a letter or digit`
	add(`{"app":"Shop"`+rest, appForm)
	add(`{"app":"_"`+rest, appForm)
	add(`{"app":""`+rest, appForm)
	add(`{"app":"`+repeat("a", 33)+`"`+rest, appForm)
	add(`{"app":[]`+rest, `app: must be a string, is a list`)
	const campaignForm = `campaign: must be 1 to 64 letters, digits, _ and -, the first a letter or digit, not beginning with "PUSH_"`
	add(`{"campaign":""`+rest, campaignForm)
	add(`{"campaign":"`+repeat("c", 65)+`"`+rest, campaignForm)
	add(`{"campaign":"PUSH_1"`+rest, campaignForm)
	add(`{"campaign":false`+rest, `campaign: must be a string, is true or false`)
	add(`{}`, `ids: is required: one id or a list of ids`)
	add(`{"ids":null}`, `ids: is required: one id or a list of ids`)
	add(`{"ids":[]}`, `ids: is empty: a job needs at least one id`)
	add(`{"ids":7}`, `ids: must be a string or a list of strings, is a number`)
	add(`{"ids":{"a":"b"}}`, `ids: must be a string or a list of strings, is an object`)
	add(`{"ids":[7]}`, `ids[0]: must be a string, is a number`)
	add(`{"recipients":[]}`, `recipients: is empty: a job needs at least one id`)
	add(`{"recipients":{"id":"ab"}}`, `recipients: must be a list of {"id":…, "vars":{…}}, is an object`)
	add(`{"recipients":["ab"]}`, `recipients[0]: must be an object {"id":…, "vars":{…}}, is a string`)
	add(`{"recipients":[{"id":"ab"},{"vars":{}}]}`, `recipients[1].id: is required`)
	add(`{"recipients":[{"id":7}]}`, `recipients[0].id: must be a string, is a number`)
	add(`{"recipients":[{"id":"ab","name":"x"}]}`, `recipients[0].name: unknown key; a recipient has "id" and "vars"`)
	add(`{"recipients":[{"id":"ab","vars":[]}]}`, `recipients[0].vars: must be an object, is a list`)
	add(`{"recipients":[{"id":"ab","vars":{"a":[],"b":{}}}]}`, `recipients[0].vars.a: must be a string, a number, true or false, is a list; recipients[0].vars.b: must be a string, a number, true or false, is an object`)
	const varForm = `: the name of a variable must be 1 to 64 letters, digits and _, the first no digit`
	add(`{"recipients":[{"id":"ab","vars":{"1a":1}}]}`, `recipients[0].vars.1a`+varForm)
	add(`{"recipients":[{"id":"ab","vars":{"a-b":1}}]}`, `recipients[0].vars.a-b`+varForm)
	add(`{"recipients":[{"id":"ab","vars":{"":1}}]}`, `recipients[0].vars.(an empty name)`+varForm)
	add(`{"recipients":[{"id":"ab","vars":{"`+repeat("v", MaxVarNameBytes+1)+`":1}}]}`, `recipients[0].vars.(a name of 65 bytes)`+varForm)
	add(`{"recipients":[{"id":"ab","vars":{`+manyVars(MaxVars+1)+`}}]}`, `recipients[0].vars: has 65 variables, at most 64 are taken`)
	add(`{"ids":"ab","recipients":[{"id":"ab"}]}`, `recipients: can't go with "ids": a job has one kind of recipient`)
	blind = true // a schema sees no second member of a name, and does not look into texts
	add(`{"recipients":[{"id":"ab","vars":{"a":1,"a":2}}]}`, `recipients.vars.a: is there twice`)
	const noName = `has a placeholder whose name is none: it must be 1 to 64 letters, digits and _, the first no digit, like {{name}} or {{name|default}}; write {{{{ where {{ is meant to be sent`
	for _, text := range []string{`{{}}`, `{{ name }}`, `{{1}}`, `{{a-b}}`, `{{|x}}`, `{{{a}}`, `{{^a}}`, `{{` + repeat("v", MaxVarNameBytes+1) + `}}`} {
		add(`{"message":"`+text+`","recipients":[{"id":"ab"}]}`, `message: `+noName)
	}
	add(`{"title":"{{a","extra":{"x":["{{b}"]},"recipients":[{"id":"ab"}]}`,
		`extra: has a {{ without its }}; write {{{{ where {{ is meant to be sent; title: has a {{ without its }}; write {{{{ where {{ is meant to be sent`)
	add(`{"title":"{{a|{{b}}","recipients":[{"id":"ab"}]}`, `title: has a placeholder inside the default of another; write {{{{ where {{ is meant to be sent`)
	add(`{"collapse_id":"{{a}}","recipients":[{"id":"ab"}]}`, `collapse_id: can't be personalised: only what the payload says can, and this is not part of it`)
	blind = false
	add(`{"ids":["ab",null,7]}`, `ids[1]: must be a string, is null; ids[2]: must be a string, is a number`)
	const timeForm = `deliver_at: must be a time with a zone as in RFC 3339, like "2026-11-23T10:00:00Z"`
	add(`{"deliver_at":"tomorrow"`+rest, timeForm)
	add(`{"deliver_at":"2026-11-23T10:00:00"`+rest, timeForm)
	add(`{"deliver_at":"2026-11-23 10:00:00Z"`+rest, timeForm)
	add(`{"deliver_at":1795430000`+rest, `deliver_at: must be a string, is a number`)
	add(`{"on_uncertain":"resent"`+rest, `on_uncertain: must be "resend" or "report"; did you mean "resend"?`)
	add(`{"on_uncertain":""`+rest, `on_uncertain: must be "resend" or "report"`)
	add(`{"on_uncertain":true`+rest, `on_uncertain: must be a string, is true or false`)

	// Types and ranges of APNs.
	for _, name := range []string{
		"title", "title_loc_key", "subtitle", "subtitle_loc_key", "action_loc_key", "loc_key", "launch_image", "category", "thread_id",
		"target_content_id", "filter_criteria", "attributes_type", "topic", "push_type", "collapse_id", "interruption_level", "event",
	} {
		add(`{"`+name+`":1`+rest, name+`: must be a string, is a number`)
	}
	for _, name := range []string{"title_loc_args", "subtitle_loc_args", "loc_args"} {
		add(`{"`+name+`":"x"`+rest, name+`: must be a list of strings, is a string`)
		add(`{"`+name+`":["x",1]`+rest, name+`[1]: must be a string, is a number`)
	}
	for _, name := range []string{"content_available", "mutable_content", "low_priority"} {
		add(`{"`+name+`":1`+rest, name+`: must be true or false, is a number`)
	}
	for _, name := range []string{"extra", "content_state", "attributes", "payload"} {
		add(`{"`+name+`":[]`+rest, name+`: must be an object, is a list`)
	}
	for _, name := range []string{"badge", "stale_date", "timestamp", "dismissal_date"} {
		add(`{"`+name+`":"1"`+rest, name+`: must be a whole number, is a string`)
		add(`{"`+name+`":-1`+rest, name+`: must be 0 or more`)
		add(`{"`+name+`":1.5`+rest, name+`: must be a whole number, written without a fraction or exponent`)
	}
	for _, limit := range []struct {
		name      string
		low, high int
	}{
		{"batch_size", 1, 1000}, {"retries", 1, 100}, {"max_payload_length", 0, 5120}, {"expiration", 0, 2147483647},
	} {
		want := fmt.Sprintf("%s: must be from %d to %d", limit.name, limit.low, limit.high)
		add(fmt.Sprintf(`{"%s":%d`, limit.name, limit.low-1)+rest, want)
		add(fmt.Sprintf(`{"%s":%d`, limit.name, limit.high+1)+rest, want)
	}
	add(`{"batch_size":99999999999999999999`+rest, `batch_size: must be from 1 to 1000`)
	add(`{"error_timeout":-0.1`+rest, `error_timeout: must be from 0 to 300 seconds`)
	add(`{"error_timeout":300.1`+rest, `error_timeout: must be from 0 to 300 seconds`)
	add(`{"error_timeout":"10"`+rest, `error_timeout: must be a number, is a string`)
	add(`{"relevance_score":"1"`+rest, `relevance_score: must be a number, is a string`)
	for _, v := range []string{"0", "6", "11", `"10"`} {
		add(`{"priority":`+v+rest, `priority: must be the number 1, 5 or 10`)
	}
	add(`{"interruption_level":"time_sensitive"`+rest, `interruption_level: must be "passive", "active", "time-sensitive" or "critical"; did you mean "time-sensitive"?`)
	add(`{"event":"begin"`+rest, `event: must be "start", "update" or "end"`)
	add(`{"sound":1`+rest, `sound: must be a string or an object, is a number`)
	add(`{"sound":{"critical":true,"name":1,"volume":1.1,"loud":1}`+rest,
		`sound.critical: must be the number 1 or 0; sound.name: must be a string, is a number; sound.volume: must be from 0 to 1; sound.loud: unknown key; a sound has "critical", "name" and "volume"`)
	add(`{"collapse_id":""`+rest, `collapse_id: must be 1 to 64 bytes long, is 0`)
	add(`{"collapse_id":"`+repeat("c", 65)+`"`+rest, `collapse_id: must be 1 to 64 bytes long, is 65`)
	add(`{"topic":"`+repeat("t", 256)+`"`+rest, `topic: must be 1 to 255 bytes long, is 256`)
	add(`{"topic":"a\nb"`+rest, `topic: must not hold control characters, nor begin or end with a space: it travels in a header`)
	add(`{"push_type":" alert"`+rest, `push_type: must not hold control characters, nor begin or end with a space: it travels in a header`)
	add(`{"extra":{"aps":{}}`+rest, `extra: must not hold "aps": the message and its options make it`)

	// The APNs message.
	add(`{"message":7`+rest, `message: must be a string, an object or null, is a number`)
	add(`{"message":["a"]`+rest, `message: must be a string, an object or null, is a list`)
	add(`{"message":{"title":"t","badge":1}`+rest, `message: mixes keys of the alert object (like "title") with keys of the aps dictionary (like "badge"); use one kind and say the rest in options`)
	add(`{"message":{"titel":"t"}`+rest, `message.titel: unknown key; did you mean "title"?`)
	add(`{"message":{"order":7}`+rest, `message.order: unknown key of the alert object or the aps dictionary; your own keys belong in "extra"`)
	add(`{"message":{"title":1,"loc-args":"x"}`+rest, `message.title: must be a string, is a number; message.loc-args: must be a list of strings, is a string`)
	add(`{"message":{"badge":"1","content-available":true,"timestamp":"x","content-state":1,"sound":1,"content-changed":1,"interruption-level":"x"}`+rest,
		`message.badge: must be a whole number, is a string; message.content-available: must be the number 1 or 0; message.timestamp: must be a number, is a string; message.content-state: must be an object, is a number; message.sound: must be a string or an object, is a number; message.content-changed: must be true or false, is a number; message.interruption-level: must be "passive", "active", "time-sensitive" or "critical"`)
	add(`{"message":{"alert":7}`+rest, `message.alert: must be a string or an object, is a number`)
	add(`{"message":{"alert":{"badge":7,"title":7}}`+rest, `message.alert.badge: unknown key of the alert object; message.alert.title: must be a string, is a number`)

	// APNs fields that contradict each other.
	add(`{"priority":5,"low_priority":true`+rest, `low_priority: can't go with "priority": both set the same header`)
	add(`{"push_type":"background","priority":10`+rest, `priority: must be 5 (or absent) for push_type "background"`)
	add(`{"push_type":"background","low_priority":false`+rest, `low_priority: must be true (or absent) for push_type "background"`)
	for _, f := range apnsFields.list {
		if f.shapes || f.alert != "" || f.aps != "" {
			add(fmt.Sprintf(`{"payload":{},"%s":%s`, f.name, validValue(f.name))+rest, f.name+`: can't go with "payload", which is sent as it is`)
		}
	}
	blind = true
	add(`{"relevance_score":1e999`+rest, `relevance_score: is too large a number`)
	add(`{"badge":1.0`+rest, `badge: must be a whole number, written without a fraction or exponent`)
	add(`{"badge":9223372036854775808`+rest, `badge: is too large, must be at most 9223372036854775807`)
	add(`{"badge":99999999999999999999`+rest, `badge: is too large, must be at most 9223372036854775807`)
	add(`{"badge":-99999999999999999999`+rest, `badge: must be 0 or more`)
	add(`{"batch_size":99999999999999999999`+rest, `batch_size: must be from 1 to 1000`)
	add(`{"collapse_id":"`+repeat("é", 32)+`x"`+rest, `collapse_id: must be 1 to 64 bytes long, is 65`)
	add(`{"message":{"title":"t"},"title":"t"`+rest, `title: sets the key "title", which the message sets too`)
	add(`{"message":{"loc-args":[]},"loc_args":[]`+rest, `loc_args: sets the key "loc-args", which the message sets too`)
	add(`{"message":{"badge":1},"badge":1`+rest, `badge: sets the key "badge", which the message sets too`)
	add(`{"message":{"content-available":1},"content_available":false`+rest, `content_available: sets the key "content-available", which the message sets too`)
	add(`{"message":{"alert":"text"},"title":"t"`+rest, `title: sets the key "alert", which the message sets too`)
	add(`{"push_type":"background","message":"text"`+rest, `message: a push of type "background" can't have an alert, badge or sound`)
	add(`{"push_type":"background","message":{"title":"t"}`+rest, `message: a push of type "background" can't have an alert, badge or sound`)
	add(`{"push_type":"background","message":{"sound":"s"}`+rest, `message: a push of type "background" can't have an alert, badge or sound`)
	add(`{"push_type":"background","badge":1,"title":"t"`+rest, `title: a push of type "background" can't have an alert, badge or sound; badge: a push of type "background" can't have an alert, badge or sound`)
	add(`{"deliver_at":"2106-02-07T06:28:15Z","expiration":1`+rest, `deliver_at: is so late that the expiration does not fit its 32 bits any more (the year 2106)`)
	add(`{"deliver_at":"2106-01-08T06:28:16Z"`+rest, `deliver_at: is so late that the expiration does not fit its 32 bits any more (the year 2106)`)
	add(`{"channel":"no base64"}`, `channel: must be the base64 text that the creation of the channel answered`)
	add(`{"channel":"dGVzdA==","push_type":"alert"}`, `push_type: must be "liveactivity" for a channel`)
	blind = false
	add(`{"channel":"`+repeat("dGVz", MaxChannelBytes/4)+`dA=="}`, `channel: has 1028 bytes, at most 1024 are taken`)
	add(`{"channel":"dGVzdA==","collapse_id":"c"}`, `collapse_id: can't go with "channel": a broadcast replaces nothing`)
	add(`{"channel":"dGVzdA=="`+rest, `channel: can't go with "ids": a job has one kind of recipient`)
	add(`{"channel":""}`, `channel: must not be empty`)
	add(`{"channel":1}`, `channel: must be a string, is a number`)

	// GCM.
	platform = GCM
	add(`{"badge":1`+gcmRest, `badge: is an APNs option and this job is for gcm`)
	add(`{"ids":"x"}`, `message: is required (or "notification", "android", "apns", "webpush" or "payload"); {} sends empty data`)
	add(`{"ids":"x","collapse_key":"c","notification":null}`, `message: is required (or "notification", "android", "apns", "webpush" or "payload"); {} sends empty data`)
	add(`{"message":"m"}`, `ids: is required: one id or a list of ids`)
	add(`{"message":"m","ids":[]}`, `ids: is empty: a job needs at least one id`)
	for _, key := range []string{"from", "message_type", "google", "google.x", "googlex", "gcm", "gcm.notification.title"} {
		add(`{"ids":"x","message":{"`+key+`":1}}`, `message.`+key+`: is a reserved data key ("from", "message_type" and all that begin with "google" or "gcm"); choose another`)
	}
	add(`{"ids":"x","message":{"notification":"t"}}`, `message.notification: must be an object or null, is a string`)
	for _, name := range []string{"notification", "android", "apns", "webpush", "fcm_options", "payload"} {
		add(`{"`+name+`":"x"`+gcmRest, name+`: must be an object, is a string`+map[bool]string{true: `; message: can't go with "payload", which is sent as it is`}[name == "payload"])
	}
	for _, name := range []string{"delay_while_idle", "low_priority", "dry_run", "fid"} {
		add(`{"`+name+`":0`+gcmRest, name+`: must be true or false, is a number`)
	}
	for _, name := range []string{"collapse_key", "restricted_package_name"} {
		add(`{"`+name+`":""`+gcmRest, name+`: must not be empty`)
		add(`{"`+name+`":0`+gcmRest, name+`: must be a string, is a number`)
	}
	add(`{"time_to_live":-1`+gcmRest, `time_to_live: must be from 0 to 2419200`)
	add(`{"time_to_live":2419201`+gcmRest, `time_to_live: must be from 0 to 2419200`)
	const topicForm = `topic: must be 1 to 900 letters, digits and -_.~%, with or without "/topics/" before it`
	add(`{"message":"m","topic":""}`, topicForm)
	add(`{"message":"m","topic":"/topics/"}`, topicForm)
	add(`{"message":"m","topic":"a b"}`, topicForm)
	add(`{"message":"m","topic":"`+repeat("t", 901)+`"}`, topicForm)
	add(`{"message":"m","topic":1}`, `topic: must be a string, is a number`)
	add(`{"message":"m","condition":1}`, `condition: must be a string, is a number`)
	add(`{"message":"m","condition":"news"}`, `condition: must name 1 to 5 topics, like "'news' in topics && 'sports' in topics"; names 0`)
	add(`{"topic":"t"`+gcmRest, `topic: can't go with "ids": a job has one kind of recipient`)
	add(`{"condition":"'a' in topics"`+gcmRest, `condition: can't go with "ids": a job has one kind of recipient`)
	add(`{"condition":"'a' in topics","topic":"t","message":"m"}`, `condition: can't go with "topic": a job has one kind of recipient`)
	add(`{"fid":true,"topic":"t","message":"m"}`, `fid: says what the ids are, but the job has no "ids"`)
	for _, key := range payloadTargets {
		add(`{"ids":"x","payload":{"`+key+`":"x"}}`, `payload.`+key+`: recipients belong in "ids", "topic" or "condition", not in the payload`)
	}
	for _, f := range gcmFields.list {
		if f.shapes {
			add(fmt.Sprintf(`{"ids":"x","payload":{},"%s":%s}`, f.name, validValue(f.name)), f.name+`: can't go with "payload", which is sent as it is`)
		}
	}
	blind = true
	add(`{"message":"m","condition":"`+repeat("'a' in topics || ", 5)+`'a' in topics"}`, `condition: must name 1 to 5 topics, like "'news' in topics && 'sports' in topics"; names 6`)
	return all
}

// validValue is some value that the field takes.
func validValue(name string) string {
	switch name {
	case "title_loc_args", "subtitle_loc_args", "loc_args":
		return `[]`
	case "content_available", "mutable_content", "delay_while_idle", "low_priority":
		return `true`
	case "badge", "stale_date", "timestamp", "dismissal_date", "relevance_score", "max_payload_length", "time_to_live":
		return `1`
	case "content_state", "attributes", "extra", "notification", "android", "apns", "webpush", "fcm_options":
		return `{}`
	case "interruption_level":
		return `"active"`
	case "event":
		return `"update"`
	}
	return `"x"`
}

// manyVars is so many members of a "vars".
func manyVars(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"v%d":%d`, i, i)
	}
	return strings.Join(all, ",")
}
