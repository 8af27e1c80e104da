package jobs

import (
	"encoding/json"
	"math"
	"slices"
)

// setAPNSMessage sorts the message into its form: a text, an alert object or an aps dictionary. null and an object
// without keys say nothing.
func setAPNSMessage(d *decoder, name string, v value) {
	switch v.kind {
	case kindNull:
	case kindString:
		d.job.Message = Message{Kind: MessageText, Text: v.text()}
	case kindObject:
		d.job.Message = d.apnsObject(name, v)
	default:
		d.wrongType(name, "a string, an object or null", v)
	}
}

// apnsObject reads a message object. A key with null is as absent, as in the reference.
func (d *decoder) apnsObject(name string, v value) Message {
	keys := make(map[string]json.RawMessage)
	var alert, aps []string
	v.members(func(key string, member value) {
		if member.kind == kindNull {
			return
		}
		path := shownPath(name, key)
		if check, ok := alertKeys[key]; ok {
			alert = append(alert, key)
			check(d, path, member)
		} else if check, ok := apsKeys[key]; ok {
			aps = append(aps, key)
			check(d, path, member)
		} else {
			d.unknownKey(path, key)
			return
		}
		keys[key] = member.canonical()
	})
	switch {
	case len(alert) > 0 && len(aps) > 0:
		d.add(name, "mixes keys of the alert object (like %q) with keys of the aps dictionary (like %q); use one kind and say the rest in options",
			alert[0], aps[0])
	case len(alert) > 0:
		return Message{Kind: MessageAlert, Object: keys}
	case len(aps) > 0:
		return Message{Kind: MessageAPS, Object: keys}
	}
	return Message{}
}

func (d *decoder) unknownKey(path, key string) {
	known := make([]string, 0, len(alertKeys)+len(apsKeys))
	for name := range alertKeys {
		known = append(known, name)
	}
	for name := range apsKeys {
		known = append(known, name)
	}
	slices.Sort(known)
	if near := nearest(key, known); near != "" {
		d.add(path, "unknown key; did you mean %q?", near)
		return
	}
	d.add(path, `unknown key of the alert object or the aps dictionary; your own keys belong in "extra"`)
}

// keyCheck adds a fault if the value of a key is of a wrong type.
type keyCheck func(d *decoder, path string, v value)

// alertKeys are the keys of the alert object: Apple's, and those that older libraries send.
var alertKeys = map[string]keyCheck{
	"title": stringKey, "subtitle": stringKey, "body": stringKey, "launch-image": stringKey,
	"title-loc-key": stringKey, "title-loc-args": stringListKey,
	"subtitle-loc-key": stringKey, "subtitle-loc-args": stringListKey,
	"loc-key": stringKey, "loc-args": stringListKey,
	"action-loc-key": stringKey, "action": stringKey,
	"summary-arg": stringKey, "summary-arg-count": numberKey,
}

// apsKeys are the keys of the aps dictionary. They have none in common with alertKeys: that is what tells the forms apart.
var apsKeys = map[string]keyCheck{
	"alert": alertKey,
	"badge": func(d *decoder, path string, v value) { d.whole(path, v, 0, math.MaxInt64) },
	"sound": func(d *decoder, path string, v value) { d.soundValue(path, v) }, "thread-id": stringKey, "category": stringKey,
	"content-available": (*decoder).zeroOrOne, "mutable-content": (*decoder).zeroOrOne, "target-content-id": stringKey,
	"interruption-level": wordKey(interruptionLevels), "relevance-score": numberKey, "filter-criteria": stringKey,
	"stale-date": numberKey, "content-state": objectKey, "timestamp": numberKey, "event": wordKey(activityEvents),
	"dismissal-date": numberKey, "attributes-type": stringKey, "attributes": objectKey,
	"input-push-channel": stringKey, "input-push-token": (*decoder).zeroOrOne,
	"url-args": stringListKey, "content-changed": boolKey,
}

func alertKey(d *decoder, path string, v value) {
	switch v.kind {
	case kindString:
	case kindObject:
		v.members(func(key string, member value) {
			inner := shownPath(key)
			check, ok := alertKeys[key]
			if !ok {
				d.add(path+"."+inner, "unknown key of the alert object")
				return
			}
			check(d, path+"."+inner, member)
		})
	default:
		d.wrongType(path, "a string or an object", v)
	}
}

func stringKey(d *decoder, path string, v value) { d.wantKind(path, "a string", v, kindString) }
func objectKey(d *decoder, path string, v value) { d.wantKind(path, "an object", v, kindObject) }
func boolKey(d *decoder, path string, v value)   { d.wantKind(path, "true or false", v, kindBool) }
func numberKey(d *decoder, path string, v value) { d.number(path, v) }

func stringListKey(d *decoder, path string, v value) {
	if v.kind != kindArray {
		d.wrongType(path, "a list of strings", v)
		return
	}
	v.elements(func(_ int, element value) { stringKey(d, path, element) })
}

func wordKey(known []string) keyCheck {
	return func(d *decoder, path string, v value) { d.word(path, v, known) }
}

func (d *decoder) wantKind(path, want string, v value, k kind) {
	if v.kind != k {
		d.wrongType(path, want, v)
	}
}
