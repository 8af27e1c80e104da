package gcmtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestTokenExchangeRules(t *testing.T) {
	f := start(t, nil)
	made, err := f.WorkloadIdentity(project, "/subject", false)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Audience string `json:"audience"`
	}
	if err := json.Unmarshal(made.File, &file); err != nil {
		t.Fatal(err)
	}
	const form = "application/x-www-form-urlencoded"
	for _, row := range []struct {
		name, kind string
		change     func(url.Values)
		want       string // the error; "" = a token
	}{
		{"good", form, func(url.Values) {}, ""},
		{"another content type", "application/json", func(url.Values) {}, "invalid_request"},
		{"another grant", form, func(v url.Values) { v.Set("grant_type", "password") }, "unsupported_grant_type"},
		{"another token wanted", form, func(v url.Values) { v.Set("requested_token_type", "urn:ietf:params:oauth:token-type:id_token") }, "invalid_request"},
		{"another subject token type", form, func(v url.Values) { v.Set("subject_token_type", "x") }, "invalid_request"},
		{"unknown audience", form, func(v url.Values) { v.Set("audience", "//iam.googleapis.com/x") }, "invalid_target"},
		{"unknown subject token", form, func(v url.Values) { v.Set("subject_token", "x") }, "invalid_grant"},
		{"another scope", form, func(v url.Values) { v.Set("scope", "https://www.googleapis.com/auth/devstorage.read_only") }, "invalid_scope"},
	} {
		t.Run(row.name, func(t *testing.T) {
			values := url.Values{
				"grant_type": {exchangeGrant}, "requested_token_type": {accessTokenType}, "subject_token_type": {subjectTokenType},
				"audience": {file.Audience}, "subject_token": {made.SubjectToken}, "scope": {scopes()[0]},
			}
			row.change(values)
			got := f.do(f.client, http.MethodPost, exchangePath, http.Header{"Content-Type": {row.kind}}, values.Encode())
			if row.want != "" {
				if got.status != http.StatusBadRequest || decode[oauthError](t, got.body).Error != row.want {
					t.Errorf("%d %s", got.status, got.body)
				}
				return
			}
			token := decode[struct {
				AccessToken string `json:"access_token"`
				ExpiresIn   int    `json:"expires_in"`
			}](t, got.body)
			if got.status != http.StatusOK || token.ExpiresIn != 3599 {
				t.Fatalf("%d %s", got.status, got.body)
			}
			header := http.Header{"Authorization": {"Bearer " + token.AccessToken}}
			if got := f.do(f.client, http.MethodPost, "/v1/projects/"+project+"/messages:send", header, `{"message":{"token":"r"}}`); got.status != http.StatusOK {
				t.Errorf("the token is answered with %d %s", got.status, got.body)
			}
		})
	}
}

// A token that may act as an account is for that account alone, and does not send by itself.
func TestImpersonationRules(t *testing.T) {
	f := start(t, nil)
	made, err := f.WorkloadIdentity(project, "/subject", true)
	if err != nil {
		t.Fatal(err)
	}
	file := decode[struct {
		Audience string `json:"audience"`
	}](t, string(made.File))
	values := url.Values{
		"grant_type": {exchangeGrant}, "requested_token_type": {accessTokenType}, "subject_token_type": {subjectTokenType},
		"audience": {file.Audience}, "subject_token": {made.SubjectToken}, "scope": {cloudScope},
	}
	got := f.do(f.client, http.MethodPost, exchangePath, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, values.Encode())
	bearer := "Bearer " + decode[struct {
		AccessToken string `json:"access_token"`
	}](t, got.body).AccessToken
	good := `{"scope":["` + scopes()[0] + `"],"lifetime":"3600s"}`
	for _, row := range []struct {
		name, bearer, account, body string
		want                        int
	}{
		{"good", bearer, made.Account, good, 200},
		{"no token", "", made.Account, good, 401},
		{"another account", bearer, "other@" + project + ".iam.gserviceaccount.com", good, 403},
		{"no scope", bearer, made.Account, `{}`, 400},
		{"not JSON", bearer, made.Account, `x`, 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			header := http.Header{"Authorization": {row.bearer}}
			got := f.do(f.client, http.MethodPost, impersonatePrefix+row.account+impersonateSuffix, header, row.body)
			if got.status != row.want || row.want == 200 && !strings.Contains(got.body, `"expireTime": "2026-11-23T10:59:59Z"`) {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	if got := f.do(f.client, http.MethodPost, "/v1/projects/"+project+"/messages:send", http.Header{"Authorization": {bearer}}, `{"message":{"token":"r"}}`); got.status != 401 {
		t.Errorf("the federated token sends by itself: %d", got.status)
	}
}
