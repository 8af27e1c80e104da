// This file models a call of FCM HTTP v1: Google, REST reference "projects.messages.send" and "Authorize send requests":
// the bearer token, the project it is good for, validate_only, and the name in the answer. Not modelled: the v1 call's
// query parameters, the mTLS endpoint, permissions finer than "the token belongs to the project".

package gcmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/volleypush/volley/sender/simulator"
)

func (s *Server) serveV1(w http.ResponseWriter, r *http.Request, project string, body []byte) {
	call := s.readV1(body)
	line := simulator.Notification{
		Platform: simulator.GCM, Protocol: "v1", Token: call.target, Headers: simulator.Headers(r.Header), Body: simulator.Body(body),
		Status: http.StatusOK, DryRun: call.validateOnly, At: s.options.Now(),
	}
	fault := s.authorize(r.Header, project)
	if fault == nil {
		fault = call.fault
	}
	var answer simulator.Answer
	if fault == nil {
		answer, _ = s.options.Scripts.Answer(simulator.GCM, call.target)
		fault = scriptedFault(&answer)
	}
	if fault != nil {
		line.Status, line.Reason = fault.status, fault.word
	}
	s.options.Ledger.Add(line)
	answer.Wait(r.Context())
	answer.SetHeaders(w.Header())
	switch {
	case answer.Body != "":
		w.WriteHeader(fault.status)
		_, _ = io.WriteString(w, answer.Body) // the client has gone, here and below
	case fault != nil:
		fault.write(w)
	default:
		id := "fake_message_id"
		if !call.validateOnly {
			id = fmt.Sprintf("0:%d%%%016x", s.options.Now().UnixMicro(), s.sequence.Add(1))
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_, _ = io.WriteString(w, "{\n  \"name\": \"projects/"+project+"/messages/"+id+"\"\n}\n")
	}
}

// authorize judges the bearer token and the project.
func (s *Server) authorize(h http.Header, project string) *fault {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	granted, ok := s.projectOfToken(token)
	switch {
	case !strings.EqualFold(scheme, "bearer") || !ok:
		return faultOf("UNAUTHENTICATED")
	case !s.knowsProject(project):
		return faultOf("NOT_FOUND")
	case granted != project:
		return faultOf("PERMISSION_DENIED")
	}
	return nil
}

// v1Call is a v1 request as far as it could be read.
type v1Call struct {
	target       string
	validateOnly bool
	fault        *fault
}

func (s *Server) readV1(body []byte) v1Call {
	if _, err := members(body); err != nil {
		f := faultOf("BAD_REQUEST")
		f.message, f.details = "Invalid JSON payload received. "+err.Error(), nil
		return v1Call{fault: f}
	}
	reader := &reader{}
	request := reader.object(json.RawMessage(body), "", s.message)
	message, _ := request["message"].(values)
	call := v1Call{}
	call.validateOnly, _ = request["validate_only"].(bool)
	for _, name := range targetNames() {
		if target, given := message[name].(string); given {
			call.target = target
		}
	}
	if len(reader.faults) > 0 {
		call.fault = badRequest(reader.faults)
		return call
	}
	call.fault = checkMessage(message)
	return call
}
