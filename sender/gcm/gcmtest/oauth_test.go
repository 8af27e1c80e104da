package gcmtest

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"
)

// keyFile is what a service account's key file says.
type keyFile struct {
	Type         string `json:"type"`
	ProjectID    string `json:"project_id"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	ClientEmail  string `json:"client_email"`
	TokenURI     string `json:"token_uri"`
}

func (f *fixture) account(project string) keyFile {
	f.t.Helper()
	file, err := f.ServiceAccount(project)
	if err != nil {
		f.t.Fatal(err)
	}
	return decode[keyFile](f.t, string(file))
}

// A library that the server does not use gets a token, and the token sends.
func TestServiceAccountWithGooglesLibrary(t *testing.T) {
	f := start(t, func(o *Options) { o.Now = time.Now })
	account := f.account(project)
	if account.Type != "service_account" || account.ProjectID != project || account.TokenURI != f.URL()+"/token" {
		t.Errorf("key file %+v", account)
	}
	config := &jwt.Config{
		Email: account.ClientEmail, PrivateKey: []byte(account.PrivateKey), PrivateKeyID: account.PrivateKeyID,
		Scopes: []string{"https://www.googleapis.com/auth/firebase.messaging"}, TokenURL: account.TokenURI,
	}
	token, err := config.TokenSource(context.WithValue(t.Context(), oauth2.HTTPClient, f.client)).Token()
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(token.Expiry); left < 58*time.Minute || left > time.Hour || token.Type() != "Bearer" {
		t.Errorf("a %s token for %s", token.Type(), left)
	}
	header := http.Header{"Authorization": {"Bearer " + token.AccessToken}}
	if got := f.do(f.client, http.MethodPost, "/v1/projects/"+project+"/messages:send", header, `{"message":{"token":"r"}}`); got.status != 200 {
		t.Errorf("the token is answered with %d %s", got.status, got.body)
	}
	if f.Issued() != 1 {
		t.Errorf("%d tokens were issued", f.Issued())
	}
}

func TestAssertionRules(t *testing.T) {
	f := start(t, nil)
	account, other := f.account(project), start(t, nil).account(project)
	type set = func(header map[string]any, claims gojwt.MapClaims)
	at := func(issued, expires time.Duration) set {
		return func(_ map[string]any, c gojwt.MapClaims) {
			c["iat"], c["exp"] = now.Add(issued).Unix(), now.Add(expires).Unix()
		}
	}
	claim := func(name string, value any) set { return func(_ map[string]any, c gojwt.MapClaims) { c[name] = value } }
	tests := []struct {
		name  string
		key   string
		set   set
		fault string
	}{
		{name: "good"},
		{name: "cloud-platform", set: claim("scope", "openid https://www.googleapis.com/auth/cloud-platform")},
		{name: "other scope", set: claim("scope", "https://www.googleapis.com/auth/drive"), fault: "invalid_scope"},
		{name: "no scope", set: claim("scope", ""), fault: "invalid_scope"},
		{name: "other audience", set: claim("aud", "https://oauth2.googleapis.com/token"), fault: "invalid_grant"},
		{name: "unknown account", set: claim("iss", "nobody@example.com"), fault: "invalid_grant"},
		{name: "other key id", set: func(h map[string]any, _ gojwt.MapClaims) { h["kid"] = other.PrivateKeyID }, fault: "invalid_grant"},
		{name: "no key id", set: func(h map[string]any, _ gojwt.MapClaims) { delete(h, "kid") }},
		{name: "other algorithm named", set: func(h map[string]any, _ gojwt.MapClaims) { h["alg"] = "RS512" }, fault: "invalid_grant"},
		{name: "signed by another key", key: other.PrivateKey, fault: "invalid_grant"},
		{name: "an hour", set: at(0, time.Hour)},
		{name: "over an hour", set: at(0, time.Hour+time.Second), fault: "invalid_grant"},
		{name: "last second", set: at(-time.Hour+time.Second, time.Second)},
		{name: "expired", set: at(-time.Hour, 0), fault: "invalid_grant"},
		{name: "clock ahead, tolerated", set: at(time.Minute, time.Hour)},
		{name: "clock ahead", set: at(time.Minute+time.Second, time.Hour), fault: "invalid_grant"},
		{name: "no iat", set: func(_ map[string]any, c gojwt.MapClaims) { delete(c, "iat") }, fault: "invalid_grant"},
		{name: "no exp", set: func(_ map[string]any, c gojwt.MapClaims) { delete(c, "exp") }, fault: "invalid_grant"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token := gojwt.NewWithClaims(gojwt.SigningMethodRS256, gojwt.MapClaims{
				"iss": account.ClientEmail, "scope": "https://www.googleapis.com/auth/firebase.messaging", "aud": account.TokenURI,
				"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
			})
			token.Header["kid"] = account.PrivateKeyID
			if test.set != nil {
				test.set(token.Header, token.Claims.(gojwt.MapClaims)) //nolint:forcetypeassert // made above
			}
			key := account.PrivateKey
			if test.key != "" {
				key = test.key
			}
			private, err := gojwt.ParseRSAPrivateKeyFromPEM([]byte(key))
			if err != nil {
				t.Fatal(err)
			}
			assertion, err := token.SignedString(private)
			if err != nil {
				t.Fatal(err)
			}
			f.expectGrant(t, url.Values{"grant_type": {grantType}, "assertion": {assertion}}, test.fault)
		})
	}
}

func (f *fixture) expectGrant(t *testing.T, form url.Values, fault string) {
	t.Helper()
	before := f.Issued()
	got := f.do(f.client, http.MethodPost, "/token", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode())
	answer := decode[struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}](t, got.body)
	if fault != "" {
		if got.status != 400 || answer.Error != fault || answer.Description == "" || f.Issued() != before {
			t.Errorf("answered %d %s, want %s", got.status, got.body, fault)
		}
		return
	}
	if got.status != 200 || answer.AccessToken == "" || answer.ExpiresIn != 3599 || answer.TokenType != "Bearer" || f.Issued() != before+1 {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

func TestGrantRequestRules(t *testing.T) {
	f := start(t, nil)
	f.expectGrant(t, url.Values{"grant_type": {"refresh_token"}, "assertion": {"a.b.c"}}, "unsupported_grant_type")
	f.expectGrant(t, url.Values{"grant_type": {grantType}}, "invalid_request")
	f.expectGrant(t, url.Values{"grant_type": {grantType}, "assertion": {"nonsense"}}, "invalid_grant")
	f.expectGrant(t, url.Values{"grant_type": {grantType}, "assertion": {"a.b.c"}}, "invalid_grant")
	got := f.do(f.client, http.MethodPost, "/token", http.Header{"Content-Type": {"application/json"}}, "{}")
	if got.status != 400 || !strings.Contains(got.body, "invalid_request") {
		t.Errorf("JSON is answered with %d %s", got.status, got.body)
	}
}

func TestAccessTokens(t *testing.T) {
	f := start(t, func(o *Options) { o.TokenLife = time.Minute })
	token := f.IssueToken(project)
	send := func(authorization, project string) int {
		t.Helper()
		header := http.Header{"Authorization": {authorization}}
		return f.do(f.client, http.MethodPost, "/v1/projects/"+project+"/messages:send", header, `{"message":{"token":"r"}}`).status
	}
	expect := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	expect("good", send("Bearer "+token, project), 200)
	expect("scheme in lower case", send("bearer "+token, project), 200)
	expect("other scheme", send("key="+token, project), 401)
	expect("unknown", send("Bearer x", project), 401)
	expect("of another project", send("Bearer "+token, "other"), 403)
	f.clock.at = now.Add(time.Minute - time.Second)
	expect("last second", send("Bearer "+token, project), 200)
	f.clock.at = now.Add(time.Minute)
	expect("expired", send("Bearer "+token, project), 401)
	fresh := f.IssueToken(project)
	expect("fresh", send("Bearer "+fresh, project), 200)
	if len(f.credentials.grants) != 1 {
		t.Errorf("%d grants are kept, want the one that is good", len(f.credentials.grants))
	}
	f.RevokeTokens()
	expect("revoked", send("Bearer "+fresh, project), 401)
}
