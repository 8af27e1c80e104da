package apns

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Request is one rendered notification for many device tokens, or for a channel. It is read-only while it is delivered.
type Request struct {
	// Tokens are the recipients, hex. A malformed one fails alone.
	Tokens []string
	// Channel makes the notification a broadcast to everybody who follows the channel (iOS 18), instead of one to Tokens: its
	// id in base64, as its creation answered. There is one outcome.
	Channel string
	// IDs is the apns-id of each token, a UUID, or the apns-request-id of a broadcast; nil lets Apple invent them.
	IDs []string
	// Payload is the JSON body, as Message.Payload renders it.
	Payload []byte
	// Payloads, if set, is the payload of each token. Payload then stands for all of them: it is what the push type is taken from and what Validate
	// looks at. Of the others only the size is looked at; one that is too large fails alone. A broadcast has none.
	Payloads []string
	// Topic is the app's bundle id, with or without the push type's suffix; "" means Config.Topic.
	Topic string
	// PushType is apns-push-type; "" means PushTypeOf(Payload).
	PushType string
	// Priority is 10, 5 or 1; 0 omits the header (Apple then takes 10), except for background pushes, which must have 5 and get it.
	Priority int
	// Expiration has three states; the zero value omits the header.
	Expiration Expiration
	// CollapseID is at most 64 bytes; "" omits the header.
	CollapseID string
	// BatchSize is the most notifications that are begun together, in one write, before another call gets its turn; 0 means 100.
	BatchSize int
	// ErrorTimeout is how long answers are awaited after the last notification was begun; what is unanswered then is
	// uncertain. 0 means Config.RequestTimeout.
	ErrorTimeout time.Duration
	// Retries is how many connections in a row may fail under the request before its rest is given back, with the binary
	// protocol; 0 means 5, the reference's.
	Retries int
	// NoProviderIDs leaves Outcome.ProviderID empty, which spares a copy of it for each recipient.
	NoProviderIDs bool
	// Proceed is asked before each batch is begun; once it answers false the rest is sender.Unsent (NotBegun). It must answer at
	// once and is called from any goroutine. nil means always.
	Proceed func() bool

	// read is what Validate found in the payload, so that Deliver need not read it again.
	read *reading
}

// payload is what recipient i is sent, if it has one of its own, else the shared one.
func (r *Request) payload(i int, shared string) string {
	if r.Payloads != nil {
		return r.Payloads[i]
	}
	return shared
}

// tooLarge says whether recipient i has a payload of its own that is larger than the limit.
func (r *Request) tooLarge(i, limit int) bool { return r.Payloads != nil && len(r.Payloads[i]) > limit }

// reading is a payload that was read.
type reading struct {
	payload []byte
	valid   bool // it is JSON
	contents
}

// reading reads the payload, unless this very one was read before.
func (r *Request) reading() *reading {
	if r.read != nil && len(r.read.payload) == len(r.Payload) && len(r.Payload) > 0 && &r.read.payload[0] == &r.Payload[0] {
		return r.read
	}
	return &reading{r.Payload, json.Valid(r.Payload), contentsOf(r.Payload)}
}

// Render sets the payload to what the message says; limit and error are those of Message.Payload. What it knows of the payload need not be
// read from it again.
func (r *Request) Render(m *Message, limit int) error {
	payload, err := m.Payload(limit)
	if err != nil {
		return err
	}
	r.Payload, r.read = payload, nil
	if contents, known := m.contents(); known {
		r.read = &reading{payload, true, contents}
	}
	return nil
}

// headers is what all notifications of a request share on the wire, with every default filled in.
type headers struct {
	topic, pushType, priority, expiration, collapseID string
	// channel makes it a broadcast; topic is the bundle id then, and goes into the path.
	channel string
	// skew learns from refusals what time it is at Apple; nil for nobody.
	skew *skew
	// ownTopic says that the topic was chosen by the request, or its suffix by the push type, against the client's.
	ownTopic bool
}

// Validate checks everything about a request that Apple would refuse for every recipient, without sending anything. The
// error is Problems, and each problem's Reason is the row Apple would have answered with. It does not look at the tokens. What it reads
// of the payload is kept in the request, so the payload's bytes must not change between Validate and Deliver.
func (c *Client) Validate(r *Request) error {
	r.read = r.reading()
	_, problems := c.headersOf(r)
	return problems.asError()
}

func (c *Client) headersOf(r *Request) (headers, Problems) {
	if c.gateway != nil {
		_, problems := c.binaryMessage(r)
		return headers{}, problems
	}
	var problems Problems
	h := headers{pushType: r.PushType, expiration: r.Expiration.String(), collapseID: r.CollapseID}
	body, limit := r.reading(), r.payloadLimit()
	if r.Channel != "" {
		c.setBroadcast(&h, r, body.contents, &problems)
	} else {
		h.pushType = either(h.pushType, body.pushType())
		c.setTopic(&h, r, &problems)
		limit = PayloadLimit(h.pushType)
	}
	setPriority(&h, r, &problems)
	switch conflict := body.conflict(h.pushType); {
	case !isWord(h.pushType):
		problems.add("InvalidPushType", "push_type", "must be a word like alert or background")
	case conflict != "" && body.valid:
		problems.add("InvalidPushType", "push_type", conflict)
	}
	if h.pushType == PushTypeLocation && c.key == nil {
		problems.add("InvalidPushType", "push_type", "location needs a provider token (.p8 key); this app uses a certificate")
	}
	if len(r.CollapseID) > MaxCollapseID {
		problems.add("BadCollapseId", "collapse_id", fmt.Sprintf("has %d bytes, at most %d are allowed", len(r.CollapseID), MaxCollapseID))
	} else if !isHeaderText(r.CollapseID) {
		problems.add("BadCollapseId", "collapse_id", "may have visible ASCII characters only")
	}
	switch {
	case len(r.Payload) == 0:
		problems.add("PayloadEmpty", "message", "the payload is empty")
	case len(r.Payload) > limit:
		problems.add("PayloadTooLarge", "message", fmt.Sprintf("the payload has %d bytes, push type %s allows %d", len(r.Payload), clip(h.pushType), limit))
	case !body.valid:
		problems.add("BadRequestPayload", "payload", "not valid JSON")
	}
	if r.Payloads != nil && (r.Channel != "" || len(r.Payloads) != len(r.Tokens)) {
		problems.add("BadRequestPayload", "", fmt.Sprintf("%d payloads for %d recipients", len(r.Payloads), r.recipients()))
	}
	if r.IDs != nil && len(r.IDs) != r.recipients() {
		problems.add("BadMessageId", "", fmt.Sprintf("%d apns-ids for %d recipients", len(r.IDs), r.recipients()))
	}
	return h, problems
}

// HeaderField is one header of a notification.
type HeaderField struct{ Name, Value string }

// fields lists the headers that say something. The provider token is not among them.
func (h *headers) fields(id string) []HeaderField {
	if h.channel != "" {
		return h.broadcastFields(id)
	}
	return given([]HeaderField{
		{"apns-topic", h.topic},
		{"apns-push-type", h.pushType},
		{"apns-priority", h.priority},
		{"apns-expiration", h.expiration},
		{"apns-collapse-id", h.collapseID},
		{"apns-id", id},
	})
}

// given leaves out what says nothing.
func given(all []HeaderField) []HeaderField {
	return slices.DeleteFunc(all, func(f HeaderField) bool { return f.Value == "" })
}

// Path is the path that notification i of the request would go to, which for a device names its token. The error is that of Validate.
func (c *Client) Path(r *Request, i int) (string, error) {
	shared, problems := c.headersOf(r)
	if len(problems) > 0 {
		return "", problems
	}
	return shared.path(r, i), nil
}

// HeaderFields returns the headers that notification i of the request would be sent with, but for the provider token. It sends
// nothing. The error is that of Validate.
func (c *Client) HeaderFields(r *Request, i int) ([]HeaderField, error) {
	shared, problems := c.headersOf(r)
	if len(problems) > 0 {
		return nil, problems
	}
	id := ""
	if r.IDs != nil {
		id = strings.ToLower(r.IDs[i])
	}
	return shared.fields(id), nil
}

func (c *Client) setTopic(h *headers, r *Request, problems *Problems) {
	h.topic = TopicFor(c.topic, h.pushType)
	if r.Topic != "" {
		h.topic = TopicFor(r.Topic, h.pushType)
	}
	h.ownTopic = h.topic != c.topic
	switch {
	case h.topic == "":
		problems.add("MissingTopic", "topic", "is needed: set the app's topic (its bundle id) or the job's")
	case !isHeaderText(h.topic):
		problems.add("BadTopic", "topic", "may have visible ASCII characters only")
	case len(c.topics) > 0 && !slices.Contains(c.topics, h.topic):
		problems.add("TopicDisallowed", "push_type", fmt.Sprintf("%s needs topic %s, which the certificate does not allow; it allows %q", clip(h.pushType), clip(h.topic), c.topics))
	}
}

func setPriority(h *headers, r *Request, problems *Problems) {
	switch r.Priority {
	case 0:
		if h.pushType == PushTypeBackground {
			h.priority = "5"
		}
	case PriorityHigh, PriorityLow, PriorityLowest:
		h.priority = fmt.Sprint(r.Priority)
		if h.pushType == PushTypeBackground && r.Priority != PriorityLow {
			problems.add("BadPriority", "priority", fmt.Sprintf("a background push must have priority 5, not %d", r.Priority))
		}
		if h.pushType == PushTypeLiveActivity && r.Priority == PriorityLowest {
			problems.add("BadPriority", "priority", "a Live Activity push must have priority 10 or 5, not 1")
		}
	default:
		problems.add("BadPriority", "priority", fmt.Sprintf("must be 10, 5 or 1, not %d", r.Priority))
	}
}
