// This file models a call of the legacy protocol: Google, "Firebase Cloud Messaging HTTP protocol" (syntax of the
// downstream message, interpreting the response, error response codes): key= authorization, 401 with a page of HTML,
// 400 in plain text, one result per registration ID in order, canonical IDs, the reply to a topic without results, and
// a multicast_id that does not fit a double. Not modelled: the form-encoded variant, device groups, notification_key.
// The service answers 404 to everybody today; a rule of 100 percent with status 404 does that.

package gcmtest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/volleypush/volley/sender/simulator"
	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// multicastBase is beyond 2^53: a client that reads a multicast_id as a double gets another number.
const multicastBase = 1<<61 + 1

// legacyResult is one element of results, and the whole reply to a topic.
type legacyResult struct {
	MessageID      string `json:"message_id,omitempty"`
	RegistrationID string `json:"registration_id,omitempty"`
	Error          string `json:"error,omitempty"`
}

func (s *Server) answerLegacy(r *h2sim.Request) h2sim.Response {
	call, fault := parseLegacy(r.Body)
	line := simulator.Notification{
		Platform: simulator.GCM, Protocol: "legacy", Headers: simulator.Headers(r.Header), Body: simulator.Body(call.message),
		DryRun: call.dryRun, Chunk: len(call.ids), At: s.options.Now(),
	}
	switch {
	case !s.knowsKey(r.Header):
		s.noteAll(line, call, http.StatusUnauthorized, "INVALID_KEY")
		return page(http.StatusUnauthorized, "INVALID_KEY")
	case !isJSON(r.Header):
		fault = "Content-Type must be application/json"
	}
	if fault != "" {
		s.noteAll(line, call, http.StatusBadRequest, "InvalidParameters")
		return plain(http.StatusBadRequest, fault)
	}
	if answer, ok := s.wholeAnswer(call); ok {
		s.noteAll(line, call, answer.Status, answer.Reason)
		return whole(&answer)
	}
	return s.answerEach(call, line)
}

func (s *Server) knowsKey(h h2sim.Fields) bool {
	key, ok := strings.CutPrefix(h.Get("authorization"), "key=")
	return ok && key != "" && (len(s.options.APIKeys) == 0 || slices.Contains(s.options.APIKeys, key))
}

func isJSON(h h2sim.Fields) bool {
	kind, _, _ := strings.Cut(h.Get("content-type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}

// noteAll writes a line for each target of a call that is answered as a whole; one without a token if it has none.
func (s *Server) noteAll(line simulator.Notification, call *legacyCall, status int, reason string) {
	targets := call.targets()
	if len(targets) == 0 {
		targets = []string{""}
	}
	recipients := make([]simulator.Recipient, len(targets))
	for i, target := range targets {
		recipients[i] = simulator.Recipient{Token: target, Status: status, Reason: reason}
	}
	s.options.Ledger.AddEach(line, recipients)
}

// wholeAnswer finds a scripted answer that concerns the whole call: another status than 200, or a verbatim body. Only
// that rule counts as used, because the results of the other recipients are not seen.
func (s *Server) wholeAnswer(call *legacyCall) (simulator.Answer, bool) {
	for _, target := range call.targets() {
		answer, ok := s.options.Scripts.Peek(simulator.GCM, target)
		if !ok || !concernsCall(&answer) {
			continue
		}
		if answer, ok = s.options.Scripts.Answer(simulator.GCM, target); !ok || !concernsCall(&answer) {
			continue // another call took the rule's last time
		}
		if answer.Status == 0 {
			answer.Status = http.StatusOK
		}
		if answer.Reason = legacyWord(answer.Reason, call.isTopic()); answer.Reason == "" {
			answer.Reason = reasonOfStatus(answer.Status)
		}
		return answer, true
	}
	return simulator.Answer{}, false
}

func concernsCall(answer *simulator.Answer) bool {
	return answer.Body != "" || answer.Status != 0 && answer.Status != http.StatusOK
}

// reasonOfStatus names what a script only gives a status for.
func reasonOfStatus(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "INVALID_KEY"
	case http.StatusBadRequest:
		return "InvalidParameters"
	case http.StatusInternalServerError:
		return "InternalServerError"
	case http.StatusServiceUnavailable:
		return "Unavailable"
	}
	return http.StatusText(status)
}

// whole is an answer to the whole call: HTML where the service answers HTML, else the reason in plain text.
func whole(answer *simulator.Answer) h2sim.Response {
	var response h2sim.Response
	switch {
	case answer.Body != "":
		response = h2sim.Response{Status: answer.Status, Body: []byte(answer.Body)}
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden, answer.Status == http.StatusNotFound, answer.Status == http.StatusBadGateway:
		response = page(answer.Status, answer.Reason)
	default:
		response = plain(answer.Status, answer.Reason)
	}
	answer.Apply(&response)
	return response
}

func plain(status int, text string) h2sim.Response {
	return simulator.NewResponse(status, "text/plain; charset=UTF-8", []byte(text+"\n"))
}

// answerEach gives every recipient its own result. What scripts say about the answer as a whole adds up; a reset or a
// silence for one recipient is one for all.
func (s *Server) answerEach(call *legacyCall, line simulator.Notification) h2sim.Response {
	targets := call.targets()
	results := make([]legacyResult, len(targets))
	recipients := make([]simulator.Recipient, len(targets))
	var applied h2sim.Response
	var success, failure, canonical int
	hidden, refused := false, false
	for i, target := range targets {
		var answer simulator.Answer
		results[i], answer = s.result(target, call)
		latency, never, reset := applied.Latency, applied.Never, applied.Reset
		answer.Apply(&applied)
		applied.Latency, applied.Never = max(applied.Latency, latency), applied.Never || never
		if applied.Reset == nil {
			applied.Reset = reset
		}
		hidden, refused = hidden || answer.Hidden(), refused || answer.Refuses()
		recipients[i] = simulator.Recipient{Token: target, Status: http.StatusOK, Reason: results[i].Error}
		if results[i].Error != "" {
			failure++
		} else {
			success++
		}
		if results[i].RegistrationID != "" {
			canonical++
		}
	}
	if !refused {
		s.options.Ledger.AddEach(line, recipients)
	}
	response := s.results(call, results, success, failure, canonical)
	applied.Header.Set("content-type", "application/json; charset=UTF-8")
	if applied.Status, applied.Body = response.Status, response.Body; hidden {
		applied.Status = 0
	}
	return applied
}

// results is the answer of a call whose recipients have each got one.
func (s *Server) results(call *legacyCall, results []legacyResult, success, failure, canonical int) h2sim.Response {
	switch {
	case call.isTopic() && results[0].Error != "":
		return encode(http.StatusOK, "", results[0])
	case call.isTopic():
		return encode(http.StatusOK, "", map[string]int64{"message_id": s.multicastID()})
	}
	return encode(http.StatusOK, "", struct {
		MulticastID  int64          `json:"multicast_id"`
		Success      int            `json:"success"`
		Failure      int            `json:"failure"`
		CanonicalIDs int            `json:"canonical_ids"`
		Results      []legacyResult `json:"results"`
	}{s.multicastID(), success, failure, canonical, results})
}

// result is what one recipient gets: a fault of the job before one of the recipient before the script.
func (s *Server) result(target string, call *legacyCall) (legacyResult, simulator.Answer) {
	if call.word != "" {
		return legacyResult{Error: call.word}, simulator.Answer{}
	}
	if !call.isTopic() && !isRegistrationID(target) {
		return legacyResult{Error: "InvalidRegistration"}, simulator.Answer{}
	}
	answer, _ := s.options.Scripts.Answer(simulator.GCM, target)
	out := legacyResult{RegistrationID: answer.CanonicalID, Error: legacyWord(answer.Reason, call.isTopic())}
	if out.Error == "" {
		out.MessageID = s.messageID()
	}
	return out, answer
}

func (s *Server) multicastID() int64 { return multicastBase + 2*s.sequence.Add(1) }
