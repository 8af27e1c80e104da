// This file models service accounts and their access tokens: Google, "Using OAuth 2.0 for Server to Server
// Applications", and the key file of a service account. Every access token is an opaque text that is good until it
// expires or is revoked. Workload identities are in workload.go. Not modelled: the metadata server, tokens of users.

package gcmtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"time"
)

const keyBits = 2048

// credentials are the accounts that exist and the access tokens that were issued.
type credentials struct {
	// making keeps two callers from both making the key, which takes a while; mu is not held meanwhile.
	making sync.Mutex
	key    *rsa.PrivateKey

	mu       sync.RWMutex
	accounts map[string]account
	grants   map[string]grant
	issued   int
	// workloads are the workload identities by audience, federated those of the tokens that may act as their service account.
	workloads, federated map[string]workload
}

// account is a service account, by its client_email. All accounts of a server share one RSA key under different ids:
// making keys is the slow part, and no client may depend on their differing.
type account struct {
	project, keyID string
	public         *rsa.PublicKey
}

// grant is an access token.
type grant struct {
	project string
	expires time.Time
}

// ServiceAccount creates a service account of the project and returns its key file. Its token_uri is this server.
func (s *Server) ServiceAccount(project string) (jsonKeyFile []byte, err error) {
	c := &s.credentials
	private, err := c.privateKey()
	if err != nil {
		return nil, fmt.Errorf("service account of project %s: %w", project, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("service account of project %s: %w", project, err)
	}
	name, keyID := strings.ToLower(rand.Text()[:8]), strings.ToLower(rand.Text())
	email := "volley-" + name + "@" + project + ".iam.gserviceaccount.com"
	c.mu.Lock()
	if c.accounts == nil {
		c.accounts = map[string]account{}
	}
	c.accounts[email] = account{project: project, keyID: keyID, public: &private.PublicKey}
	c.mu.Unlock()
	return json.MarshalIndent(map[string]string{
		"type":            "service_account",
		"project_id":      project,
		"private_key_id":  keyID,
		"private_key":     string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email":    email,
		"client_id":       "100000000000000000000",
		"token_uri":       s.URL() + tokenPath,
		"universe_domain": "googleapis.com",
	}, "", "  ")
}

func (c *credentials) privateKey() (*rsa.PrivateKey, error) {
	c.making.Lock()
	defer c.making.Unlock()
	if c.key == nil {
		key, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return nil, err
		}
		c.key = key
	}
	return c.key, nil
}

// IssueToken returns an access token for the project, as the token endpoint would, for clients that bring their own.
func (s *Server) IssueToken(project string) string {
	c, now := &s.credentials, s.options.Now()
	token := "ya29.simulated-" + rand.Text()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grants == nil {
		c.grants = map[string]grant{}
	}
	for old, g := range c.grants {
		if !now.Before(g.expires) {
			delete(c.grants, old)
		}
	}
	c.grants[token] = grant{project: project, expires: now.Add(s.options.TokenLife)}
	c.issued++
	return token
}

// RevokeTokens makes every access token issued so far invalid at once.
func (s *Server) RevokeTokens() {
	s.credentials.mu.Lock()
	defer s.credentials.mu.Unlock()
	s.credentials.grants = nil
}

// Issued is how many access tokens have been issued: a client that caches them asks rarely.
func (s *Server) Issued() int {
	s.credentials.mu.RLock()
	defer s.credentials.mu.RUnlock()
	return s.credentials.issued
}

// projectOfToken is the project an access token is good for; ok is false if it is not good.
func (s *Server) projectOfToken(token string) (project string, ok bool) {
	s.credentials.mu.RLock()
	defer s.credentials.mu.RUnlock()
	g, known := s.credentials.grants[token]
	return g.project, known && s.options.Now().Before(g.expires)
}
