package gcm

import (
	"context"
	"errors"
)

// Authenticate exchanges the credential for an access token, if there is none that serves. nil for a credential that Google takes, and for
// Legacy, which has none. The error says in one sentence what is wrong. Safe for concurrent use.
func (c *Client) Authenticate(ctx context.Context) error {
	if c.tokens == nil {
		return nil
	}
	_, failure := c.token(ctx)
	if failure == nil {
		return nil
	}
	if failure.Reason.Description == "" {
		return errors.New(failure.Reason.Name)
	}
	return errors.New(failure.Reason.Name + " (" + failure.Reason.Description + ")")
}
