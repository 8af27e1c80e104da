package apns

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/volleypush/volley/sender"
)

// Broadcasts to the followers of a channel (iOS 18): one request for everybody, apns-http2 §16. They are sent to the push
// hosts like everything else; the channels themselves are managed elsewhere.

// Paths of the two APIs; what follows is the device token, or the bundle id.
const (
	devicePath    = "/3/device/"
	broadcastPath = "/4/broadcasts/apps/"
)

// recipients is how many outcomes the request has.
func (r *Request) recipients() int {
	if r.Channel != "" {
		return 1
	}
	return len(r.Tokens)
}

// payloadLimit is the most bytes of its payload, as far as the request itself says.
func (r *Request) payloadLimit() int {
	if r.Channel != "" {
		return MaxBroadcastPayload
	}
	return PayloadLimit(r.PushType)
}

// path is where notification i goes to.
func (h *headers) path(r *Request, i int) string {
	if h.channel != "" {
		return broadcastPath + h.topic
	}
	return devicePath + r.Tokens[i]
}

// setBroadcast fills in what differs from a notification to devices, and checks it.
func (c *Client) setBroadcast(h *headers, r *Request, body contents, problems *Problems) {
	h.channel = r.Channel
	h.pushType = either(h.pushType, PushTypeLiveActivity)
	// The path takes the bundle id alone; Apple answers TopicDisallowed to a suffix.
	h.topic = strings.TrimSuffix(either(r.Topic, c.topic), topicSuffix(PushTypeLiveActivity))
	h.ownTopic = true // nothing else of the app is affected if the bundle id has no broadcasts
	if _, err := base64.StdEncoding.DecodeString(r.Channel); err != nil {
		problems.add("BadChannelId", "channel", "must be the base64 text that the creation of the channel answered")
	}
	switch {
	case h.topic == "":
		problems.add("MissingTopic", "topic", "is needed: set the app's topic (its bundle id) or the job's")
	case !isBundleID(h.topic):
		problems.add("BadTopic", "topic", "must be a bundle id of letters, digits, dots, hyphens and underscores")
	}
	if h.pushType != PushTypeLiveActivity {
		problems.add("InvalidPushType", "push_type", "must be liveactivity for a channel")
	}
	if body.starts() {
		problems.add("BadRequestPayload", "event", "can't be start for a channel: a broadcast updates or ends an activity")
	}
	if h.collapseID != "" {
		problems.add("BadCollapseId", "collapse_id", "can't go with a channel: a broadcast replaces nothing")
	}
	if len(r.Tokens) > 0 {
		problems.add("BadRequestParams", "ids", "can't go with a channel; send to one or the other")
	}
}

// broadcastFields lists the headers of a broadcast. There is no apns-topic.
func (h *headers) broadcastFields(id string) []HeaderField {
	return given([]HeaderField{
		{"apns-channel-id", h.channel},
		{"apns-push-type", h.pushType},
		{"apns-priority", h.priority},
		{"apns-expiration", h.expiration},
		{"apns-request-id", id},
	})
}

// nameBroadcast sets the provider's id of an accepted broadcast: the apns-request-id that we gave it, which Apple echoes.
func nameBroadcast(r *Request, out []sender.Outcome) {
	if r.Channel != "" && r.IDs != nil && !r.NoProviderIDs && out[0].Class == sender.Accepted {
		out[0].ProviderID = strings.ToLower(r.IDs[0])
	}
}

// isBundleID says whether a topic may stand in a path as it is.
func isBundleID(s string) bool {
	for i := range len(s) {
		c := s[i]
		letterOrDigit := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letterOrDigit && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// Broadcast sends the message to everybody who follows the channel: Send, but for the recipients. The message is the update or the
// end of a Live Activity. The Response has one token, the channel. A channel that stores nothing takes WithExpiration(0) only.
func (c *Client) Broadcast(ctx context.Context, channel string, message *Message, options ...Option) (*Response, error) {
	toChannel := func(o *sendOptions) { o.request.Channel, o.request.Tokens = channel, nil }
	return c.Send(ctx, []string{channel}, message, append(options[:len(options):len(options)], toChannel)...)
}
