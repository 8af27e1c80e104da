// This file models what FCM HTTP v1 requires of a well-formed message: Google, REST reference "projects.messages" (one
// target, topic names, conditions of at most five topics, ttl of at most four weeks, android or android_v2) and "FCM
// error codes", causes of INVALID_ARGUMENT (token, payload size, reserved data keys). How the service counts the size is
// not documented: here it is keys and values of data and of the notification, and the apns payload by itself.

package gcmtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	maxTopicName  = 900
	maxConditions = 5
)

func targetNames() []string { return []string{"token", "fid", "topic", "condition"} }

// checkMessage returns nil for a message the service takes.
func checkMessage(message values) *fault {
	var given []string
	for _, name := range targetNames() {
		if _, ok := message[name].(string); ok {
			given = append(given, name)
		}
	}
	android, hasAndroid := message["android"].(values)
	if !hasAndroid {
		android, _ = message["android_v2"].(values)
	}
	_, hasV2 := message["android_v2"]
	switch {
	case len(given) == 0:
		return invalid("message", "Recipient of the message is not set.")
	case len(given) > 1: // the JSON layer knows that much: a oneof is set twice
		const twice = "Invalid value at 'message' (oneof), oneof field 'target' is already set. Cannot set '%s'"
		return badRequest([]violation{{Field: "message", Description: fmt.Sprintf(twice, given[1])}})
	case hasAndroid && hasV2:
		return invalid("message.android_v2", "Only one of android and android_v2 may be set.")
	}
	if f := checkTarget(given[0], message); f != nil {
		return f
	}
	if ttl, ok := android["ttl"].(string); ok && !isTTL(ttl) {
		return invalid("message.android.ttl", "Invalid TTL: must be within 0s and 2419200s.")
	}
	for _, data := range []any{message["data"], android["data"]} {
		pairs, _ := data.(map[string]string)
		for key := range pairs {
			if isReservedKey(key) {
				return invalid("message.data", "Invalid data payload key: "+key)
			}
		}
	}
	limit := maxPayload
	if given[0] == "topic" || given[0] == "condition" {
		limit = maxTopicPayload
	}
	apns, _ := message["apns"].(values)
	payload, _ := apns["payload"].(json.RawMessage)
	if sizeOf(message, android) > limit || len(payload) > maxPayload {
		return invalid("message", "Message is too big.")
	}
	return nil
}

func checkTarget(name string, message values) *fault {
	target, _ := message[name].(string)
	switch {
	case (name == "token" || name == "fid") && !isRegistrationID(target):
		return faultOf("INVALID_ARGUMENT")
	case name == "topic" && !isTopicName(target):
		return invalid("message.topic", "Malformed topic name")
	case name == "condition" && (topicsIn(target) == 0 || topicsIn(target) > maxConditions):
		return invalid("message.condition", "Invalid condition expression provided.")
	}
	return nil
}

// isTopicName is the pattern of the reference: no /topics/ before it.
func isTopicName(name string) bool {
	for _, c := range []byte(name) {
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && strings.IndexByte("-_.~%", c) < 0 {
			return false
		}
	}
	return name != "" && len(name) <= maxTopicName
}

// topicsIn counts the topics of a condition; 0 if what is between them is not made of operators and brackets.
func topicsIn(condition string) int {
	term := regexp.MustCompile(`'([^']*)' in topics`)
	count := 0
	for _, match := range term.FindAllStringSubmatch(condition, -1) {
		if !isTopicName(match[1]) {
			return 0
		}
		count++
	}
	if strings.Trim(term.ReplaceAllString(condition, ""), " &|!()") != "" {
		return 0
	}
	return count
}

// isTTL knows that the reader has taken the form. Fractions are rounded down.
func isTTL(ttl string) bool {
	whole, _, _ := strings.Cut(strings.TrimSuffix(ttl, "s"), ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	return err == nil && seconds >= 0 && seconds <= maxTTL && !strings.HasPrefix(ttl, "-")
}

func isReservedKey(key string) bool {
	return key == "from" || key == "message_type" || strings.HasPrefix(key, "google.") || strings.HasPrefix(key, "gcm.notification.")
}

// sizeOf counts keys and texts of what an Android device is sent: its own data replaces the common data.
func sizeOf(message, android values) int {
	data, own := android["data"].(map[string]string)
	if !own {
		data, _ = message["data"].(map[string]string)
	}
	size := 0
	for key, value := range data {
		size += len(key) + len(value)
	}
	for _, part := range []any{message["notification"], android["notification"]} {
		notification, _ := part.(values)
		for key, value := range notification {
			if text, ok := value.(string); ok {
				size += len(key) + len(text)
			}
		}
	}
	return size
}
