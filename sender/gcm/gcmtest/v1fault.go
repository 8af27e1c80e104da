// This file models the errors of FCM HTTP v1: Google, "FCM error codes" (ErrorCode), the error model of Google APIs
// (google.rpc.Status with its details) and "Throttling and quotas". Which details accompany which error is as users of
// the service have reported it; the texts for 403, 500 and 503 are not confirmed and nothing should depend on them.

package gcmtest

import (
	"net/http"

	"github.com/volleypush/volley/sender/simulator"
	"github.com/volleypush/volley/sender/simulator/h2sim"
)

const (
	fcmErrorType   = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
	apnsErrorType  = "type.googleapis.com/google.firebase.fcm.v1.ApnsError"
	badRequestType = "type.googleapis.com/google.rpc.BadRequest"
	errorInfoType  = "type.googleapis.com/google.rpc.ErrorInfo"
	quotaType      = "type.googleapis.com/google.rpc.QuotaFailure"

	malformedToken = "The registration token is not a valid FCM registration token"
)

// detail is one element of an error's details.
type detail map[string]any

// fault is an error answer. word is what the ledger calls it: the FcmError code where there is one.
type fault struct {
	word    string
	status  int
	google  string
	message string
	details []detail
	html    bool
}

// violation is one field of a BadRequest detail.
type violation struct {
	Field       string `json:"field,omitempty"`
	Description string `json:"description"`
}

// faultOf is the answer for a word: an FcmError code, or one of the words in the package's documentation. An unknown
// word is an FcmError code that no client knows yet.
func faultOf(word string) *fault {
	code := detail{"@type": fcmErrorType, "errorCode": word}
	switch word {
	case "INVALID_ARGUMENT":
		token := detail{"@type": badRequestType, "fieldViolations": []violation{{Field: "message.token", Description: malformedToken}}}
		return &fault{word, 400, "INVALID_ARGUMENT", malformedToken, []detail{code, token}, false}
	case "INVALID_PAYLOAD":
		code["errorCode"] = "INVALID_ARGUMENT"
		return &fault{word, 400, "INVALID_ARGUMENT", "Request contains an invalid argument.", []detail{code}, false}
	case "BAD_REQUEST":
		return badRequest([]violation{{Field: "message", Description: "Invalid value at 'message'"}})
	case "UNAUTHENTICATED":
		return &fault{word, 401, word, "Request had invalid authentication credentials. Expected OAuth 2 access token.", nil, false}
	case "THIRD_PARTY_AUTH_ERROR":
		apns := detail{"@type": apnsErrorType, "statusCode": 403, "reason": "InvalidProviderToken"}
		return &fault{word, 401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service", []detail{code, apns}, false}
	case "SENDER_ID_MISMATCH":
		return &fault{word, 403, "PERMISSION_DENIED", "SenderId mismatch", []detail{code}, false}
	case "PERMISSION_DENIED":
		permission := errorInfo("IAM_PERMISSION_DENIED", map[string]string{"permission": "cloudmessaging.messages.create"})
		return &fault{word, 403, word, "Permission 'cloudmessaging.messages.create' denied on resource.", []detail{permission}, false}
	case "SERVICE_DISABLED":
		service := errorInfo(word, map[string]string{"service": "fcm.googleapis.com"})
		return &fault{word, 403, "PERMISSION_DENIED", "Firebase Cloud Messaging API is disabled in this project.", []detail{service}, false}
	case "UNREGISTERED":
		return &fault{word, 404, "NOT_FOUND", "Requested entity was not found.", []detail{code}, false}
	case "NOT_FOUND":
		return &fault{word, 404, word, "Requested entity was not found.", nil, false}
	case "QUOTA_EXCEEDED":
		quota := detail{"@type": quotaType, "violations": []map[string]string{{"subject": "device", "description": "Message rate exceeded"}}}
		return &fault{word, 429, "RESOURCE_EXHAUSTED", "Quota exceeded.", []detail{code, quota}, false}
	case "RATE_LIMIT_EXCEEDED":
		limit := errorInfo(word, map[string]string{"quota_limit": "SendsPerMinutePerProject", "quota_unit": "1/min/{project}"})
		text := "Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute'."
		return &fault{word, 429, "RESOURCE_EXHAUSTED", text, []detail{limit}, false}
	case "INTERNAL":
		return &fault{word, 500, word, "Internal error encountered.", []detail{code}, false}
	case "BAD_GATEWAY":
		return &fault{word, 502, "", "Bad Gateway", nil, true}
	case "UNAVAILABLE":
		return &fault{word, 503, word, "The service is currently unavailable.", []detail{code}, false}
	case "DEADLINE_EXCEEDED":
		return &fault{word, 504, word, "Deadline exceeded.", nil, false}
	}
	return &fault{word, 400, "INVALID_ARGUMENT", "Request was refused.", []detail{code}, false}
}

func errorInfo(reason string, metadata map[string]string) detail {
	return detail{"@type": errorInfoType, "reason": reason, "domain": "googleapis.com", "metadata": metadata}
}

// badRequest is what the JSON layer in front of the service answers: fields, and no FcmError.
func badRequest(fields []violation) *fault {
	message := ""
	for i, field := range fields {
		if i > 0 {
			message += "\n"
		}
		message += field.Description
	}
	return &fault{"BAD_REQUEST", 400, "INVALID_ARGUMENT", message, []detail{{"@type": badRequestType, "fieldViolations": fields}}, false}
}

// invalid is what the service itself answers to a message it does not take.
func invalid(field, description string) *fault {
	f := faultOf("INVALID_PAYLOAD")
	f.message = description
	f.details = append([]detail{{"@type": badRequestType, "fieldViolations": []violation{{Field: field, Description: description}}}}, f.details...)
	return f
}

// wordOfStatus is the word for a script that names only a status; the one without details where there is one.
func wordOfStatus(status int) (word string, ok bool) {
	switch status {
	case 400:
		return "INVALID_PAYLOAD", true
	case 401:
		return "UNAUTHENTICATED", true
	case 403:
		return "PERMISSION_DENIED", true
	case 404:
		return "NOT_FOUND", true
	case 429:
		return "QUOTA_EXCEEDED", true
	case 500:
		return "INTERNAL", true
	case 502:
		return "BAD_GATEWAY", true
	case 503:
		return "UNAVAILABLE", true
	case 504:
		return "DEADLINE_EXCEEDED", true
	}
	return "", false
}

// scriptedFault is the error a script asks for; nil for an acceptance.
func scriptedFault(answer *simulator.Answer) *fault {
	if answer.Accepts() {
		return nil
	}
	word, known := v1Word(answer.Reason), true
	if word == "" {
		word, known = wordOfStatus(answer.Status)
	}
	if !known { // a verbatim body, or a status of which the service has no error
		status := max(answer.Status, http.StatusOK)
		return &fault{word: http.StatusText(status), status: status, message: http.StatusText(status), html: true}
	}
	f := faultOf(word)
	if answer.Status != 0 && answer.Status != http.StatusOK { // 200 beside a reason is meant for the legacy protocol
		f.status = answer.Status
	}
	return f
}

// response is the error in the format of Google's APIs.
func (f *fault) response() h2sim.Response {
	if f.html {
		return page(f.status, f.message)
	}
	body := map[string]any{"code": f.status, "message": f.message, "status": f.google}
	if len(f.details) > 0 {
		body["details"] = f.details
	}
	response := encode(f.status, "  ", map[string]any{"error": body})
	if f.word == "UNAUTHENTICATED" {
		response.Header.Set("www-authenticate", `Bearer realm="https://accounts.google.com/"`)
	}
	return response
}
