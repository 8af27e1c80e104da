package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
)

// askTimeout bounds the question to a provider about one app.
const askTimeout = 30 * time.Second

// prove asks the side's provider, over the connection that it will send on, whether it takes the credential; nobody gets a notification.
// fault says that it does not, doubt that it did not say.
func (s *side) prove(ctx context.Context) (fault, doubt error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if s.apple == nil {
		return s.proveGoogle(ctx)
	}
	err := s.apple.Probe(ctx)
	answer, asked := errors.AsType[*apns.ProbeError](err)
	if err == nil || asked && !refusal(answer.Reason.Class) {
		return nil, err
	}
	return err, nil
}

// refusal says whether an answer is about the credential or the app's settings, and not about the present.
func refusal(c sender.Class) bool { return c == sender.Credential || c == sender.BadJob }

// proveGoogle has Google check a message without delivering it. A topic needs no registration ID. It is no notification: the app's own rate
// does not count it.
func (s *side) proveGoogle(ctx context.Context) (fault, doubt error) {
	prepared, err := s.google.Prepare(&gcm.Message{Topic: new("volley-check"), Data: "check", DryRun: new(true)})
	if err != nil {
		return fmt.Errorf("preparing a dry run: %w", err), nil
	}
	var out [1]sender.Outcome
	s.google.Deliver(ctx, &gcm.Request{Message: prepared}, out[:])
	// These answers are about the message: whoever gives one has taken the credential.
	if slices.Contains([]sender.Class{sender.Accepted, sender.Rejected, sender.Expired, sender.BadJob}, out[0].Class) {
		return nil, nil
	}
	err = errors.New(s.sender.Explain(out[0].Reason))
	if refusal(out[0].Class) {
		return err, nil
	}
	return nil, err
}
