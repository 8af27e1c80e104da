package gcm

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// AuthError is the reference's GCMAuthError: credentials that are missing or can't be used, found before anything is sent.
type AuthError struct {
	// Problem is a sentence that says what to do.
	Problem string
	cause   error
}

// Error is "GCMAuthError: " and the problem.
func (e *AuthError) Error() string { return authError + ": " + e.Problem }

// Unwrap returns the error beneath, if any: of a file that can't be read, say.
func (e *AuthError) Unwrap() error { return e.cause }

// ServerError is the failure of one recipient: the reference's GCMServerError and its subclasses, by name. Its text never shows the
// registration ID.
type ServerError struct {
	// Index is the recipient's position in the ids given to Send.
	Index int
	// Identifier is the registration ID; Identifier.Reveal() gives its text.
	Identifier jobs.Token
	// Name, Code and Description are the reference's class name, code and text.
	Name        string
	Code        results.Code
	Description string
	// Outcome says what the provider answered, and whether to try again.
	Outcome sender.Outcome
}

// Error has the reference's form, with the position in place of the registration ID.
func (e *ServerError) Error() string {
	text := e.Name
	if e.Code != "" {
		text += " (code=" + string(e.Code) + ")"
	}
	return text + ": " + e.Description + " for recipient " + strconv.Itoa(e.Index)
}

// CanonicalID says that a registration ID has a newer one, to be used from now on.
type CanonicalID struct{ OldID, NewID string }

// Response is what became of a Send, with the views of the reference's GCMResponse. Unlike there, every recipient is in exactly one of
// Successes and Failures, and every failure has its entry in Errors.
type Response struct {
	// Messages are the request bodies, in the order in which their answers came.
	Messages []json.RawMessage
	// RegistrationIDs are all recipients as given; for a topic or condition, that alone.
	RegistrationIDs []string
	// Data are the bodies of the answers with status 200 that are JSON.
	Data []json.RawMessage
	// Successes and Failures are registration IDs, in the order given.
	Successes []string
	Failures  []string
	// Errors is parallel to Failures.
	Errors []*ServerError
	// CanonicalIDs are in the order given. They occur with the legacy protocol only.
	CanonicalIDs []CanonicalID
	// Outcomes is parallel to RegistrationIDs.
	Outcomes []sender.Outcome
}

// Send prepares a message and sends it to the registration IDs, or, with no ids, to the message's topic or condition. The error is a
// jobs.Faults if the message can't be sent as it is, or the context's if it ended; the response is then still complete. What happens to
// single recipients is no error: see Response. Safe for concurrent use.
func (c *Client) Send(ctx context.Context, ids []string, m *Message) (*Response, error) {
	prepared, err := c.Prepare(m)
	if err != nil {
		return nil, err
	}
	r := &Response{RegistrationIDs: slices.Clone(ids)}
	switch {
	case prepared.target == "" && len(ids) == 0:
		return nil, jobs.Faults{{Field: "ids", Problem: "no registration IDs, topic or condition"}}
	case prepared.target != "" && len(ids) > 0:
		return nil, jobs.Faults{{Field: "ids", Problem: "must be empty for a message to a topic or condition"}}
	case prepared.target != "":
		r.RegistrationIDs = []string{prepared.target}
	}
	r.Outcomes = make([]sender.Outcome, len(r.RegistrationIDs))
	var mu sync.Mutex
	c.deliver(ctx, &Request{Tokens: ids, Message: prepared}, r.Outcomes, func(e exchange) {
		mu.Lock()
		defer mu.Unlock()
		r.Messages = append(r.Messages, e.request)
		if e.status == http.StatusOK && json.Valid(e.answer) {
			r.Data = append(r.Data, e.answer)
		}
	})
	for i, o := range r.Outcomes {
		r.add(i, o)
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	return r, nil
}

func (r *Response) add(i int, o sender.Outcome) {
	id := r.RegistrationIDs[i]
	if o.CanonicalID != "" {
		r.CanonicalIDs = append(r.CanonicalIDs, CanonicalID{OldID: id, NewID: o.CanonicalID})
	}
	if o.Class == sender.Accepted {
		r.Successes = append(r.Successes, id)
		return
	}
	r.Failures = append(r.Failures, id)
	r.Errors = append(r.Errors, &ServerError{
		Index: i, Identifier: jobs.NewToken(id),
		Name: o.Reason.Error, Code: o.Reason.Code, Description: o.Reason.Description, Outcome: o,
	})
}

// Err joins Errors into one error; nil if there was no failure.
func (r *Response) Err() error {
	all := make([]error, len(r.Errors))
	for i, err := range r.Errors {
		all[i] = err
	}
	return errors.Join(all...)
}
