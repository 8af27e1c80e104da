// This file models the publishing of broadcasts (iOS 18): Apple, "Sending broadcast push notification requests to APNs" and
// "Handling error responses from Apple Push Notification service". Apple does not say in which order it checks. Not modelled:
// the creation, reading and deletion of channels, which happens on other hosts (Options.Channels stands for it), publishing budgets, and
// that a stored broadcast is kept for eight hours at most.

package apnstest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/volleypush/volley/sender/simulator"
	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// broadcastPath is followed by the app's bundle id.
const broadcastPath = "/4/broadcasts/apps/"

// maxBroadcastPayload is in bytes of the body.
const maxBroadcastPayload = 5120

// Channel is a broadcast channel.
type Channel struct {
	// ID is what its creation answered, base64.
	ID string
	// Bundle is the app it belongs to.
	Bundle string
	// Stores says that the most recent broadcast is kept for devices that are off; without it the expiration must be 0.
	Stores bool
}

// judgeBroadcast goes through the checks; the first that fails is the answer.
func (c *connection) judgeBroadcast(r *h2sim.Request, to target) simulator.Answer {
	if reason := checkBroadcast(r, to); reason != "" {
		return simulator.Answer{Reason: reason}
	}
	answer, scripted := c.server.options.Scripts.Answer(simulator.APNS, to.token)
	if scripted && (!answer.Accepts() || answer.Refuses()) {
		return answer
	}
	reason := c.authenticateFor(to.bundle, r.Header)
	if reason == "" {
		reason = c.checkPayload(r.Body, maxBroadcastPayload)
	}
	if reason == "" && startsActivity(r.Body) {
		reason = "BadRequestPayload"
	}
	if reason == "" {
		reason = c.server.checkChannel(to, r.Header.Get("apns-expiration"))
	}
	if reason != "" {
		return simulator.Answer{Reason: reason}
	}
	return answer
}

// checkBroadcast judges what does not depend on credentials.
func checkBroadcast(r *h2sim.Request, to target) string {
	h := r.Header
	if r.Method != http.MethodPost {
		return "MethodNotAllowed"
	}
	if hasDuplicates(h) {
		return "DuplicateHeaders"
	}
	_, err := base64.StdEncoding.DecodeString(to.token)
	priority := h.Get("apns-priority")
	switch {
	case to.bundle == "" || !isTopic(to.bundle):
		return "BadPath"
	case simulator.BundleOf(to.bundle) != to.bundle || h.Count("apns-topic") > 0 && h.Get("apns-topic") != to.bundle:
		return "TopicDisallowed"
	case to.token == "":
		return "MissingChannelId"
	case err != nil:
		return "BadChannelId"
	case h.Count("apns-push-type") == 0:
		return "MissingPushType"
	case !strings.EqualFold(h.Get("apns-push-type"), "liveactivity"):
		return "InvalidPushType"
	case h.Count("apns-expiration") > 0 && !isExpiration(h.Get("apns-expiration")):
		return "BadExpirationDate"
	case h.Count("apns-priority") > 0 && priority != "10" && priority != "5" && priority != "1":
		return "BadPriority"
	}
	return ""
}

// authenticateFor judges the credential, and whether it may send for the app.
func (c *connection) authenticateFor(bundle string, h h2sim.Fields) string {
	if reason := c.authenticate(h); reason != "" {
		return reason
	}
	if c.client.presented && !slices.Contains(c.client.topics, bundle) ||
		!c.client.presented && len(c.server.options.Topics) > 0 && !c.server.permits(bundle) {
		return "TopicMismatch"
	}
	return ""
}

// startsActivity says whether a payload would start an activity, which a broadcast can't.
func startsActivity(payload []byte) bool {
	var said struct {
		APS struct {
			Event string `json:"event"`
		} `json:"aps"`
	}
	return json.Unmarshal(payload, &said) == nil && said.APS.Event == "start"
}

// checkChannel looks the channel up.
func (s *Server) checkChannel(to target, expiration string) string {
	if len(s.options.Channels) == 0 {
		return ""
	}
	i := slices.IndexFunc(s.options.Channels, func(c Channel) bool { return c.ID == to.token && c.Bundle == to.bundle })
	switch {
	case i < 0:
		return "ChannelNotRegistered"
	case !s.options.Channels[i].Stores && expiration != "" && expiration != "0":
		return "BadExpirationDate"
	}
	return ""
}
