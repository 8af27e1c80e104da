// This file models what a legacy request may say: Google, "Firebase Cloud Messaging HTTP protocol", tables of targets,
// options and payload, and the error table for which fault is a 400 and which a result. The exact texts of a 400 are not
// documented. Unknown fields are ignored, as the service did. The size counts keys and values of data and notification;
// how the service counted is not documented either.

package gcmtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

const (
	// maxChunk is the most registration_ids in one request.
	maxChunk = 1000
	// maxTTL is four weeks, in seconds.
	maxTTL = 2_419_200
	// maxPayload and maxTopicPayload are in bytes.
	maxPayload      = 4096
	maxTopicPayload = 2048
	// maxRegistrationID is in bytes; longer ones do not exist.
	maxRegistrationID = 4096
	topicPrefix       = "/topics/"
)

// legacyCall is a legacy request.
type legacyCall struct {
	// message is the body without its targets: what is the same for every recipient.
	message []byte
	// to or condition is the one target; ids are several.
	to, condition *string
	ids           []string
	listed        bool
	dryRun        bool
	// word is the error that every recipient gets, for what is wrong with the job.
	word string
}

func (c *legacyCall) targets() []string {
	switch {
	case c.listed:
		return c.ids
	case c.to != nil:
		return []string{*c.to}
	case c.condition != nil:
		return []string{*c.condition}
	}
	return nil
}

// isTopic says that the reply has no results.
func (c *legacyCall) isTopic() bool {
	return !c.listed && (c.condition != nil || c.to != nil && strings.HasPrefix(*c.to, topicPrefix))
}

func isRegistrationID(id string) bool {
	return id != "" && len(id) <= maxRegistrationID && strings.IndexFunc(id, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}) < 0
}

// parseLegacy reads a request. The call is never nil; fault is the text of a 400, "" for none.
func parseLegacy(body []byte) (call *legacyCall, fault string) {
	call = &legacyCall{message: body}
	all, err := members(body)
	if err != nil {
		return call, "JSON_PARSING_ERROR: " + err.Error()
	}
	var rest []member
	size := 0
	var words []string
	for _, m := range all {
		switch m.name {
		case "to", "registration_ids", "condition":
		default:
			rest = append(rest, m)
		}
		if isNull(m.value) {
			continue
		}
		bytes, word, problem := call.field(m)
		if problem != "" && fault == "" {
			fault = fmt.Sprintf("JSON_TYPE_ERROR: Field %q %s", m.name, problem)
		}
		size += bytes
		if word != "" {
			words = append(words, word)
		}
	}
	call.message = object(rest)
	if fault == "" {
		fault = call.checkTargets()
	}
	limit := maxPayload
	if call.isTopic() {
		limit = maxTopicPayload
	}
	if size > limit {
		words = append(words, "MessageTooBig")
	}
	if len(words) > 0 {
		call.word = words[0]
	}
	return call, fault
}

// field reads one key: how much it counts, what is wrong with the job, and what makes the request a 400.
func (c *legacyCall) field(m member) (size int, word, problem string) {
	switch m.name {
	case "to":
		c.to, problem = textField(m.value)
	case "condition":
		c.condition, problem = textField(m.value)
	case "registration_ids":
		c.listed = true
		if json.Unmarshal(m.value, &c.ids) != nil {
			return 0, "", "must be a JSON array of strings"
		}
	case "collapse_key", "restricted_package_name":
		_, problem = textField(m.value)
	case "priority":
		if text, ok := asText(m.value); !ok || text != "high" && text != "normal" {
			return 0, "", `must be "high" or "normal"`
		}
	case "dry_run":
		problem = boolField(m.value, &c.dryRun)
	case "content_available", "mutable_content", "delay_while_idle":
		problem = boolField(m.value, new(bool))
	case "time_to_live":
		var ttl int64
		if json.Unmarshal(m.value, &ttl) != nil {
			return 0, "", "must be a number"
		}
		if ttl < 0 || ttl > maxTTL {
			word = "InvalidTtl"
		}
	case "data", "notification":
		return payloadField(m)
	}
	return 0, word, problem
}

func textField(value json.RawMessage) (text *string, problem string) {
	read, ok := asText(value)
	if !ok {
		return nil, "must be a JSON string"
	}
	return &read, ""
}

func boolField(value json.RawMessage, into *bool) (problem string) {
	if json.Unmarshal(value, into) != nil {
		return "must be a JSON boolean"
	}
	return ""
}

func payloadField(m member) (size int, word, problem string) {
	pairs, err := members(m.value)
	if err != nil {
		return 0, "", "must be a JSON object"
	}
	for _, pair := range pairs {
		size += len(pair.name) + weight(pair.value)
		if m.name == "data" && isReservedLegacyKey(pair.name) {
			word = "InvalidDataKey"
		}
	}
	return size, word, ""
}

func isReservedLegacyKey(key string) bool {
	return key == "from" || key == "message_type" || strings.HasPrefix(key, "google") || strings.HasPrefix(key, "gcm")
}

func (c *legacyCall) checkTargets() (fault string) {
	given := 0
	for _, is := range []bool{c.listed, c.to != nil, c.condition != nil} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		return `Missing "registration_ids" or "to" field`
	case given > 1:
		return `Must use either "registration_ids" field or "to" or "condition", not several of them`
	case c.listed && len(c.ids) == 0:
		return `"registration_ids" field cannot be empty`
	case len(c.ids) > maxChunk:
		return fmt.Sprintf("Number of messages on bulk (%d) exceeds maximum allowed (%d)", len(c.ids), maxChunk)
	case c.to != nil && strings.HasPrefix(*c.to, topicPrefix) && !isTopicName(strings.TrimPrefix(*c.to, topicPrefix)):
		return "Invalid topic name"
	case c.condition != nil && topicsIn(*c.condition) == 0:
		return "Invalid condition"
	}
	return ""
}

// legacyWord says a scripted reason of FCM v1 in the words of the legacy protocol; other words are kept, known or not.
func legacyWord(reason string, topic bool) string {
	switch reason {
	case "UNREGISTERED":
		return "NotRegistered"
	case "INVALID_ARGUMENT":
		return "InvalidRegistration"
	case "SENDER_ID_MISMATCH":
		return "MismatchSenderId"
	case "UNAVAILABLE":
		return "Unavailable"
	case "INTERNAL":
		return "InternalServerError"
	case "THIRD_PARTY_AUTH_ERROR":
		return "InvalidApnsCredential"
	case "QUOTA_EXCEEDED":
		if topic {
			return "TopicsMessageRateExceeded"
		}
		return "DeviceMessageRateExceeded"
	}
	return reason
}

// v1Word is the opposite: a scripted reason of the legacy protocol in the words of FCM v1.
func v1Word(reason string) string {
	switch reason {
	case "NotRegistered":
		return "UNREGISTERED"
	case "InvalidRegistration", "MissingRegistration":
		return "INVALID_ARGUMENT"
	case "MismatchSenderId":
		return "SENDER_ID_MISMATCH"
	case "Unavailable":
		return "UNAVAILABLE"
	case "InternalServerError":
		return "INTERNAL"
	case "InvalidApnsCredential":
		return "THIRD_PARTY_AUTH_ERROR"
	case "DeviceMessageRateExceeded", "TopicsMessageRateExceeded", "QuotaExceeded", "DeviceQuotaExceeded":
		return "QUOTA_EXCEEDED"
	}
	if slices.Contains([]string{"InvalidPackageName", "MessageTooBig", "InvalidDataKey", "InvalidTtl", "InvalidParameters"}, reason) {
		return "INVALID_PAYLOAD"
	}
	return reason
}
