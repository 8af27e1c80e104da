package gcm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/volleypush/volley/sender"
)

// What is wrong with a token that was fetched.
var (
	errNoAccessToken = errors.New("the answer has no access_token")
	errTokenEnded    = errors.New("the access token has already ended: check this machine's clock")
)

// failure is the outcome of a recipient for whom no access token could be fetched: Credential if the token endpoint refused the
// account, else Unsent. Its sentence names the account, never the key or the assertion.
func (t *tokens) failure(err error) sender.Outcome {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response == nil {
		row := *reasonsByName[reasonNoAccessToken]
		row.Description += ": " + connectDetail(err)
		return sender.Failed(&row, 0)
	}
	status := refused.Response.StatusCode
	detail := fmt.Sprintf("HTTP %d", status)
	if code, text := tokenError(refused); code != "" {
		detail = plain(code)
		if text != "" {
			detail += " (" + plain(text) + ")"
		}
	}
	var o sender.Outcome
	if status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		row := *reasonsByName[reasonNoAccessToken]
		row.Description += ": the token endpoint answered " + detail
		o = sender.Failed(&row, status)
	} else {
		row := *reasonsByName[reasonAccountRefused]
		row.Description = fmt.Sprintf("Google refused %s: %s. Check that the key was not deleted and that this machine's clock is right", t.who(), detail)
		o = sender.Failed(&row, status)
	}
	o.RetryAfter = parseRetryAfter(refused.Response.Header.Get("Retry-After"), t.config.Now())
	return o
}

func (t *tokens) who() string {
	if t.config.ServiceAccount != nil && t.config.TokenSource == nil {
		return "the service account " + plain(t.config.ServiceAccount.ClientEmail)
	}
	return "the credentials of the token source"
}

// tokenError reads OAuth's error and error_description (RFC 6749 §5.2).
func tokenError(refused *oauth2.RetrieveError) (code, text string) {
	if refused.ErrorCode != "" {
		return refused.ErrorCode, refused.ErrorDescription
	}
	var body struct {
		Error       word `json:"error"`
		Description word `json:"error_description"`
	}
	_ = json.Unmarshal(refused.Body, &body) // HTML has neither
	return string(body.Error), string(body.Description)
}
