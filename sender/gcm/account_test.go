package gcm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func ecKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestLoadServiceAccount(t *testing.T) {
	good := accountJSON("https://oauth2.example/token")
	change := func(key string, value any) []byte {
		var file map[string]any
		if err := json.Unmarshal(good, &file); err != nil {
			t.Fatal(err)
		}
		if value == nil {
			delete(file, key)
		} else {
			file[key] = value
		}
		text, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, row := range []struct {
		name string
		data []byte
		want string // "" = accepted
	}{
		{"good", good, ""},
		{"PKCS#1", change("private_key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey())}))), ""},
		{"no token_uri", change("token_uri", nil), ""},
		{"empty", nil, "not JSON"},
		{"not JSON", []byte("-----BEGIN PRIVATE KEY-----"), "not JSON"},
		{"a list", []byte("[]"), "not JSON of the expected form"},
		{"app's file", []byte(`{"project_info":{},"client":[]}`), "google-services.json"},
		{"user", change("type", "authorized_user"), `type "authorized_user"`},
		{"external account", change("type", "external_account"), `type "external_account"`},
		{"no private key", change("private_key", nil), "no private_key"},
		{"no client", change("client_email", nil), "no client_email"},
		{"no project", change("project_id", nil), "no project_id"},
		{"key is no PEM", change("private_key", "secret-key-text"), "not an RSA key in PEM"},
		{"key is cut", change("private_key", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"), "not an RSA key in PEM"},
		{"key of another kind", change("private_key", ecKey(t)), "not an RSA key"},
		{"token_uri in plain text", change("token_uri", "http://oauth2.example/token"), "https"},
		{"too long", append(good, strings.Repeat(" ", maxCredentialFile+1-len(good))...), "no credential file"},
		{"at the limit", append(good, strings.Repeat(" ", maxCredentialFile-len(good))...), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "account.json")
			if err := os.WriteFile(file, row.data, 0o600); err != nil {
				t.Fatal(err)
			}
			account, err := LoadServiceAccount(file)
			if row.want == "" {
				if err != nil || account.ProjectID != "demo" || account.ClientEmail != "sender@demo.example" || !strings.HasPrefix(account.TokenURI, "https://") {
					t.Fatalf("%v, %v", account, err)
				}
				return
			}
			var auth *AuthError
			if !errors.As(err, &auth) || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), file) {
				t.Fatal(err)
			}
			if strings.Contains(err.Error(), "secret-key-text") || strings.Contains(err.Error(), "BEGIN") {
				t.Error("the error quotes the file")
			}
		})
	}
	_, err := LoadServiceAccount(filepath.Join(t.TempDir(), "absent.json"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "absent.json") {
		t.Error(err)
	}
}
