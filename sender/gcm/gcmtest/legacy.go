// This file models a call of the legacy protocol: Google, "Firebase Cloud Messaging HTTP protocol" (syntax of the
// downstream message, interpreting the response, error response codes): key= authorization, 401 with a page of HTML,
// 400 in plain text, one result per registration ID in order, canonical IDs, the reply to a topic without results, and
// a multicast_id that does not fit a double. Not modelled: the form-encoded variant, device groups, notification_key.
// The service answers 404 to everybody today; a rule of 100 percent with status 404 does that.

package gcmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/volleypush/volley/sender/simulator"
)

// multicastBase is beyond 2^53: a client that reads a multicast_id as a double gets another number.
const multicastBase = 1<<61 + 1

// legacyResult is one element of results, and the whole reply to a topic.
type legacyResult struct {
	MessageID      string `json:"message_id,omitempty"`
	RegistrationID string `json:"registration_id,omitempty"`
	Error          string `json:"error,omitempty"`
}

func (s *Server) serveLegacy(w http.ResponseWriter, r *http.Request, body []byte) {
	call, fault := parseLegacy(body)
	line := simulator.Notification{
		Platform: simulator.GCM, Protocol: "legacy", Headers: simulator.Headers(r.Header), Body: simulator.Body(call.message),
		DryRun: call.dryRun, Chunk: len(call.ids), At: s.options.Now(),
	}
	switch {
	case !s.knowsKey(r.Header):
		s.noteAll(line, call, http.StatusUnauthorized, "INVALID_KEY")
		page(w, http.StatusUnauthorized, "INVALID_KEY")
		return
	case !isJSON(r.Header):
		fault = "Content-Type must be application/json"
	}
	if fault != "" {
		s.noteAll(line, call, http.StatusBadRequest, "InvalidParameters")
		plain(w, http.StatusBadRequest, fault)
		return
	}
	if answer, ok := s.wholeAnswer(call); ok {
		s.noteAll(line, call, answer.Status, answer.Reason)
		answer.Wait(r.Context())
		writeWhole(w, &answer)
		return
	}
	s.answerEach(w, r, call, line)
}

func (s *Server) knowsKey(h http.Header) bool {
	key, ok := strings.CutPrefix(h.Get("Authorization"), "key=")
	return ok && key != "" && (len(s.options.APIKeys) == 0 || slices.Contains(s.options.APIKeys, key))
}

func isJSON(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
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

// writeWhole sends an answer to the whole call: HTML where the service answers HTML, else the reason in plain text.
func writeWhole(w http.ResponseWriter, answer *simulator.Answer) {
	answer.SetHeaders(w.Header())
	switch {
	case answer.Body != "":
		w.WriteHeader(answer.Status)
		_, _ = io.WriteString(w, answer.Body) // the client has gone
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden, answer.Status == http.StatusNotFound, answer.Status == http.StatusBadGateway:
		page(w, answer.Status, answer.Reason)
	default:
		plain(w, answer.Status, answer.Reason)
	}
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the client has gone
}

// answerEach gives every recipient its own result.
func (s *Server) answerEach(w http.ResponseWriter, r *http.Request, call *legacyCall, line simulator.Notification) {
	targets := call.targets()
	results := make([]legacyResult, len(targets))
	recipients := make([]simulator.Recipient, len(targets))
	var slowest simulator.Answer
	var success, failure, canonical int
	for i, target := range targets {
		results[i] = s.result(w.Header(), target, call, &slowest)
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
	s.options.Ledger.AddEach(line, recipients)
	slowest.Wait(r.Context())
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if call.isTopic() {
		if results[0].Error != "" {
			_ = encoder.Encode(results[0]) // the client has gone, here and below
			return
		}
		_ = encoder.Encode(map[string]int64{"message_id": s.multicastID()})
		return
	}
	_ = encoder.Encode(struct {
		MulticastID  int64          `json:"multicast_id"`
		Success      int            `json:"success"`
		Failure      int            `json:"failure"`
		CanonicalIDs int            `json:"canonical_ids"`
		Results      []legacyResult `json:"results"`
	}{s.multicastID(), success, failure, canonical, results})
}

// result is what one recipient gets: a fault of the job before one of the recipient before the script.
func (s *Server) result(h http.Header, target string, call *legacyCall, slowest *simulator.Answer) legacyResult {
	if call.word != "" {
		return legacyResult{Error: call.word}
	}
	if !call.isTopic() && !isRegistrationID(target) {
		return legacyResult{Error: "InvalidRegistration"}
	}
	answer, _ := s.options.Scripts.Answer(simulator.GCM, target)
	answer.SetHeaders(h)
	slowest.Latency = max(slowest.Latency, answer.Latency)
	out := legacyResult{RegistrationID: answer.CanonicalID, Error: legacyWord(answer.Reason, call.isTopic())}
	if out.Error == "" {
		out.MessageID = fmt.Sprintf("0:%d%%%016x", s.options.Now().UnixMicro(), s.sequence.Add(1))
	}
	return out
}

func (s *Server) multicastID() int64 { return multicastBase + 2*s.sequence.Add(1) }
