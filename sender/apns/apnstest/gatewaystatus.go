// This file models the statuses of the error packet: "Binary Provider API", codes in the error-response packet. A script is
// written in the words of either protocol; a reason that only HTTP/2 knows is answered with the status that says the same,
// and a token that is gone is accepted: the binary protocol says so in its feedback service and nowhere else.

package apnstest

import (
	"net/http"

	"github.com/volleypush/volley/sender/simulator"
)

// The statuses.
const (
	statusProcessing     = 1
	statusMissingToken   = 2
	statusMissingTopic   = 3
	statusMissingPayload = 4
	statusTokenSize      = 5
	statusTopicSize      = 6
	statusPayloadSize    = 7
	statusInvalidToken   = 8
	statusShutdown       = 10
	statusProtocol       = 128
	statusUnknown        = 255
)

// statusName is the ledger's word for a status.
func statusName(status int) string {
	switch status {
	case statusProcessing:
		return "ProcessingError"
	case statusMissingToken:
		return "MissingDeviceToken"
	case statusMissingTopic:
		return "MissingTopic"
	case statusMissingPayload:
		return "MissingPayload"
	case statusTokenSize:
		return "InvalidTokenSize"
	case statusTopicSize:
		return "InvalidTopicSize"
	case statusPayloadSize:
		return "InvalidPayloadSize"
	case statusInvalidToken:
		return "InvalidToken"
	case statusShutdown:
		return "Shutdown"
	case statusProtocol:
		return "ProtocolError"
	}
	return "Unknown"
}

// statusOfReason is the status for a reason of either protocol; 0 is an acceptance.
func statusOfReason(reason string) int {
	switch reason {
	case "", "Unregistered", "ExpiredToken":
		return 0
	case "ProcessingError", "InternalServerError", "ServiceUnavailable", "TooManyRequests":
		return statusProcessing
	case "MissingDeviceToken":
		return statusMissingToken
	case "MissingTopic":
		return statusMissingTopic
	case "MissingPayload", "PayloadEmpty":
		return statusMissingPayload
	case "InvalidTokenSize":
		return statusTokenSize
	case "InvalidTopicSize", "BadTopic", "TopicDisallowed":
		return statusTopicSize
	case "InvalidPayloadSize", "PayloadTooLarge":
		return statusPayloadSize
	case "InvalidToken", "BadDeviceToken", "DeviceTokenNotForTopic":
		return statusInvalidToken
	case "Shutdown":
		return statusShutdown
	case "ProtocolError":
		return statusProtocol
	}
	return statusUnknown
}

// statusOfAnswer is the status of a scripted answer; 0 is an acceptance.
func statusOfAnswer(a *simulator.Answer) int {
	switch {
	case a.Packet != nil && a.Packet.Status != nil:
		return *a.Packet.Status
	case a.Reason != "":
		return statusOfReason(a.Reason)
	case a.Status != 0 && a.Status != http.StatusOK:
		return statusOfReason(reasonOf(a.Status))
	case a.Packet != nil && !a.Packet.Omit:
		return statusInvalidToken
	}
	return 0
}

// isGone says whether the answer is that of a token that is gone.
func isGone(a *simulator.Answer) bool {
	return a.Reason == "Unregistered" || a.Reason == "ExpiredToken" || a.Reason == "" && a.Status == http.StatusGone
}
