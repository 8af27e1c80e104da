package gcm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// WorkloadIdentity is workload identity federation: a token of another identity provider (Kubernetes, AWS, Azure, any OIDC) is exchanged for an
// access token at Google. It needs Config.ProjectID.
type WorkloadIdentity struct {
	// Audience names the pool and its provider. It is not secret.
	Audience string

	tokenURL, impersonationURL *url.URL // the second is nil for none
	// data is the file, which x/oauth2 reads itself.
	data []byte
}

// workloadFile is what of an external_account file has to be looked at before it is used.
type workloadFile struct {
	Type             string `json:"type"`
	Audience         string `json:"audience"`
	SubjectTokenType string `json:"subject_token_type"`
	TokenURL         string `json:"token_url"`
	ImpersonationURL string `json:"service_account_impersonation_url"`
	Source           struct {
		File          string          `json:"file"`
		URL           string          `json:"url"`
		Executable    json.RawMessage `json:"executable"`
		Certificate   json.RawMessage `json:"certificate"`
		EnvironmentID string          `json:"environment_id"`
		RegionURL     string          `json:"region_url"`
		VerifyURL     string          `json:"regional_cred_verification_url"`
		SessionURL    string          `json:"imdsv2_session_token_url"`
	} `json:"credential_source"`
}

// ParseWorkloadIdentity reads the configuration of a workload identity. The error completes a sentence that begins with the file's name.
//
// Such a file says where tokens are sent and where they are taken from, and x/oauth2 does whatever it says. So a file that somebody has
// changed could hand the machine's identity to a stranger, or have a program run (Google, "Validate credential configurations from external
// sources"). Therefore tokens are only sent to https addresses under googleapis.com; they are taken from a file, from an https address, from
// a metadata server on this machine's own link, or from AWS; and programs are not run at all. trusted are further hosts that tokens may be
// sent to, with port if they have one: those of a simulator.
func ParseWorkloadIdentity(data []byte, trusted ...string) (*WorkloadIdentity, error) {
	var file workloadFile
	if len(data) > maxCredentialFile {
		return nil, errTooLong
	}
	if json.Unmarshal(data, &file) != nil {
		return nil, errNotJSON
	}
	switch {
	case file.Type != workloadType:
		return nil, fmt.Errorf("is of type %q, not %q", plain(file.Type), workloadType)
	case file.Audience == "" || file.SubjectTokenType == "":
		return nil, errors.New("has no audience or no subject_token_type: create it anew with gcloud iam workload-identity-pools create-cred-config")
	}
	w := &WorkloadIdentity{Audience: file.Audience, data: slices.Clone(data)}
	var err error
	if w.tokenURL, err = googles("token_url", file.TokenURL, trusted); err != nil {
		return nil, err
	}
	if file.ImpersonationURL != "" {
		if w.impersonationURL, err = googles("service_account_impersonation_url", file.ImpersonationURL, trusted); err != nil {
			return nil, err
		}
	}
	if err := file.checkSource(); err != nil {
		return nil, err
	}
	return w, nil
}

// googles reads an address that tokens are sent to.
func googles(field, text string, trusted []string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || !(strings.HasSuffix(u.Hostname(), ".googleapis.com") && u.Port() == "" || slices.Contains(trusted, u.Host)) {
		return nil, fmt.Errorf("has a %s that is not an https address under googleapis.com: tokens are sent nowhere else", field)
	}
	return u, nil
}

// checkSource checks where the other identity provider's token is taken from.
func (f *workloadFile) checkSource() error {
	s := &f.Source
	given := 0
	for _, is := range []bool{s.File != "", s.URL != "", s.EnvironmentID != ""} {
		if is {
			given++
		}
	}
	switch {
	case s.Executable != nil:
		return errors.New("has a credential_source that runs a program: that is not allowed; have the program write a file, and name that")
	case s.Certificate != nil:
		return errors.New("has a credential_source with a certificate, which is not supported: use file, url or environment_id")
	case s.EnvironmentID != "" && given == 2 && s.URL != "":
		// AWS has its own meaning for url.
	case given != 1:
		return errors.New("has a credential_source that is not exactly one of file, url and environment_id")
	}
	if s.EnvironmentID == "" {
		if s.URL != "" && !isLocal(s.URL) && !isHTTPS(s.URL, "") {
			return errors.New("has a credential_source whose url is neither https nor a metadata server on this machine's own link")
		}
		return nil
	}
	for field, text := range map[string]string{"url": s.URL, "region_url": s.RegionURL, "imdsv2_session_token_url": s.SessionURL} {
		if text != "" && !isLocal(text) {
			return fmt.Errorf("has a credential_source whose %s is not AWS's metadata server", field)
		}
	}
	// {region} stands in it for the region.
	if s.VerifyURL != "" && !isHTTPS(strings.ReplaceAll(s.VerifyURL, "{region}", "region"), ".amazonaws.com") {
		return errors.New("has a credential_source whose regional_cred_verification_url is not an https address of AWS")
	}
	return nil
}

func isHTTPS(text, suffix string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && strings.HasSuffix(u.Hostname(), suffix)
}

// isLocal says whether a URL is of a metadata server: on the link of this machine (169.254.169.254, fd00:ec2::254) or on itself.
func isLocal(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && (ip.IsLinkLocalUnicast() || ip.IsLoopback() || ip.Equal(net.ParseIP("fd00:ec2::254")))
}

// String names pool and provider.
func (w *WorkloadIdentity) String() string { return "the workload identity " + plain(w.Audience) }

// Format implements fmt.Formatter, so that %+v and %#v don't show the file.
func (w *WorkloadIdentity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, w.String()) }

// LogValue implements slog.LogValuer.
func (w *WorkloadIdentity) LogValue() slog.Value { return slog.StringValue(w.String()) }

// Project implements Credential.
func (w *WorkloadIdentity) Project() string { return "" }

func (w *WorkloadIdentity) from() string { return w.tokenURL.Host }

func (w *WorkloadIdentity) source(ctx context.Context) (oauth2.TokenSource, error) {
	credentials, err := google.CredentialsFromJSONWithType(ctx, w.data, google.ExternalAccount, Scope)
	if err != nil {
		return nil, err
	}
	return credentials.TokenSource, nil
}

func (w *WorkloadIdentity) explain(r *refusal) string {
	switch {
	case r.host == w.tokenURL.Host && (w.impersonationURL == nil || r.path == w.tokenURL.Path):
		return fmt.Sprintf("Google refused %s: %s. %s", w, r.detail(),
			clockRemedy(r, "Check that the pool and its provider exist, and that they take tokens of this issuer and audience"))
	case w.impersonationURL != nil && r.host == w.impersonationURL.Host:
		return fmt.Sprintf("Google does not let %s act as its service account: %s. Give it the role roles/iam.workloadIdentityUser there", w, r.detail())
	}
	// What a stranger's server says may hold anything.
	return fmt.Sprintf("The source of the subject token of %s answered HTTP %d. Check credential_source in its file", w, r.status)
}
