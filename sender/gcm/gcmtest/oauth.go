// This file models the token endpoint: Google, "Using OAuth 2.0 for Server to Server Applications", sections "Creating a
// JWT", "Making the access token request", "Handling the response" and the list of error codes; RFC 7523 for the grant.
// How far a clock may be off is not documented; a minute is allowed here. Not modelled: the claim sub (impersonation),
// ID tokens, refresh tokens. The texts of error_description are close to the service's and nothing should depend on them.

package gcmtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

const (
	grantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	// maxAssertion is the longest an assertion may claim to be good.
	maxAssertion = time.Hour
	// clockSkew is how far the client's clock may be ahead.
	clockSkew = time.Minute
)

// scopes are the ones that allow sending.
func scopes() []string {
	return []string{"https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"}
}

// oauthError is the endpoint's error object.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func invalidGrant(description string) *oauthError {
	return &oauthError{Error: "invalid_grant", Description: description}
}

func (s *Server) answerToken(r *h2sim.Request) h2sim.Response {
	project, fault := s.exchange(r.Header.Get("content-type"), r.Body)
	response := encode(http.StatusBadRequest, "", fault)
	if fault == nil {
		response = encode(http.StatusOK, "", map[string]any{
			"access_token": s.IssueToken(project),
			"expires_in":   int(s.options.TokenLife / time.Second),
			"token_type":   "Bearer",
		})
	}
	response.Header.Set("cache-control", "no-store")
	response.Header.Set("date", s.options.Now().UTC().Format(http.TimeFormat))
	return response
}

// exchange judges an assertion and returns the project of its account.
func (s *Server) exchange(contentType string, body []byte) (project string, fault *oauthError) {
	kind, _, _ := strings.Cut(contentType, ";")
	form, err := url.ParseQuery(string(body))
	switch {
	case err != nil || strings.TrimSpace(kind) != "application/x-www-form-urlencoded":
		return "", &oauthError{Error: "invalid_request", Description: "the body is not a form"}
	case form.Get("grant_type") != grantType:
		return "", &oauthError{Error: "unsupported_grant_type", Description: "Invalid grant_type: " + form.Get("grant_type")}
	case form.Get("assertion") == "":
		return "", &oauthError{Error: "invalid_request", Description: "Missing required parameter: assertion"}
	}
	return s.verify(form.Get("assertion"))
}

func (s *Server) verify(assertion string) (project string, fault *oauthError) {
	var header struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	var claims struct {
		Iss   string `json:"iss"`
		Scope string `json:"scope"`
		Aud   string `json:"aud"`
		Iat   *int64 `json:"iat"`
		Exp   *int64 `json:"exp"`
	}
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 || !decodePart(parts[0], &header) || !decodePart(parts[1], &claims) {
		return "", invalidGrant("Bad Request")
	}
	s.credentials.mu.RLock()
	account, known := s.credentials.accounts[claims.Iss]
	s.credentials.mu.RUnlock()
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch {
	case header.Alg != "RS256":
		return "", invalidGrant("Invalid JWT: unsupported algorithm " + header.Alg)
	case !known:
		return "", invalidGrant("Invalid grant: account not found")
	case err != nil || header.Kid != "" && header.Kid != account.keyID ||
		rsa.VerifyPKCS1v15(account.public, crypto.SHA256, digest[:], signature) != nil:
		return "", invalidGrant("Invalid JWT Signature.")
	case claims.Aud != s.URL()+tokenPath:
		return "", invalidGrant("Invalid JWT: Failed audience check.")
	case !s.timely(claims.Iat, claims.Exp):
		return "", invalidGrant("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. " +
			"Check your iat and exp values in the JWT claim.")
	case !slices.ContainsFunc(strings.Fields(claims.Scope), func(scope string) bool { return slices.Contains(scopes(), scope) }):
		return "", &oauthError{Error: "invalid_scope", Description: "Invalid OAuth scope or ID token audience provided."}
	}
	return account.project, nil
}

// timely wants now within iat and exp, and those at most an hour apart.
func (s *Server) timely(iat, exp *int64) bool {
	if iat == nil || exp == nil {
		return false
	}
	now, issued, expires := s.options.Now(), time.Unix(*iat, 0), time.Unix(*exp, 0)
	return !issued.After(now.Add(clockSkew)) && expires.After(now) && expires.Sub(issued) <= maxAssertion
}

func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}
