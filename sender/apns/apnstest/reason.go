// This file models the answers: Apple, "Handling notification responses from APNs", tables of status codes and reasons.
// Success is 200 with an empty body; an error is a JSON object with the reason, and with the time in milliseconds
// beside 410.

package apnstest

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/volleypush/volley/sender/simulator"
)

// statusOf is the status Apple lists for a reason. A script may name a reason that is not listed: 400.
func statusOf(reason string) int {
	switch reason {
	case "BadCertificate", "BadCertificateEnvironment", "ExpiredProviderToken", "Forbidden", "InvalidProviderToken",
		"MissingProviderToken", "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken":
		return http.StatusForbidden
	case "BadPath":
		return http.StatusNotFound
	case "MethodNotAllowed":
		return http.StatusMethodNotAllowed
	case "ExpiredToken", "Unregistered":
		return http.StatusGone
	case "PayloadTooLarge":
		return http.StatusRequestEntityTooLarge
	case "TooManyProviderTokenUpdates", "TooManyRequests":
		return http.StatusTooManyRequests
	case "InternalServerError":
		return http.StatusInternalServerError
	case "ServiceUnavailable", "Shutdown":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// reasonOf is the reason for a script that names only a status: the commonest one.
func reasonOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "BadDeviceToken"
	case http.StatusForbidden:
		return "InvalidProviderToken"
	case http.StatusNotFound:
		return "BadPath"
	case http.StatusMethodNotAllowed:
		return "MethodNotAllowed"
	case http.StatusGone:
		return "Unregistered"
	case http.StatusRequestEntityTooLarge:
		return "PayloadTooLarge"
	case http.StatusTooManyRequests:
		return "TooManyRequests"
	case http.StatusInternalServerError:
		return "InternalServerError"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailable"
	}
	return ""
}

// complete fills in what a script left out.
func complete(answer *simulator.Answer, now time.Time) {
	switch {
	case answer.Reason != "" && answer.Status == 0:
		answer.Status = statusOf(answer.Reason)
	case answer.Status == 0:
		answer.Status = http.StatusOK
	case answer.Reason == "" && answer.Body == "":
		answer.Reason = reasonOf(answer.Status)
	}
	if answer.Status == http.StatusGone && answer.TimestampMS == 0 {
		answer.TimestampMS = now.UnixMilli()
	}
}

// write sends a complete answer. A client that has gone cannot be told, so errors of writing say nothing.
func write(w http.ResponseWriter, id string, answer *simulator.Answer) {
	w.Header().Set("apns-id", id)
	body := []byte(answer.Body)
	if answer.Reason != "" && len(body) == 0 {
		w.Header().Set("Content-Type", "application/json")
		fault := struct {
			Reason    string `json:"reason"`
			Timestamp int64  `json:"timestamp,omitempty"`
		}{Reason: answer.Reason}
		if answer.Status == http.StatusGone {
			fault.Timestamp = answer.TimestampMS
		}
		body, _ = json.Marshal(fault)
	}
	answer.SetHeaders(w.Header())
	w.WriteHeader(answer.Status)
	_, _ = io.WriteString(w, string(body))
}
