package gcm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/gcm/gcmtest"
)

// What a changed file could have us do is refused before anything is read or sent.
func TestWorkloadIdentityFiles(t *testing.T) {
	const google = "https://sts.googleapis.com/v1/token"
	type object = map[string]any
	for _, row := range []struct {
		name   string
		change func(file, source object)
		want   string // "" = accepted
	}{
		{"file", func(object, object) {}, ""},
		{"regional token_url", func(f, _ object) { f["token_url"] = "https://sts.europe-west1.rep.googleapis.com/v1/token" }, ""},
		{"a simulator", func(f, _ object) { f["token_url"] = "https://127.0.0.1:8443/v1/token" }, ""},
		{"acts as an account", func(f, _ object) {
			f["service_account_impersonation_url"] = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b:generateAccessToken"
		}, ""},
		{"source by https", func(_, s object) { delete(s, "file"); s["url"] = "https://idp.example/token" }, ""},
		{"source by link-local address", func(_, s object) { delete(s, "file"); s["url"] = "http://169.254.169.254/metadata/identity" }, ""},
		{"AWS", func(_, s object) {
			delete(s, "file")
			s["environment_id"], s["url"], s["region_url"] = "aws1", "http://169.254.169.254/latest", "http://[fd00:ec2::254]/latest/region"
			s["regional_cred_verification_url"] = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity"
		}, ""},

		{"another type", func(f, _ object) { f["type"] = "authorized_user" }, `is of type "authorized_user"`},
		{"no audience", func(f, _ object) { delete(f, "audience") }, "has no audience"},
		{"no subject_token_type", func(f, _ object) { delete(f, "subject_token_type") }, "no subject_token_type"},
		{"no token_url", func(f, _ object) { delete(f, "token_url") }, "has a token_url that is not an https address under googleapis.com"},
		{"token_url of a stranger", func(f, _ object) { f["token_url"] = "https://evil.example/v1/token" }, "token_url"},
		{"token_url that looks like Google's", func(f, _ object) { f["token_url"] = "https://sts.googleapis.com.evil.example/" }, "token_url"},
		{"and so", func(f, _ object) { f["token_url"] = "https://evilgoogleapis.com/" }, "token_url"},
		{"token_url with another name before", func(f, _ object) { f["token_url"] = "https://sts.googleapis.com@evil.example/" }, "token_url"},
		{"token_url with a password", func(f, _ object) { f["token_url"] = "https://evil:evil@sts.googleapis.com/v1/token" }, "token_url"},
		{"token_url in plain text", func(f, _ object) { f["token_url"] = "http://sts.googleapis.com/v1/token" }, "token_url"},
		{"another port", func(f, _ object) { f["token_url"] = "https://127.0.0.1:8444/v1/token" }, "token_url"},
		{"impersonation at a stranger", func(f, _ object) { f["service_account_impersonation_url"] = "https://evil.example/" }, "service_account_impersonation_url"},
		{"a program", func(_, s object) { delete(s, "file"); s["executable"] = object{"command": "/bin/sh -c evil"} }, "runs a program: that is not allowed"},
		{"a program beside a file", func(_, s object) { s["executable"] = object{"command": "evil"} }, "runs a program"},
		{"a certificate", func(_, s object) { delete(s, "file"); s["certificate"] = object{} }, "not supported"},
		{"no source", func(_, s object) { delete(s, "file") }, "not exactly one of file, url and environment_id"},
		{"two sources", func(_, s object) { s["url"] = "https://idp.example" }, "not exactly one of"},
		{"source in plain text", func(_, s object) { delete(s, "file"); s["url"] = "http://idp.example/token" }, "neither https nor a metadata server"},
		{"source by another scheme", func(_, s object) { delete(s, "file"); s["url"] = "file:///etc/passwd" }, "neither https"},
		{"AWS at a stranger", func(_, s object) {
			delete(s, "file")
			s["environment_id"], s["region_url"] = "aws1", "http://evil.example"
		}, "region_url is not AWS's metadata server"},
		{"AWS, verified by a stranger", func(_, s object) {
			delete(s, "file")
			s["environment_id"], s["regional_cred_verification_url"] = "aws1", "https://sts.{region}.evil.example"
		}, "not an https address of AWS"},
	} {
		t.Run(row.name, func(t *testing.T) {
			source := object{"file": "/var/run/token"}
			file := object{"type": "external_account", "audience": "//iam.googleapis.com/pool", "subject_token_type": "t", "token_url": google, "credential_source": source}
			row.change(file, source)
			data, err := json.Marshal(file)
			if err != nil {
				t.Fatal(err)
			}
			w, err := ParseWorkloadIdentity(data, "127.0.0.1:8443")
			if row.want == "" {
				if err != nil || w.Audience != "//iam.googleapis.com/pool" {
					t.Error(err)
				}
				if _, err := w.source(t.Context()); err != nil {
					t.Error("x/oauth2 does not read it:", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "evil") {
				t.Error(err)
			}
		})
	}
}

func TestCredentialFiles(t *testing.T) {
	for _, row := range []struct {
		name, data, want string
	}{
		{"service account", string(accountJSON("https://oauth2.example/token")), "sender@demo.example"},
		{"workload identity", `{"type":"external_account","audience":"pool","subject_token_type":"t","token_url":"https://sts.googleapis.com/v1/token","credential_source":{"file":"/x"}}`, "the workload identity pool"},
		{"not JSON", "x", "is not JSON"},
		{"no type", "{}", `has no "type"`},
		{"a user", `{"type":"authorized_user","refresh_token":"secret"}`, `is of type "authorized_user": use the JSON key of a service account (service_account) or`},
		{"impersonation of a user", `{"type":"impersonated_service_account"}`, `is of type "impersonated_service_account"`},
		{"too long", strings.Repeat(" ", maxCredentialFile+1), "more than 65536 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "credential.json")
			if err := os.WriteFile(file, []byte(row.data), 0o600); err != nil {
				t.Fatal(err)
			}
			credential, err := LoadCredential(file)
			got := fmt.Sprint(credential)
			if err != nil {
				if got = err.Error(); !strings.Contains(got, "GCMAuthError: The credential file "+file) {
					t.Error(got)
				}
			}
			if !strings.Contains(got, row.want) || strings.Contains(got, "secret") {
				t.Error(got)
			}
		})
	}
}

// federated starts a simulator and a client with a workload identity of it, whose subject token is in a file. change may spoil the configuration.
func federated(t *testing.T, impersonate bool, change func(file string, w *gcmtest.Workload)) (*gcmtest.Server, *Client) {
	t.Helper()
	s, err := gcmtest.New(gcmtest.Options{Projects: []string{"demo"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	file := filepath.Join(t.TempDir(), "subject")
	made, err := s.WorkloadIdentity("demo", file, impersonate)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(made.SubjectToken), 0o600); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(file, made)
	}
	host, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	identity, err := ParseWorkloadIdentity(made.File, host.Host)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Credential: identity, ProjectID: "demo", Endpoint: s.URL(), RootCAs: s.Authority().Pool()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

func TestWorkloadIdentity(t *testing.T) {
	for _, impersonate := range []bool{false, true} {
		t.Run(fmt.Sprint("as an account ", impersonate), func(t *testing.T) {
			s, c := federated(t, impersonate, nil)
			if n := count(deliver(t, t.Context(), c, ids(20)...)); n["accepted"] != 20 || s.Issued() != 1 {
				t.Error(n, s.Issued(), "tokens")
			}
			s.RevokeTokens()
			if n := count(deliver(t, t.Context(), c, ids(20)...)); n["accepted"] != 20 || s.Issued() != 2 {
				t.Error(n, s.Issued(), "tokens")
			}
		})
	}
}

// Each fault of a workload identity is one sentence that says what to do, and shows no token.
func TestWorkloadIdentityRefused(t *testing.T) {
	edit := func(w *gcmtest.Workload, from, to string) {
		w.File = []byte(strings.ReplaceAll(string(w.File), from, to))
	}
	for _, row := range []struct {
		name        string
		impersonate bool
		change      func(file string, w *gcmtest.Workload)
		class       sender.Class
		says        []string
	}{
		{"subject token", false, func(file string, _ *gcmtest.Workload) {
			if err := os.WriteFile(file, []byte("planted-subject"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, sender.Credential, []string{"Google refused the workload identity //iam.googleapis.com/", "invalid_grant", "Check that the pool and its provider exist"}},
		{"audience", true, func(_ string, w *gcmtest.Workload) { edit(w, "providers/simulated", "providers/gone") }, sender.Credential, []string{"invalid_target", "providers/gone"}},
		{"another account", true, func(_ string, w *gcmtest.Workload) { edit(w, w.Account, "other@demo.iam.gserviceaccount.com") }, sender.Credential, []string{
			"does not let the workload identity", "PERMISSION_DENIED", "roles/iam.workloadIdentityUser",
		}},
		{"no subject token", false, func(file string, _ *gcmtest.Workload) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}, sender.Unsent, []string{"No OAuth access token could be fetched from 127.0.0.1", "failed to open credential file"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, c := federated(t, row.impersonate, row.change)
			out := deliver(t, t.Context(), c, "abc")
			text := out[0].Reason.Description
			if out[0].Class != row.class {
				t.Errorf("%v: %s", out[0].Class, text)
			}
			for _, says := range row.says {
				if !strings.Contains(text, says) {
					t.Errorf("%q is not in %q", says, text)
				}
			}
			if strings.Contains(text, "planted") || strings.Contains(text, "subject.") {
				t.Error("the sentence shows a token:", text)
			}
		})
	}
}

// What the source of the subject token answers is nobody's to read: it may be the token.
func TestSubjectTokenOfAURL(t *testing.T) {
	status := http.StatusOK
	token := ""
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata") != "true" {
			http.Error(w, "no header", http.StatusBadRequest)
			return
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":"planted-token","access_token":%q}`, token)
	}))
	defer idp.Close()
	s, c := federated(t, false, func(_ string, w *gcmtest.Workload) {
		token = w.SubjectToken
		var file map[string]any
		if err := json.Unmarshal(w.File, &file); err != nil {
			t.Fatal(err)
		}
		file["credential_source"] = map[string]any{
			"url": idp.URL, "headers": map[string]string{"Metadata": "true"}, "format": map[string]string{"type": "json", "subject_token_field_name": "access_token"},
		}
		w.File, _ = json.Marshal(file)
	})
	if n := count(deliver(t, t.Context(), c, ids(3)...)); n["accepted"] != 3 {
		t.Error(n)
	}
	status = http.StatusForbidden
	s.RevokeTokens()
	out := deliver(t, t.Context(), c, "abc")
	if text := out[0].Reason.Description; out[0].Class != sender.Credential || strings.Contains(text, "planted") || !strings.Contains(text, "HTTP 403. Check credential_source") {
		t.Error(out[0].Class, text)
	}
}

// Whatever a credential file holds: what is accepted sends tokens nowhere but to Google, and an error quotes nothing of a key.
func FuzzParseCredential(f *testing.F) {
	f.Add(accountJSON("https://oauth2.example/token"))
	f.Add([]byte(`{"type":"external_account","audience":"a","subject_token_type":"t","token_url":"https://sts.googleapis.com/v1/token","credential_source":{"file":"/x"}}`))
	f.Add([]byte(`{"type":"external_account","audience":"a","subject_token_type":"t","token_url":"https://sts.googleapis.com@x/","credential_source":{"environment_id":"aws1","url":"http://[::1]:1"}}`))
	f.Add([]byte(`{"type":"service_account","client_email":"e","project_id":"p","private_key":"k","token_uri":"http://x"}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		credential, err := ParseCredential(data)
		switch c := credential.(type) {
		case nil:
			if err == nil || strings.Contains(err.Error(), "BEGIN") {
				t.Fatal(err)
			}
		case *ServiceAccount:
			if u, err := url.Parse(c.TokenURI); err != nil || u.Scheme != "https" {
				t.Fatal(c.TokenURI)
			}
		case *WorkloadIdentity:
			for _, u := range []*url.URL{c.tokenURL, c.impersonationURL} {
				if u != nil && (u.Scheme != "https" || !strings.HasSuffix(u.Host, ".googleapis.com")) {
					t.Fatal(u)
				}
			}
		}
	})
}
