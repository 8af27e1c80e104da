package apns

import (
	"context"
	"strings"

	"github.com/volleypush/volley/sender"
)

// Probe asks Apple whether it takes the credential, by a silent notification to a device token that no device has. nil says that
// it does: Apple then has nothing but the token to complain of. The error says in one sentence what is wrong and what to do; it is a
// *ProbeError if Apple was asked. It takes one connection and one request; Apple counts the bad token, so ask now and then and not in
// a loop. Safe for concurrent use.
func (c *Client) Probe(ctx context.Context) error {
	request := Request{
		Tokens: []string{strings.Repeat("00", 32)}, Payload: []byte(`{"aps":{"content-available":1}}`), PushType: PushTypeBackground, Expiration: ExpireNow(),
	}
	if c.gateway != nil {
		request.PushType = "" // binary has none
	}
	if err := c.Validate(&request); err != nil {
		return err
	}
	var out [1]sender.Outcome
	c.Deliver(ctx, &request, out[:])
	switch out[0].Class {
	case sender.Accepted, sender.Rejected, sender.Expired:
		return nil
	case sender.BadJob, sender.Credential, sender.Transient, sender.Throttled, sender.Unsent, sender.Uncertain, sender.Unset:
	}
	return &ProbeError{Reason: out[0].Reason, text: c.Explain(out[0].Reason)}
}

// ProbeError is what came of a probe that did not succeed.
type ProbeError struct {
	// Reason is the answer. Its class tells a credential that Apple refuses (sender.Credential, sender.BadJob) from a question that
	// was not answered, which says nothing about the credential.
	Reason *sender.Reason
	text   string
}

// Error says what is wrong and what to do.
func (e *ProbeError) Error() string { return e.text }
