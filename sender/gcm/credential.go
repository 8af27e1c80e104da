package gcm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/oauth2"
)

// Credential is how V1 proves who it is: a *ServiceAccount, a *WorkloadIdentity or a MetadataServer. It is read-only, and printing it shows no
// secret.
type Credential interface {
	fmt.Stringer
	// Project is the id of the project that the credential belongs to; "" if it does not say.
	Project() string
	// source makes the token source for one fetch. The context ends with the client and carries the HTTP client to use.
	source(ctx context.Context) (oauth2.TokenSource, error)
	// from names where access tokens come from, in the middle of a sentence.
	from() string
	// explain is a sentence about a refusal, with what to do.
	explain(r *refusal) string
}

// Types of credential files.
const (
	accountType  = "service_account"
	workloadType = "external_account"
)

// maxCredentialFile bounds a credential file; real ones have about 2,400 bytes.
const maxCredentialFile = 64 << 10

// LoadCredential reads a credential file of Google Cloud: the JSON key of a service account, or the configuration of a workload identity
// (external_account), as GOOGLE_APPLICATION_CREDENTIALS names one. trusted is as in ParseWorkloadIdentity. Errors say which file, what is wrong
// and what to do; they never quote the file. Each is an *AuthError.
func LoadCredential(file string, trusted ...string) (Credential, error) {
	data, err := readCredential(file)
	if err != nil {
		return nil, err
	}
	credential, err := ParseCredential(data, trusted...)
	if err != nil {
		return nil, &AuthError{Problem: fmt.Sprintf("The credential file %s %v", file, err), cause: err}
	}
	return credential, nil
}

// ParseCredential reads the content of a credential file. The error completes a sentence that begins with the file's name.
func ParseCredential(data []byte, trusted ...string) (Credential, error) {
	var file struct {
		Type string `json:"type"`
	}
	if len(data) > maxCredentialFile {
		return nil, errTooLong
	}
	if json.Unmarshal(data, &file) != nil {
		return nil, errNotJSON
	}
	var credential Credential
	var err error
	switch file.Type {
	case "":
		err = errors.New("has no \"type\": it is not a credential file of Google Cloud (google-services.json of an app is not one)")
	case accountType:
		credential, err = ParseServiceAccount(data)
	case workloadType:
		credential, err = ParseWorkloadIdentity(data, trusted...)
	default:
		err = fmt.Errorf("is of type %q: use the JSON key of a service account (%s) or the configuration of a workload identity (%s)",
			plain(file.Type), accountType, workloadType)
	}
	if err != nil {
		return nil, err // and no nil pointer in an interface
	}
	return credential, nil
}

// What is wrong with a credential file whatever its type.
var (
	errTooLong = fmt.Errorf("has more than %d bytes: it is no credential file", maxCredentialFile)
	errNotJSON = errors.New("is not JSON of the expected form: download it anew from Google Cloud")
)

// readCredential reads a credential file, up to one byte more than one may have.
func readCredential(file string) ([]byte, error) {
	unreadable := func(err error) error {
		return &AuthError{Problem: "The credential file can't be read: " + err.Error(), cause: err}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, unreadable(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxCredentialFile+1))
	if err != nil {
		return nil, unreadable(err)
	}
	return data, nil
}

// callers is a token source that the caller of the package brought along.
type callers struct{ oauth2.TokenSource }

// String implements fmt.Stringer.
func (callers) String() string { return "a token source" }

// Project implements Credential.
func (callers) Project() string { return "" }

func (c callers) source(context.Context) (oauth2.TokenSource, error) { return c.TokenSource, nil }

func (callers) from() string { return "the token source" }

func (callers) explain(r *refusal) string {
	return fmt.Sprintf("Google refused the credentials of the token source: %s. %s", r.detail(), clockRemedy(r, "Check that they exist and were not deleted"))
}
