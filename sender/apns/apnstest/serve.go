// This file models a device push from request to answer: Apple, "Sending notification requests to APNs" (method, path,
// payload) and "Handling notification responses from APNs" (status, reason, timestamp, apns-id). Apple does not say in
// which order it checks; the order is that of the validating handler in jchambers/pushy. A payload that is not a JSON
// object is answered PayloadEmpty, for which there is no documentation either.

package apnstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/volleypush/volley/sender/simulator"
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

// serve answers one request and writes it to the ledger. The line is written before a scripted latency: a client that
// has left by then was accepted all the same, and that is what a test of lost answers must see.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	n := simulator.Notification{Platform: simulator.APNS, Protocol: "http2", Headers: simulator.Headers(r.Header), At: s.options.Now()}
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxRead+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client reset the stream: the service never had the whole request
	}
	if len(payload) <= maxRead {
		n.Body = simulator.Body(payload)
	}
	token, hasToken := deviceToken(r)
	n.Token = token
	id, idReason := messageID(r.Header)

	answer := simulator.Answer{Reason: idReason}
	if answer.Reason == "" {
		answer = s.judge(r, token, hasToken, payload)
	}
	complete(&answer, s.options.Now())
	n.Status, n.Reason = answer.Status, answer.Reason
	if n.Reason == "" && !answer.Accepts() {
		n.Reason = http.StatusText(answer.Status) // a verbatim body: the ledger must not take it for an acceptance
	}
	s.options.Ledger.Add(n)
	answer.Wait(r.Context())
	write(w, id, &answer)
}

// judge goes through the checks; the first that fails is the answer.
func (s *Server) judge(r *http.Request, token string, hasToken bool, payload []byte) simulator.Answer {
	refuse := func(reason string) simulator.Answer { return simulator.Answer{Reason: reason} }
	if r.Method != http.MethodPost {
		return refuse("MethodNotAllowed")
	}
	conn := connectionOf(r)
	certificate := conn.certificate(r.TLS, s.options.Authority)
	topic := r.Header.Get("apns-topic")
	if topic == "" && certificate.single {
		topic = certificate.topics[0]
	}
	if topic == "" {
		return refuse("MissingTopic")
	}
	if reason := checkHeaders(r.Header); reason != "" {
		return refuse(reason)
	}
	if reason := checkPath(hasToken, token); reason != "" {
		return refuse(reason)
	}
	answer, scripted := s.options.Scripts.Answer(simulator.APNS, token)
	if scripted && !answer.Accepts() {
		return answer
	}
	pushType := r.Header.Get("apns-push-type")
	reason := s.checkTopic(topic, pushType, certificate)
	if reason == "" {
		reason = s.authenticate(r.Header, conn, certificate)
	}
	if reason == "" {
		reason = checkPayload(payload, pushType)
	}
	if reason != "" {
		return refuse(reason)
	}
	return answer // the acceptance, perhaps late
}

// deviceToken is what follows /3/device/; ok is false for any other path.
func deviceToken(r *http.Request) (token string, ok bool) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), devicePath)
	if !ok || rest != "" && rest[0] != '/' || strings.Count(rest, "/") > 1 || r.URL.RawQuery != "" {
		return "", false
	}
	return strings.TrimPrefix(rest, "/"), true
}

func checkPath(ok bool, token string) string {
	switch {
	case !ok:
		return "BadPath"
	case token == "":
		return "MissingDeviceToken"
	case len(token)%2 != 0 || len(token) > 2*maxToken || strings.Trim(token, "0123456789abcdefABCDEF") != "":
		return "BadDeviceToken"
	}
	return ""
}

func checkPayload(payload []byte, pushType string) string {
	limit := maxPayload
	if pushType == "voip" {
		limit = maxVoIPPayload
	}
	switch {
	case len(payload) == 0:
		return "PayloadEmpty"
	case len(payload) > limit:
		return "PayloadTooLarge"
	case !utf8.Valid(payload) || !json.Valid(payload) || bytes.TrimLeft(payload, " \t\r\n")[0] != '{':
		return "PayloadEmpty"
	}
	return ""
}
