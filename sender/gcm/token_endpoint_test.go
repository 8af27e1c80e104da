package gcm

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/sender"
)

func TestTokenEndpointAnswers(t *testing.T) {
	for _, row := range []struct {
		name   string
		status int
		body   string
		class  sender.Class
		reason string
		says   string
	}{
		{
			"key deleted", 400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`, sender.Credential, "ServiceAccountRefused",
			"Google refused the service account sender@demo.example: invalid_grant (Invalid JWT Signature). " +
				"The key was deleted or the account disabled: put a new JSON key of an enabled service account in the file's place",
		},
		{
			"clock, by Google's text", 400, `{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. ` +
				`Check your iat and exp values in the JWT claim."}`, sender.Credential, "ServiceAccountRefused",
			"This machine's clock is probably wrong: set it right, for example with NTP",
		},
		{"client", 401, `{"error":"invalid_client"}`, sender.Credential, "ServiceAccountRefused", "invalid_client"},
		{"403", 403, `<html>`, sender.Credential, "ServiceAccountRefused", "HTTP 403"},
		{"404", 404, `<html>`, sender.Credential, "ServiceAccountRefused", "HTTP 404"},
		{"redirect", 302, ``, sender.Credential, "ServiceAccountRefused", "HTTP 302"},
		{"408", 408, ``, sender.Unsent, "NoAccessToken", "HTTP 408"},
		{"429", 429, `{"error":"rate_limited"}`, sender.Unsent, "NoAccessToken", "rate_limited"},
		{"500", 500, `<html>`, sender.Unsent, "NoAccessToken", "HTTP 500"},
		{"503", 503, ``, sender.Unsent, "NoAccessToken", "HTTP 503"},
		{"not JSON", 200, `<html>`, sender.Unsent, "NoAccessToken", "cannot fetch token"},
		{"no token", 200, `{}`, sender.Unsent, "NoAccessToken", "no access_token"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newTokenServer(t)
			g.fail = func(w http.ResponseWriter) {
				w.Header().Set("Retry-After", "17")
				w.Header().Set("Location", "/elsewhere") // no place for an assertion
				w.WriteHeader(row.status)
				_, _ = io.WriteString(w, row.body)
			}
			out := deliver(t, t.Context(), g.client(t), ids(100)...)
			rest := 0
			for _, o := range out {
				if o.Reason.Name == "Held" {
					rest++
					continue
				}
				if o.Class != row.class || o.Reason.Name != row.reason || !strings.Contains(o.Reason.Description, row.says) {
					t.Fatalf("%+v %+v", o, o.Reason)
				}
				if row.status != 200 && o.RetryAfter != 17*time.Second {
					t.Errorf("retry after %v", o.RetryAfter)
				}
			}
			if rest == 100 || row.class == sender.Unsent && rest > 0 {
				t.Errorf("%d are held", rest)
			}
			for _, r := range g.requests() {
				if r.path != "/token" {
					t.Fatal("a message was sent without a token")
				}
			}
		})
	}
}

func TestTokenEndpointOutOfReach(t *testing.T) {
	g := newTokenServer(t)
	account, err := ParseServiceAccount(accountJSON("https://127.0.0.1:1/token"))
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, g.server, V1, func(c *Config) { c.TokenSource, c.Credential = nil, account })
	if n := count(deliver(t, t.Context(), c, ids(10)...)); n["unsent NoAccessToken"] != 10 {
		t.Error(n)
	}
}
