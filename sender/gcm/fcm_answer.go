package gcm

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/volleypush/volley/sender"
)

// fcmAnswer is any answer of FCM v1: a name, or an error in Google's format (google.firebase.fcm.v1 and google.rpc). Details may be absent, and a front
// end may answer HTML.
type fcmAnswer struct {
	Name  word `json:"name"`
	Error struct {
		Message word              `json:"message"`
		Status  word              `json:"status"`
		Details []json.RawMessage `json:"details"`
	} `json:"error"`
}

// fcmDetail is any of the detail types; Type says which.
type fcmDetail struct {
	Type      string            `json:"@type"`
	ErrorCode string            `json:"errorCode"` // FcmError
	Reason    string            `json:"reason"`    // ErrorInfo (and ApnsError, where it means something else)
	Metadata  map[string]string `json:"metadata"`  // ErrorInfo
	Fields    []struct {
		Field string `json:"field"`
	} `json:"fieldViolations"` // BadRequest
	Violations []struct {
		Subject string `json:"subject"`
	} `json:"violations"` // QuotaFailure
	RetryDelay string `json:"retryDelay"` // RetryInfo
}

// fcmError is what the details of an error come to.
type fcmError struct {
	code    string   // FcmError.errorCode
	info    string   // ErrorInfo.reason
	state   string   // google.rpc status
	message string   // text for people; decides nothing but the shape of a registration ID
	fields  []string // BadRequest
	project bool     // the quota that is exceeded is the project's
	delay   time.Duration
}

// readFCM classifies one answer.
func (d *delivery) readFCM(a answer, id string) sender.Outcome {
	var body fcmAnswer
	trimmed := bytes.TrimSpace(a.body)
	if bytes.HasPrefix(trimmed, []byte("[")) { // some of Google's front ends wrap the error in a list
		var list []json.RawMessage
		if json.Unmarshal(trimmed, &list) == nil && len(list) > 0 {
			trimmed = list[0]
		}
	}
	readable := bytes.HasPrefix(trimmed, []byte("{")) && json.Unmarshal(trimmed, &body) == nil
	if a.status == http.StatusOK {
		if !readable || body.Name == "" {
			// A page that answers 200 to anything is no acceptance.
			return sender.Failed(reasonsByName[reasonAnswerUnreadable], a.status)
		}
		o := sender.Outcome{Class: sender.Accepted, Status: a.status}
		if !d.request.NoProviderIDs {
			o.ProviderID = string(body.Name)
		}
		return o
	}
	e := fcmError{state: string(body.Error.Status), message: string(body.Error.Message)}
	for _, raw := range body.Error.Details {
		e.add(raw)
	}
	row := d.fcmReason(a.status, e, id)
	if row.Class == sender.Credential {
		row = d.inProject(row)
	}
	o := sender.Failed(row, a.status)
	o.RetryAfter = max(a.retryAfter, e.delay)
	return o
}

// inProject is a row about the credential with the project that was asked for: which one is meant is what people look for first.
func (d *delivery) inProject(row *sender.Reason) *sender.Reason {
	named := *row
	named.Description += ". Project: " + d.client.config.ProjectID
	return d.shared(&named)
}

// add reads one detail; one that can't be read is left out.
func (e *fcmError) add(raw json.RawMessage) {
	var detail fcmDetail
	if json.Unmarshal(raw, &detail) != nil {
		return
	}
	_, kind, _ := strings.Cut(detail.Type, "/")
	switch kind {
	case "google.firebase.fcm.v1.FcmError":
		e.code = detail.ErrorCode
	case "google.rpc.ErrorInfo":
		e.info = detail.Reason
		e.project = e.project || strings.Contains(detail.Metadata["quota_unit"], "{project}")
	case "google.rpc.BadRequest":
		for _, f := range detail.Fields {
			e.fields = append(e.fields, f.Field)
		}
	case "google.rpc.QuotaFailure":
		for _, v := range detail.Violations {
			e.project = e.project || strings.HasPrefix(v.Subject, "project:") || strings.HasPrefix(v.Subject, "projects/")
		}
	case "google.rpc.RetryInfo":
		if delay, err := time.ParseDuration(detail.RetryDelay); err == nil {
			e.delay = max(0, min(delay, maxRetryAfter))
		}
	}
}

// fcmReason decides in this order: HTTP status, FcmError code, ErrorInfo reason, google.rpc status, and the text only for the shape of a
// registration ID. A word that contradicts the HTTP status is not believed.
func (d *delivery) fcmReason(status int, e fcmError, id string) *sender.Reason {
	code := e.code
	switch code {
	case "APNS_AUTH_ERROR": // older name
		code = reasonThirdPartyAuth
	case "UNSPECIFIED_ERROR", "FCM_ERROR_CODE_UNSPECIFIED":
		code = ""
	}
	row := fcmRow(code, status)
	if row == nil && code != "" && fcmStatus[code] == 0 && status >= 400 {
		if strings.Contains(code, id) {
			code = ""
		}
		return d.unknown(code, status)
	}
	if row == nil {
		row = fcmRow(e.info, status)
	}
	if row == nil {
		row = fcmRow(e.state, status)
	}
	if row == nil {
		return statusReason(V1, status)
	}
	switch {
	case row.Name == reasonInvalidArgument && e.blamesToken():
		return reasonsByName[reasonInvalidToken]
	case row.Name == reasonQuotaExceeded && e.project:
		return reasonsByName[reasonRateLimit]
	}
	return row
}

// fcmRow is the row of a word that came with that HTTP status; nil if there is none or the two contradict each other. A word of a 4xx is
// believed with its own status or with the general 400, one of a 5xx with any 5xx.
func fcmRow(name string, status int) *sender.Reason {
	own := fcmStatus[name]
	fits := own == status || own/100 == 4 && status == http.StatusBadRequest || own/100 == 5 && status/100 == 5
	if own == 0 || !fits || name == reasonInvalidToken {
		return nil
	}
	return reasonsByName[name]
}

// textInvalidToken is how FCM says that a registration ID has the wrong shape, in the text of an INVALID_ARGUMENT alone.
const textInvalidToken = "registration token is not a valid fcm registration token"

// blamesToken says that an INVALID_ARGUMENT is about the registration ID and nothing else. The same code covers a bad payload, for which
// no registration ID may be given up.
func (e fcmError) blamesToken() bool {
	for _, field := range e.fields {
		if field != "message.token" && field != "message.fid" && field != "token" && field != "fid" {
			return false
		}
	}
	return len(e.fields) > 0 || strings.Contains(strings.ToLower(e.message), textInvalidToken)
}
