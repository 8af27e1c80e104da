package results

import (
	"fmt"
	"time"

	"github.com/volleypush/volley/jobs"
)

// Response is what the events of one job add up to: the reference's response object of the job's platform, and what the
// reference has no word for. It is read-only and safe for concurrent use. Unlike jobs.Token it shows recipients in full.
type Response struct {
	// APNS is set for an APNs job, GCM for a GCM job; the other is nil.
	APNS *APNSResponse `json:"apns,omitempty"`
	GCM  *GCMResponse  `json:"gcm,omitempty"`
	// Uncertain are recipients that may or may not have been reached, ascending by index.
	Uncertain []Uncertain `json:"uncertain"`
	// Skipped are recipients that were certainly never sent, one group per why.
	Skipped []Skipped `json:"skipped"`
	// Pending are recipients that have no final place in these events: in a later round, or in an event that is missing.
	Pending jobs.Indexes `json:"pending"`
	// Totals count each recipient once, at its last place. Retries are those of all rounds.
	Totals Totals `json:"totals"`
}

// Complete says whether every recipient of the job has its final place.
func (r *Response) Complete() bool { return len(r.Pending) == 0 }

// APNSResponse is the reference's response to an APNs send. Lists are by position, so that a token that was given twice
// may succeed once and fail once.
type APNSResponse struct {
	// Tokens are the recipients as given.
	Tokens []string `json:"tokens"`
	// Message is the job's message.
	Message jobs.Message `json:"-"`
	// Errors are the failures in the order in which they became known.
	Errors []*RecipientError `json:"errors"`
	// Failures are the tokens of Errors, in the same order.
	Failures []string `json:"failures"`
	// Successes are the accepted tokens in the order of Tokens.
	Successes []string `json:"successes"`
	// TokenErrors holds the last error of each failed token.
	TokenErrors map[string]*RecipientError `json:"token_errors"`
}

// GCMResponse is the reference's response to a GCM send. Lists are by position; see APNSResponse.
type GCMResponse struct {
	// RegistrationIDs are the recipients as given.
	RegistrationIDs []string `json:"registration_ids"`
	// Successes are the accepted registration IDs, those with a canonical ID included, in the order of RegistrationIDs.
	Successes []string `json:"successes"`
	// Failures are the registration IDs of Errors, in the same order.
	Failures []string `json:"failures"`
	// Errors are the failures in the order in which they became known.
	Errors []*RecipientError `json:"errors"`
	// CanonicalIDs are ascending by index.
	CanonicalIDs []CanonicalID `json:"canonical_ids"`
}

// RecipientError is one recipient's failure: the reference's exception as a Go error.
type RecipientError struct {
	// Index is the position in the job's ids, which the reference calls identifier.
	Index int `json:"index"`
	// Name is the reference's class name, Code and Description belong to it.
	Name        string `json:"error"`
	Code        Code   `json:"code,omitempty"`
	Description string `json:"description,omitempty"`
	// Reason is what the provider said, Status its status, Action what to do about it.
	Reason string `json:"reason"`
	Status int    `json:"status,omitempty"`
	Action Action `json:"action"`
	// Expired says that the provider reported the recipient as gone, Since when; zero if it did not say.
	Expired bool      `json:"expired,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// Error is the text of the reference's exception: "APNSInvalidTokenError (code=8): Invalid token for identifier 3". It
// names the position, never the token.
func (e *RecipientError) Error() string {
	switch {
	case e.Description == "":
		return fmt.Sprintf("%s (%s) for identifier %d", e.Name, e.Reason, e.Index)
	case e.Code == "":
		return fmt.Sprintf("%s: %s for identifier %d", e.Name, e.Description, e.Index)
	}
	return fmt.Sprintf("%s (code=%s): %s for identifier %d", e.Name, string(e.Code), e.Description, e.Index)
}

func newError(f *Failure) *RecipientError {
	return &RecipientError{
		Index: f.Index, Name: f.Error, Code: f.Code, Description: f.Description, Reason: f.Reason, Status: f.Status, Action: f.Action,
	}
}

func newExpired(x *ExpiredToken) *RecipientError {
	e := newError(&x.Failure)
	e.Expired = true
	switch {
	case x.TimestampMS != 0:
		e.Since = time.UnixMilli(x.TimestampMS).UTC()
	case x.Timestamp != 0:
		e.Since = time.Unix(x.Timestamp, 0).UTC()
	}
	return e
}
