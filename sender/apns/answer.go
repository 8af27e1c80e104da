package apns

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/volleypush/volley/sender"
)

// maxRetryAfter bounds what a Retry-After may ask for.
const maxRetryAfter = 24 * time.Hour

// reply is an answer of the provider.
type reply struct {
	// status is the HTTP status.
	status int
	// id, retryAfter and date are headers; body is the body if it has at most maxBody bytes.
	id, retryAfter, date string
	body                 []byte
}

// isAcceptance says whether an HTTP status accepts the notification.
func isAcceptance(status int) bool { return status >= 200 && status < 300 }

// outcome classifies a reply (apns-http2 §9, §10).
func (r reply) outcome(shared *headers, now time.Time) sender.Outcome {
	if isAcceptance(r.status) {
		return sender.Outcome{Class: sender.Accepted, Status: r.status, ProviderID: r.id}
	}
	shared.skew.note(r.date, now)
	name, at := readAnswer(r.body)
	reason, known := table[name]
	switch {
	case isOurs(name):
		reason = Unknown("", r.status)
	case !known:
		reason = Unknown(name, r.status)
	case name == jobTopicDisallowed.Name && shared.ownTopic:
		reason = jobTopicDisallowed
	}
	out := sender.Failed(reason, r.status)
	out.RetryAfter = parseRetryAfter(r.retryAfter, now)
	if reason.Class == sender.Expired {
		out.Timestamp = at
	}
	return out
}

// isOurs says whether a name is one of our own rows, which no provider may choose.
func isOurs(name string) bool {
	switch name {
	case MalformedToken, MissingVariable, ConnectionFailed, ServerNotTrusted, CertificateRefused, ConnectionLost, GoAway, RefusedStream,
		NotBegun, Paced, AnswerLost, AnswerTimeout, AnswerNotAwaited, WriteFailed, Unsendable, UnsendableApp, FeedbackService:
		return true
	}
	return false
}

// goAwayReason is the row for requests that a GOAWAY leaves out: a credential reason in its debug data is how Apple says
// that a certificate is of the other environment. The data is not always JSON.
func goAwayReason(debug []byte) *sender.Reason {
	var said struct{ Reason string }
	if json.Unmarshal(debug, &said) == nil {
		if r, ok := table[said.Reason]; ok && r.Class == sender.Credential && !isOurs(said.Reason) {
			return r
		}
	}
	return Reason(GoAway)
}

// readAnswer reads the body of a refusal: {"reason": …, "timestamp": milliseconds}. Anything else (empty, HTML, JSON of
// another form) gives no reason, and the status has to do.
func readAnswer(body []byte) (reason string, at time.Time) {
	var answer struct {
		Reason    string          `json:"reason"`
		Timestamp json.RawMessage `json:"timestamp"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", time.Time{}
	}
	if ms, err := strconv.ParseInt(string(answer.Timestamp), 10, 64); err == nil && ms > 0 {
		at = time.UnixMilli(ms)
	}
	return answer.Reason, at
}

// parseRetryAfter reads both forms of the header, seconds and an HTTP date; 0 for anything else and for the past. Apple
// documents no Retry-After; it is honoured if it comes.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
