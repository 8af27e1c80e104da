package gcm

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"
)

// Google's OAuth.
const (
	// Scope is the OAuth scope that sending needs and nothing more.
	Scope = "https://www.googleapis.com/auth/firebase.messaging"
	// defaultTokenURI is where an assertion is exchanged if the key file does not say.
	defaultTokenURI = "https://oauth2.googleapis.com/token"
)

// ServiceAccount is a Google service account with its private key. It is read-only. Printing it in any way shows no key.
type ServiceAccount struct {
	// ProjectID is the project the account belongs to, usually the Firebase project.
	ProjectID string
	// ClientEmail names the account. It is not secret.
	ClientEmail string
	// KeyID names the key. It is not secret.
	KeyID string
	// TokenURI is where access tokens are fetched.
	TokenURI string

	privateKey []byte // PEM
}

// LoadServiceAccount reads the JSON key file of a service account. Errors say which file, what is wrong and what to do; they never quote
// the file. Each is an *AuthError.
func LoadServiceAccount(file string) (*ServiceAccount, error) {
	data, err := readCredential(file)
	if err != nil {
		return nil, err
	}
	account, err := ParseServiceAccount(data)
	if err != nil {
		return nil, &AuthError{Problem: fmt.Sprintf("The service account file %s %v", file, err), cause: err}
	}
	return account, nil
}

// ParseServiceAccount reads the content of a JSON key file. The error completes a sentence that begins with the file's name.
func ParseServiceAccount(data []byte) (*ServiceAccount, error) {
	if len(data) > maxCredentialFile {
		return nil, errTooLong
	}
	var file struct {
		Type         string `json:"type"`
		ProjectID    string `json:"project_id"`
		PrivateKeyID string `json:"private_key_id"`
		PrivateKey   string `json:"private_key"`
		ClientEmail  string `json:"client_email"`
		TokenURI     string `json:"token_uri"`
	}
	if json.Unmarshal(data, &file) != nil {
		return nil, errNotJSON
	}
	switch {
	case file.Type == "":
		return nil, fmt.Errorf("has no \"type\": it is not a key file of Google Cloud (google-services.json of an app is not one)")
	case file.Type != accountType:
		return nil, fmt.Errorf("is of type %q, not %q: download the JSON key of a service account", plain(file.Type), accountType)
	case file.ClientEmail == "":
		return nil, errors.New("has no client_email: download a new JSON key of the service account")
	case file.PrivateKey == "":
		return nil, errors.New("has no private_key: download a new JSON key of the service account")
	case file.ProjectID == "":
		return nil, errors.New("has no project_id: add the id of the Firebase project to it")
	}
	if !isRSAKey([]byte(file.PrivateKey)) {
		return nil, errors.New("has a private_key that is not an RSA key in PEM: download a new JSON key of the service account")
	}
	if file.TokenURI == "" {
		file.TokenURI = defaultTokenURI
	}
	if u, err := url.Parse(file.TokenURI); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("has a token_uri that is not an https URL")
	}
	return &ServiceAccount{
		ProjectID: file.ProjectID, ClientEmail: file.ClientEmail, KeyID: file.PrivateKeyID, TokenURI: file.TokenURI,
		privateKey: []byte(file.PrivateKey),
	}, nil
}

// isRSAKey: PKCS#8 as Google writes it, or PKCS#1.
func isRSAKey(text []byte) bool {
	block, _ := pem.Decode(text)
	if block == nil {
		return false
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		_, ok := key.(*rsa.PrivateKey)
		return ok
	}
	_, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	return err == nil
}

// String names the account.
func (a ServiceAccount) String() string { return a.ClientEmail }

// Format implements fmt.Formatter, so that %+v and %#v show no key.
func (a ServiceAccount) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.ClientEmail) }

// LogValue implements slog.LogValuer.
func (a ServiceAccount) LogValue() slog.Value { return slog.StringValue(a.ClientEmail) }

// Project implements Credential.
func (a *ServiceAccount) Project() string { return a.ProjectID }

// from is the host of the token endpoint.
func (a *ServiceAccount) from() string {
	u, err := url.Parse(a.TokenURI)
	if err != nil {
		return "the token endpoint"
	}
	return u.Host
}

func (a *ServiceAccount) source(ctx context.Context) (oauth2.TokenSource, error) {
	config := jwt.Config{
		Email: a.ClientEmail, PrivateKey: a.privateKey, PrivateKeyID: a.KeyID, Scopes: []string{Scope}, TokenURL: a.TokenURI,
	}
	return config.TokenSource(ctx), nil
}

func (a *ServiceAccount) explain(r *refusal) string {
	remedy := "Check that the account exists and that its key was not deleted"
	if r.code == "invalid_grant" {
		remedy = "The key was deleted or the account disabled: put a new JSON key of an enabled service account in the file's place"
	}
	return fmt.Sprintf("Google refused the service account %s: %s. %s", plain(a.ClientEmail), r.detail(), clockRemedy(r, remedy))
}
