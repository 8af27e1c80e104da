package gcm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

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
		row.Description = fmt.Sprintf("Google refused %s: %s. %s", t.who(), detail, refusalRemedy(refused, time.Now()))
		o = sender.Failed(&row, status)
	}
	o.RetryAfter = parseRetryAfter(refused.Response.Header.Get("Retry-After"), t.config.Now())
	return o
}

// maxSkew is how far this machine's clock may be from the token endpoint's before that is named as the cause of a refusal. Google does
// not say what it allows; answers come within seconds.
const maxSkew = 30 * time.Second

// refusalRemedy says what to do about a refused credential. The clock is compared with the answer's Date, because Google's text for a wrong
// clock is the same as for other faults of an assertion. now is this machine's time, by which x/oauth2 dates its assertions.
func refusalRemedy(refused *oauth2.RetrieveError, now time.Time) string {
	if date, err := http.ParseTime(refused.Response.Header.Get("Date")); err == nil {
		switch skew := now.Sub(date).Round(time.Second); {
		case skew > maxSkew:
			return fmt.Sprintf("This machine's clock is %s ahead of Google's: set it right, for example with NTP", skew)
		case skew < -maxSkew:
			return fmt.Sprintf("This machine's clock is %s behind Google's: set it right, for example with NTP", -skew)
		}
	}
	code, text := tokenError(refused)
	switch {
	case code == "invalid_grant" && strings.Contains(text, "iat"):
		return "This machine's clock is probably wrong: set it right, for example with NTP"
	case code == "invalid_grant":
		return "The key was deleted or the account disabled: put a new JSON key of an enabled service account in the file's place"
	}
	return "Check that the account exists and that its key was not deleted"
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
