// This file models the provider token: Apple, "Establishing a token-based connection to APNs": a JSON Web Token with
// alg ES256 and kid in its header, iss and iat in its claims, iat in seconds. The signature is that of JSON Web
// Signature (RFC 7518 §3.4: r and s, 32 bytes each), not ASN.1. The service does not document what it does with further
// header fields and claims; they are ignored.

package apnstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// signatureSize is r and s of P-256.
const signatureSize = 64

// providerToken is a token whose form and signature hold.
type providerToken struct {
	raw, team, key string
	environment    string // of the key
	issued         time.Time
}

// verify returns nil for a token that does not hold, for whatever reason: the service does not say more either.
func (s *Server) verify(raw string) *providerToken {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil
	}
	var header struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	var claims struct {
		Iss string `json:"iss"`
		Iat *int64 `json:"iat"`
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(signature) != signatureSize || !decodePart(parts[0], &header) || !decodePart(parts[1], &claims) {
		return nil
	}
	if header.Alg != "ES256" || header.Kid == "" || claims.Iss == "" || claims.Iat == nil {
		return nil
	}
	key, known := s.keys[header.Kid]
	if len(s.keys) > 0 {
		if !known || key.TeamID != claims.Iss || !signed(key.Public, parts[0]+"."+parts[1], signature) {
			return nil
		}
	}
	return &providerToken{raw: raw, team: claims.Iss, key: header.Kid, environment: key.Environment, issued: time.Unix(*claims.Iat, 0)}
}

func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

func signed(public *ecdsa.PublicKey, text string, signature []byte) bool {
	digest := sha256.Sum256([]byte(text))
	r, s := new(big.Int).SetBytes(signature[:signatureSize/2]), new(big.Int).SetBytes(signature[signatureSize/2:])
	return ecdsa.Verify(public, digest[:], r, s)
}

// NewKey makes a throw-away provider key and its .p8 file, for tests, demonstrations and simulations. Register the key
// in Options.Keys and give the file to the client.
func NewKey() (key Key, p8PEM []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, nil, fmt.Errorf("provider key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Key{}, nil, fmt.Errorf("provider key: %w", err)
	}
	key = Key{KeyID: rand.Text()[:10], TeamID: rand.Text()[:10], Public: &private.PublicKey}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
