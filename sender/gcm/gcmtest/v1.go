// This file models a call of FCM HTTP v1: Google, REST reference "projects.messages.send" and "Authorize send requests":
// the bearer token, the project it is good for, validate_only, and the name in the answer. Not modelled: the v1 call's
// query parameters, the mTLS endpoint, permissions finer than "the token belongs to the project".

package gcmtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/volleypush/volley/sender/simulator"
	"github.com/volleypush/volley/sender/simulator/h2sim"
)

func (s *Server) answerV1(r *h2sim.Request, project string) h2sim.Response {
	call := s.readV1(r.Body)
	line := simulator.Notification{
		Platform: simulator.GCM, Protocol: "v1", Token: call.target, Body: simulator.Body(r.Body),
		Status: http.StatusOK, DryRun: call.validateOnly, At: s.options.Now(),
	}
	fault := s.authorize(r.Header, project)
	if fault == nil {
		fault = s.projectQuota(project)
	}
	if fault == nil {
		fault = call.fault
	}
	if fault == nil && call.device {
		fault = s.deviceQuota(call.target)
	}
	var answer simulator.Answer
	if fault == nil {
		answer, _ = s.options.Scripts.Answer(simulator.GCM, call.target)
		fault = scriptedFault(&answer)
	}
	if fault != nil {
		line.Status, line.Reason = fault.status, fault.word
	}
	if !answer.Refuses() {
		s.options.Ledger.AddRequest(line, r.Header)
	}
	var response h2sim.Response
	switch {
	case answer.Body != "":
		response = h2sim.Response{Status: fault.status, Body: []byte(answer.Body)}
	case fault != nil:
		response = fault.response()
	default:
		id := "fake_message_id"
		if !call.validateOnly {
			id = s.messageID()
		}
		name := "{\n  \"name\": \"projects/" + project + "/messages/" + id + "\"\n}\n"
		response = simulator.NewResponse(http.StatusOK, "application/json; charset=UTF-8", []byte(name))
	}
	if answer.Apply(&response); answer.Hidden() {
		response.Status = 0
	}
	return response
}

// messageID is a new one, of the form both protocols have.
func (s *Server) messageID() string {
	return fmt.Sprintf("0:%d%%%016x", s.options.Now().UnixMicro(), s.sequence.Add(1))
}

// authorize judges the bearer token and the project.
func (s *Server) authorize(h h2sim.Fields, project string) *fault {
	scheme, token, _ := strings.Cut(h.Get("authorization"), " ")
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
	device       bool // the target is one device
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
			call.target, call.device = target, name == "token" || name == "fid"
		}
	}
	if len(reader.faults) > 0 {
		call.fault = badRequest(reader.faults)
		return call
	}
	call.fault = checkMessage(message)
	return call
}
