// This file models the answers: Apple, "Handling notification responses from APNs", tables of status codes and reasons.
// Success is 200 with an empty body; an error is a JSON object with the reason, and with the time in milliseconds
// beside 410.

package apnstest

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/volleypush/volley/sender/simulator"
	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// statusOf is the status Apple lists for a reason. A script may name a reason that is not listed: 400.
func statusOf(reason string) int {
	switch reason {
	case "BadCertificate", "BadCertificateEnvironment", "ExpiredProviderToken", "Forbidden", "InvalidProviderToken",
		"MissingProviderToken", "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken", "TopicMismatch":
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

// respond puts a complete answer into a response.
func respond(id h2sim.Field, answer *simulator.Answer) h2sim.Response {
	r := h2sim.Response{Status: answer.Status, Header: make(h2sim.Fields, 0, 4), Body: []byte(answer.Body)}
	r.Header = append(r.Header, id)
	if answer.Reason != "" && len(r.Body) == 0 {
		r.Header = append(r.Header, h2sim.Field{Name: "content-type", Value: "application/json"})
		fault := struct {
			Reason    string `json:"reason"`
			Timestamp int64  `json:"timestamp,omitempty"`
		}{Reason: answer.Reason}
		if answer.Status == http.StatusGone {
			fault.Timestamp = answer.TimestampMS
		}
		r.Body, _ = json.Marshal(fault)
	}
	answer.Apply(&r)
	return r
}
