package gcm

import (
	"errors"
	"strings"

	"github.com/volleypush/volley/sender"
)

// What is wrong with a token that was fetched.
var (
	errNoAccessToken = errors.New("the answer has no access_token")
	errTokenEnded    = errors.New("the access token has already ended: check this machine's clock")
)

// failure is the outcome of a recipient for whom no access token could be fetched: Credential if the credential was refused, else Unsent. seen is
// the refusal, nil for none. The sentence names the credential and shows nothing of it.
func (t *tokens) failure(credential Credential, err error, seen *refusal) sender.Outcome {
	if seen == nil {
		seen = refusalOf(err)
	}
	if seen == nil || seen.later() {
		detail := unreached(err)
		status := 0
		if seen != nil {
			detail, status = "it answered "+seen.detail(), seen.status
		}
		row := *reasonsByName[reasonNoAccessToken]
		row.Description += " from " + credential.from() + ": " + detail
		return t.failed(&row, seen, status)
	}
	row := *reasonsByName[reasonAccountRefused]
	row.Description = credential.explain(seen)
	return t.failed(&row, seen, seen.status)
}

func (t *tokens) failed(row *sender.Reason, seen *refusal, status int) sender.Outcome {
	o := sender.Failed(row, status)
	if seen != nil {
		o.RetryAfter = parseRetryAfter(seen.header.Get("Retry-After"), t.config.Now())
	}
	return o
}

// unreached says why there was no answer, without the names that x/oauth2 puts before its errors.
func unreached(err error) string {
	detail := connectDetail(err)
	for _, name := range []string{"oauth2/google/externalaccount: ", "oauth2/google: ", "oauth2: "} {
		detail = strings.TrimPrefix(detail, name)
	}
	return detail
}
