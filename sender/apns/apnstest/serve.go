// This file models a device push from request to answer: Apple, "Sending notification requests to APNs" (method, path,
// payload) and "Handling notification responses from APNs" (status, reason, timestamp, apns-id). Apple does not say in
// which order it checks; the order is that of the validating handler in jchambers/pushy. A payload that is not a JSON
// object is answered PayloadEmpty, for which there is no documentation either.

package apnstest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/volleypush/volley/sender/simulator"
	"github.com/volleypush/volley/sender/simulator/h2sim"
)

const (
	devicePath = "/3/device"
	// maxToken is in bytes of the decoded token: Apple's are opaque and of no fixed length, and none is longer.
	maxToken = 100
	// maxPayload and maxVoIPPayload are in bytes of the body.
	maxPayload     = 4096
	maxVoIPPayload = 5120
	// maxRead bounds what is read of a body; beyond that it is too large whatever it says.
	maxRead = 1 << 20
)

// Answer answers one request and writes it to the ledger. The line is written before a scripted latency: a client that
// has left by then was accepted all the same, and that is what a test of lost answers must see.
func (c *connection) Answer(r *h2sim.Request) h2sim.Response {
	to := targetOf(r)
	id, idReason := messageID(r.Header, to.idHeader())
	answer := simulator.Answer{Reason: idReason}
	switch {
	case answer.Reason != "":
	case to.broadcast:
		answer = c.judgeBroadcast(r, to)
	default:
		answer = c.judge(r, to)
	}
	return c.settle(r, id, to, answer)
}

// Early answers where the script says so before the body is here.
func (c *connection) Early(r *h2sim.Request) (h2sim.Response, bool) {
	to := targetOf(r)
	if !to.known || r.Method != http.MethodPost {
		return h2sim.Response{}, false
	}
	answer, ok := c.server.options.Scripts.Early(simulator.APNS, to.token)
	if !ok {
		return h2sim.Response{}, false
	}
	id, _ := messageID(r.Header, to.idHeader())
	return c.settle(r, id, to, answer), true
}

// settle completes the answer, writes the ledger's line, and gives it the form of the wire.
func (c *connection) settle(r *h2sim.Request, id string, to target, answer simulator.Answer) h2sim.Response {
	now := c.server.options.Now()
	refused, hidden := answer.Refuses(), answer.Hidden()
	complete(&answer, now)
	if !refused {
		n := simulator.Notification{Platform: simulator.APNS, Protocol: "http2", Token: to.token, At: now, Status: answer.Status, Reason: answer.Reason}
		if !r.Oversize {
			n.Body = c.body(r.Body)
		}
		if n.Reason == "" && !answer.Accepts() {
			n.Reason = http.StatusText(answer.Status) // a verbatim body: the ledger must not take it for an acceptance
		}
		c.server.options.Ledger.AddRequest(n, r.Header)
	}
	response := respond(h2sim.Field{Name: to.idHeader(), Value: id, Once: true}, &answer)
	if c.server.habits().Environment == simulator.Sandbox {
		response.Header = append(response.Header, h2sim.Field{Name: "apns-unique-id", Value: newMessageID(), Once: true})
	}
	if response.Last = c.follow(&answer); hidden {
		response.Status = 0
	}
	return response
}

// judge goes through the checks; the first that fails is the answer.
func (c *connection) judge(r *h2sim.Request, to target) simulator.Answer {
	refuse := func(reason string) simulator.Answer { return simulator.Answer{Reason: reason} }
	if r.Method != http.MethodPost {
		return refuse("MethodNotAllowed")
	}
	topic := r.Header.Get("apns-topic")
	if topic == "" && c.client.single {
		topic = c.client.topics[0]
	}
	if topic == "" {
		return refuse("MissingTopic")
	}
	if reason := checkHeaders(r.Header); reason != "" {
		return refuse(reason)
	}
	if reason := checkPath(to); reason != "" {
		return refuse(reason)
	}
	answer, scripted := c.server.options.Scripts.Answer(simulator.APNS, to.token)
	if scripted && (!answer.Accepts() || answer.Refuses()) {
		return answer
	}
	pushType := r.Header.Get("apns-push-type")
	reason := c.server.checkTopic(topic, pushType, c.client)
	if reason == "" {
		reason = c.authenticate(r.Header)
	}
	if reason == "" {
		reason = c.checkPayload(r.Body, payloadLimit(pushType))
	}
	if reason != "" {
		return refuse(reason)
	}
	return answer // the acceptance, perhaps late
}

// target is whom a request is for.
type target struct {
	// token is the device token, or the channel of a broadcast.
	token string
	// known says that the path is one of the service's.
	known bool
	// broadcast says that it is one to the followers of a channel of the app bundle.
	broadcast bool
	bundle    string
}

// idHeader is the header with the request's own id.
func (t target) idHeader() string {
	if t.broadcast {
		return "apns-request-id"
	}
	return "apns-id"
}

// targetOf reads the path.
func targetOf(r *h2sim.Request) target {
	if bundle, ok := strings.CutPrefix(r.Path, broadcastPath); ok && r.Query == "" && !strings.Contains(bundle, "/") {
		return target{token: r.Header.Get("apns-channel-id"), known: true, broadcast: true, bundle: bundle}
	}
	rest, ok := strings.CutPrefix(r.Path, devicePath)
	if !ok || rest != "" && rest[0] != '/' || strings.Count(rest, "/") > 1 || r.Query != "" {
		return target{}
	}
	return target{token: strings.TrimPrefix(rest, "/"), known: true}
}

func checkPath(to target) string {
	token := to.token
	switch {
	case !to.known:
		return "BadPath"
	case token == "":
		return "MissingDeviceToken"
	case len(token)%2 != 0 || len(token) > 2*maxToken || strings.Trim(token, "0123456789abcdefABCDEF") != "":
		return "BadDeviceToken"
	}
	return ""
}

// payloadLimit is in bytes of the body.
func payloadLimit(pushType string) int {
	if pushType == "voip" {
		return maxVoIPPayload
	}
	return maxPayload
}

func (c *connection) checkPayload(payload []byte, limit int) string {
	switch {
	case len(payload) == 0:
		return "PayloadEmpty"
	case len(payload) > limit:
		return "PayloadTooLarge"
	case !c.isObject(payload):
		return "PayloadEmpty"
	}
	return ""
}

// isObject says whether a payload is a JSON object. It remembers the last one that was.
func (c *connection) isObject(payload []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.Equal(payload, c.payload) {
		return true
	}
	if !utf8.Valid(payload) || !json.Valid(payload) || bytes.TrimLeft(payload, " \t\r\n")[0] != '{' {
		return false
	}
	c.payload = bytes.Clone(payload)
	return true
}

// body is the ledger's form of a payload.
func (c *connection) body(payload []byte) json.RawMessage {
	c.mu.Lock()
	known := len(payload) > 0 && bytes.Equal(payload, c.payload)
	c.mu.Unlock()
	if known {
		return payload
	}
	return simulator.Body(payload)
}
