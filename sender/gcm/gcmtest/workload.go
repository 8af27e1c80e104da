// This file models workload identity federation: Google, "Workload identity federation" (obtaining short-lived credentials), the Security
// Token Service's token exchange (RFC 8693) and generateAccessToken of the IAM Credentials API. A subject token is an opaque text that is
// known or not. Not modelled: attribute mappings and conditions, pools of workforces, ID tokens. The texts of errors are close to the
// service's and nothing should depend on them.

package gcmtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

const (
	exchangePath      = "/v1/token"
	impersonatePrefix = "/v1/projects/-/serviceAccounts/"
	impersonateSuffix = ":generateAccessToken"
	exchangeGrant     = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessTokenType   = "urn:ietf:params:oauth:token-type:access_token"
	subjectTokenType  = "urn:ietf:params:oauth:token-type:jwt"
	// cloudScope is what a federated token needs to act as a service account.
	cloudScope = "https://www.googleapis.com/auth/cloud-platform"
)

// workload is a pool with its one provider, and what may be done with its tokens.
type workload struct {
	project, subject string
	// account is the service account to act as; "" if access tokens are given to the workload itself.
	account string
}

// Workload is a workload identity for a client.
type Workload struct {
	// File is the content of its configuration file (external_account). It takes the subject token from the file that was named.
	File []byte
	// SubjectToken is what that file has to hold.
	SubjectToken string
	// Account is the service account that it acts as; "" for none.
	Account string
}

// WorkloadIdentity creates a workload identity pool in the project. Its configuration has the subject token in a file. With
// impersonate it acts as a service account of the project, else for itself.
func (s *Server) WorkloadIdentity(project, subjectFile string, impersonate bool) (*Workload, error) {
	name := strings.ToLower(rand.Text()[:8])
	audience := "//iam.googleapis.com/projects/100000000000/locations/global/workloadIdentityPools/volley-" + name + "/providers/simulated"
	w := workload{project: project, subject: "subject." + rand.Text()}
	file := map[string]any{
		"type":               "external_account",
		"audience":           audience,
		"subject_token_type": subjectTokenType,
		"token_url":          s.URL() + exchangePath,
		"credential_source":  map[string]string{"file": subjectFile},
		"universe_domain":    "googleapis.com",
	}
	if impersonate {
		w.account = "volley-" + name + "@" + project + ".iam.gserviceaccount.com"
		file["service_account_impersonation_url"] = s.URL() + impersonatePrefix + w.account + impersonateSuffix
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("workload identity of project %s: %w", project, err)
	}
	c := &s.credentials
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.workloads == nil {
		c.workloads = map[string]workload{}
	}
	c.workloads[audience] = w
	return &Workload{File: text, SubjectToken: w.subject, Account: w.account}, nil
}

// answerExchange is the Security Token Service.
func (s *Server) answerExchange(r *h2sim.Request) h2sim.Response {
	token, fault := s.exchangeSubject(r.Header.Get("content-type"), r.Body)
	if fault != nil {
		return encode(http.StatusBadRequest, "", fault)
	}
	return encode(http.StatusOK, "", map[string]any{
		"access_token": token, "issued_token_type": accessTokenType, "token_type": "Bearer", "expires_in": int(s.options.TokenLife / time.Second),
	})
}

func (s *Server) exchangeSubject(contentType string, body []byte) (token string, fault *oauthError) {
	kind, _, _ := strings.Cut(contentType, ";")
	form, err := url.ParseQuery(string(body))
	if err != nil || strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
		return "", &oauthError{Error: "invalid_request", Description: "the body is not a form"}
	}
	s.credentials.mu.RLock()
	w, known := s.credentials.workloads[form.Get("audience")]
	s.credentials.mu.RUnlock()
	scope := cloudScope
	if w.account == "" {
		scope = scopes()[0]
	}
	switch {
	case form.Get("grant_type") != exchangeGrant:
		return "", &oauthError{Error: "unsupported_grant_type", Description: "Invalid grant_type: " + form.Get("grant_type")}
	case form.Get("requested_token_type") != accessTokenType:
		return "", &oauthError{Error: "invalid_request", Description: "Invalid value for requested_token_type"}
	case form.Get("subject_token_type") != subjectTokenType:
		return "", &oauthError{Error: "invalid_request", Description: "Invalid value for subject_token_type"}
	case !known:
		return "", &oauthError{
			Error:       "invalid_target",
			Description: "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist.",
		}
	case form.Get("subject_token") != w.subject:
		return "", invalidGrant("The subject token is not one of the provider's")
	case !slices.Contains(strings.Fields(form.Get("scope")), scope):
		return "", &oauthError{Error: "invalid_scope", Description: "Invalid scope"}
	}
	if w.account == "" {
		return s.IssueToken(w.project), nil
	}
	token = "federated." + rand.Text()
	s.credentials.mu.Lock()
	defer s.credentials.mu.Unlock()
	if s.credentials.federated == nil {
		s.credentials.federated = map[string]workload{}
	}
	s.credentials.federated[token] = w
	return token, nil
}

// accountOf reads /v1/projects/-/serviceAccounts/<account>:generateAccessToken.
func accountOf(path string) (account string, ok bool) {
	account, ok = strings.CutPrefix(path, impersonatePrefix)
	if !ok {
		return "", false
	}
	account, ok = strings.CutSuffix(account, impersonateSuffix)
	return account, ok && account != ""
}

// answerImpersonation is the IAM Credentials API.
func (s *Server) answerImpersonation(r *h2sim.Request, account string) h2sim.Response {
	bearer, _ := strings.CutPrefix(r.Header.Get("authorization"), "Bearer ")
	s.credentials.mu.RLock()
	w, known := s.credentials.federated[bearer]
	s.credentials.mu.RUnlock()
	var request struct {
		Scope []string `json:"scope"`
	}
	switch {
	case !known:
		return faultOf("UNAUTHENTICATED").response()
	case w.account != account:
		f := fault{word: "PERMISSION_DENIED", status: http.StatusForbidden, google: "PERMISSION_DENIED"}
		f.message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
		return f.response()
	case json.Unmarshal(r.Body, &request) != nil || !slices.Contains(request.Scope, scopes()[0]):
		return (&fault{word: "INVALID_ARGUMENT", status: http.StatusBadRequest, google: "INVALID_ARGUMENT", message: "Request contains an invalid argument."}).response()
	}
	return encode(http.StatusOK, "  ", map[string]any{
		"accessToken": s.IssueToken(w.project),
		"expireTime":  s.options.Now().Add(s.options.TokenLife).UTC().Format(time.RFC3339),
	})
}
