// Package sender holds the vocabulary that both senders answer in: one outcome per recipient, each with a class
// from a closed set. Senders classify; they never retry across calls, never sleep and never log.
package sender

import (
	"time"

	"github.com/volleypush/volley/results"
)

// Class is the closed set of what can become of a recipient. Retry decision, metric label and event all derive from it.
type Class uint8

const (
	// Unset is the zero value; a sender never leaves it behind.
	Unset Class = iota
	// Accepted by the provider (a canonical ID is an acceptance too).
	Accepted
	// Rejected for good for this recipient, in the form of a plain failure.
	Rejected
	// Expired token: the provider says the recipient is gone. Ends in expired_tokens.
	Expired
	// BadJob: the request itself is wrong; every recipient of the job would get the same answer.
	BadJob
	// Credential or configuration of the app is wrong; nothing of this app can be sent until it is mended.
	Credential
	// Transient: the provider could not do it now.
	Transient
	// Throttled: too fast, for this recipient or for the whole app (Reason.Wide).
	Throttled
	// Unsent: certainly not processed by the provider (dial failure, refused stream, stream above GOAWAY's last id). Resending is safe
	// and burns no attempt.
	Unsent
	// Uncertain: the request was written and no answer came.
	Uncertain
)

var classNames = [...]string{"unset", "accepted", "rejected", "expired", "bad_job", "credential", "transient", "throttled", "unsent", "uncertain"}

// String is the metric label of the class.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unset"
}

// Reason is one row of a provider's table: what the provider says, and what follows from it. Rows are shared and read-only.
type Reason struct {
	// Name is the provider's own word ("BadDeviceToken", "UNREGISTERED"), or ours for what the provider did not say.
	Name  string
	Class Class
	// Wide says that the answer concerns the whole app, not the one recipient.
	Wide bool
	// Unasked says that the provider was not asked, for a cause on this side: it says nothing about the provider.
	Unasked bool
	// Floor is the least delay before a retry; zero for none.
	Floor time.Duration
	// Error, Code and Description are the reference's class name, code and text.
	Error       string
	Code        results.Code
	Description string
	Action      results.Action
}

// Outcome is what became of one recipient in one call. The zero Outcome is Unset.
type Outcome struct {
	// Class is Reason.Class, or Accepted with a nil Reason.
	Class Class
	// Reason is nil for Accepted.
	Reason *Reason
	// Status is the HTTP status (or binary status) answered; 0 if none.
	Status int
	// Rank is the place of this answer among those of its call, from 1, by when they came: recipients are not answered in the order in
	// which they were given, and whether a provider went away is seen in what it answered last. 0 for what never left this process, or
	// where no order is known.
	Rank uint32
	// RetryAfter is what the provider asked for; 0 if nothing.
	RetryAfter time.Duration
	// Timestamp is when the provider learned that the token is gone (APNs 410); zero if not said.
	Timestamp time.Time
	// CanonicalID is the registration ID to use from now on; "" if none.
	CanonicalID string
	// ProviderID is the apns-id or FCM name of an accepted recipient; "" if not known.
	ProviderID string
}

// Failed makes the outcome of a reason.
func Failed(r *Reason, status int) Outcome { return Outcome{Class: r.Class, Reason: r, Status: status} }
