package apns

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Apple's limits of a payload in bytes, as sent (apns-http2 §7).
const (
	// MaxPayload is the limit of every push type but the next.
	MaxPayload = 4096
	// MaxVoIPPayload is the limit of push type voip.
	MaxVoIPPayload = 5120
	// MaxBroadcastPayload is the limit of a broadcast to a channel.
	MaxBroadcastPayload = 5120
)

// The keys Apple knows, apns-http2 §8. A message given as an object has only keys of the first list (it is the alert), or
// only keys of the second (it is the aps dictionary).
var (
	alertKeys = []string{
		"action", "action-loc-key", "body", "launch-image", "loc-args", "loc-key", "subtitle", "subtitle-loc-args",
		"subtitle-loc-key", "summary-arg", "summary-arg-count", "title", "title-loc-args", "title-loc-key",
	}
	apsKeys = []string{
		"alert", "attributes", "attributes-type", "badge", "category", "content-available", "content-changed", "content-state",
		"dismissal-date", "event", "filter-criteria", "input-push-channel", "input-push-token", "interruption-level",
		"mutable-content", "relevance-score", "sound", "stale-date", "target-content-id", "thread-id", "timestamp", "url-args",
	}
)

func isNull(raw json.RawMessage) bool {
	trimmed := bytes.TrimSpace(raw)
	return len(trimmed) == 0 || string(trimmed) == "null"
}

// Payload renders the message: compact JSON, sorted keys, raw UTF-8. limit is the most bytes it may have (MaxPayload,
// MaxVoIPPayload; 2,048 for the binary protocol); 0 or less means no limit. With MaxPayloadLength the alert's text is
// shortened at a boundary between characters as readers see them, and "..." is appended, until the payload has at most the
// smaller of both. The error is Problems, which lists everything that is wrong: an option that sets a key twice, an
// unknown key, a value that is no JSON, a payload that is too large or can't be shortened enough. The result is never
// longer than limit.
func (m *Message) Payload(limit int) ([]byte, error) {
	payload, problems := m.render(limit)
	return payload, problems.asError()
}

func (m *Message) render(limit int) ([]byte, Problems) {
	if payload, ok := m.renderPlain(limit); ok {
		return payload, nil
	}
	return m.renderAny(limit)
}

// renderAny renders a message of any form, or says everything that is wrong with it.
func (m *Message) renderAny(limit int) ([]byte, Problems) {
	var problems Problems
	if m.Raw != nil {
		m.checkRaw(&problems)
		payload := []byte(m.Raw)
		m.checkSize(&problems, len(payload), limit)
		if len(problems) > 0 {
			return nil, problems
		}
		return payload, nil
	}
	aps := m.aps(&problems)
	root := map[string]any{"aps": aps}
	for key, value := range m.ExtraJSON {
		root[key] = value
	}
	maps.Copy(root, m.Extra)
	if m.extraHas("aps") {
		root["aps"] = aps
		problems.add("BadRequestPayload", "extra", `the key "aps" would overwrite the notification; use the options instead`)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	payload, err := appendJSON(nil, root, 0)
	if err != nil {
		problems.add("BadRequestPayload", m.culprit(aps), err.Error())
		return nil, problems
	}
	if shorter := m.shortenTo(limit); shorter > 0 && len(payload) > shorter {
		return shorten(root, aps, payload, shorter)
	}
	m.checkSize(&problems, len(payload), limit)
	if len(problems) > 0 {
		return nil, problems
	}
	return payload, nil
}

// shortenTo is how many bytes truncation aims at; 0 for no truncation.
func (m *Message) shortenTo(limit int) int {
	if m.MaxPayloadLength <= 0 || limit <= 0 {
		return max(m.MaxPayloadLength, 0)
	}
	return min(m.MaxPayloadLength, limit)
}

// aps builds the aps dictionary.
func (m *Message) aps(problems *Problems) map[string]any {
	forms := 0
	for _, given := range []bool{m.Text != nil, m.Alert != nil, m.APS != nil} {
		if given {
			forms++
		}
	}
	if forms > 1 {
		problems.add("BadRequestPayload", "message", "is given in more than one form; give a text, an alert object or an aps dictionary")
	}
	aps := make(map[string]any, 8)
	for key, value := range m.APS {
		if !slices.Contains(apsKeys, key) {
			problems.add("BadRequestPayload", "message", strconv.Quote(clip(key))+" is not a key of the aps dictionary; custom keys go into extra")
			continue
		}
		aps[key] = value
	}
	if alert, ok := m.alert(aps, problems); ok {
		aps["alert"] = alert
	}
	for _, o := range m.apsOptions(nil) {
		if _, twice := aps[o.key]; twice {
			problems.add("BadRequestPayload", o.name, fmt.Sprintf("the message sets %q already; give it once", o.key))
			continue
		}
		aps[o.key] = o.value
	}
	return aps
}

// alert decides between a text, an object and nothing.
func (m *Message) alert(aps map[string]any, problems *Problems) (any, bool) {
	options := m.alertOptions(nil)
	says := slices.ContainsFunc(options, func(o option) bool { return o.says })
	if _, twice := aps["alert"]; twice {
		for _, o := range options {
			problems.add("BadRequestPayload", o.name, `the message sets "alert" already; give it once`)
		}
		return nil, false
	}
	if m.Alert == nil && !says {
		if m.Text == nil {
			return nil, false
		}
		return *m.Text, true
	}
	object := make(map[string]any, len(m.Alert)+len(options)+1)
	for key, value := range m.Alert {
		if !slices.Contains(alertKeys, key) {
			problems.add("BadRequestPayload", "message", strconv.Quote(clip(key))+" is not a key of the alert object; custom keys go into extra")
			continue
		}
		object[key] = value
	}
	if m.Text != nil {
		object["body"] = *m.Text
	}
	for _, o := range options {
		if _, twice := object[o.key]; twice {
			problems.add("BadRequestPayload", o.name, fmt.Sprintf("the message sets %q already; give it once", o.key))
			continue
		}
		object[o.key] = o.value
	}
	return object, true
}

// checkRaw refuses a raw payload that is no object, and options beside it.
func (m *Message) checkRaw(problems *Problems) {
	if v, err := decode(m.Raw); err != nil {
		problems.add("BadRequestPayload", "payload", err.Error())
	} else if _, ok := v.(map[string]any); !ok {
		problems.add("BadRequestPayload", "payload", "must be a JSON object")
	}
	if m.Text != nil || m.Alert != nil || m.APS != nil {
		problems.add("BadRequestPayload", "message", "can't be given beside payload, which is sent as it is")
	}
	for _, o := range m.apsOptions(m.alertOptions(nil)) {
		problems.add("BadRequestPayload", o.name, "can't be given beside payload, which is sent as it is")
	}
	if m.Extra != nil || m.ExtraJSON != nil {
		problems.add("BadRequestPayload", "extra", "can't be given beside payload, which is sent as it is")
	}
}

// extraHas says whether a key of the caller's own is there.
func (m *Message) extraHas(key string) bool {
	_, has := m.Extra[key]
	_, too := m.ExtraJSON[key]
	return has || too
}

// checkSize notes a payload above the limit, or above a truncation limit that nothing could be shortened for.
func (m *Message) checkSize(problems *Problems, size, limit int) {
	if limit > 0 && size > limit {
		problems.add("PayloadTooLarge", "message", fmt.Sprintf("the payload has %d bytes, at most %d are allowed", size, limit))
		return
	}
	if m.Raw != nil && m.MaxPayloadLength > 0 && size > m.MaxPayloadLength {
		problems.add("PayloadTooLarge", "max_payload_length", fmt.Sprintf("the raw payload has %d bytes and is not shortened", size))
	}
}

// culprit names the option whose value can't be written.
func (m *Message) culprit(aps map[string]any) string {
	for _, o := range m.apsOptions(nil) {
		if _, err := appendJSON(nil, o.value, 2); err != nil {
			return o.name
		}
	}
	if _, err := appendJSON(nil, aps, 1); err != nil {
		return "message"
	}
	return "extra"
}

// clip bounds a key that is quoted in an error.
func clip(key string) string {
	const most = 40
	if len(key) <= most {
		return key
	}
	return key[:most] + "..."
}
