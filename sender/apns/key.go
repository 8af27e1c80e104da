package apns

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Times of the provider token. Apple: replace it at least every 60 minutes, and not more often than every 20 minutes on
// the same connection (apns-http2 §3.2). DESIGN §5: every replica makes the same one without talking to the others.
const (
	// tokenGrid is the distance between two tokens of a key.
	tokenGrid = 30 * time.Minute
	// tokenKeep is how long a connection keeps the token it uses, even if the grid has a newer one.
	tokenKeep = 20 * time.Minute
	// tokenMaxAge is the age at which a token is not used any more, whatever else holds.
	tokenMaxAge = 55 * time.Minute
)

// idLength is the length of key ids and team ids.
const idLength = 10

// Key is a provider key (.p8) with its ids. It is read-only and safe for concurrent use; several clients may share it. It
// prints as its ids, never as its secret.
type Key struct {
	keyID, teamID string
	private       *ecdsa.PrivateKey

	mu     sync.Mutex
	issued providerToken // the latest; making one costs a signature
}

// providerToken is a signed JWT and its iat.
type providerToken struct {
	text     string
	issuedAt time.Time
}

// LoadKey reads a provider key file as Apple hands it out (AuthKey_<key id>.p8). keyID may be "" if the file has that
// name. Every error names the file and the remedy.
func LoadKey(file, keyID, teamID string) (*Key, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the APNs key can't be read: %w; key_file must name the .p8 file from Apple's developer site", err)
	}
	if name, ok := strings.CutPrefix(filepath.Base(file), "AuthKey_"); ok && keyID == "" {
		keyID, _ = strings.CutSuffix(name, ".p8")
	}
	key, err := ParseKey(text, keyID, teamID)
	if err != nil {
		return nil, fmt.Errorf("the APNs key %s is not usable: %w", file, err)
	}
	return key, nil
}

// ParseKey is LoadKey for the text of a .p8 file.
func ParseKey(text []byte, keyID, teamID string) (*Key, error) {
	private, err := parsePrivateKey(text)
	if err != nil {
		return nil, err
	}
	if !isAppleID(keyID) {
		return nil, errors.New("key_id must be the key's id, ten letters and digits, as Apple's developer site lists it beside the key")
	}
	if !isAppleID(teamID) {
		return nil, errors.New("team_id must be the team's id, ten letters and digits, as Apple's developer site shows it under Membership")
	}
	return &Key{keyID: keyID, teamID: teamID, private: private}, nil
}

func parsePrivateKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New(`it is not a .p8 file (no "-----BEGIN PRIVATE KEY-----"); download the key again, or use certificate for a .p12`)
	case strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
		return nil, errors.New("it is encrypted; Apple's .p8 files are not: use the original, or decrypt it with openssl pkcs8 -in FILE -out key.p8")
	case block.Type == "CERTIFICATE":
		return nil, errors.New("it is a certificate, not a key; set certificate instead of key_file")
	}
	private, err := jwt.ParseECPrivateKeyFromPEM(text)
	if err != nil {
		return nil, fmt.Errorf("it is a %q that is not an elliptic-curve key; use the .p8 file from Apple's developer site", block.Type)
	}
	if private.Curve != elliptic.P256() {
		return nil, fmt.Errorf("it is on curve %s, but Apple's provider keys are on P-256; use the .p8 file from Apple's developer site", private.Curve.Params().Name)
	}
	return private, nil
}

func isAppleID(s string) bool { return len(s) == idLength && isWord(s) }

// KeyID and TeamID name the key; neither is secret.
func (k *Key) KeyID() string { return k.keyID }

// TeamID is the developer team the key belongs to.
func (k *Key) TeamID() string { return k.teamID }

// String names the key without its secret.
func (k *Key) String() string { return "APNs key " + k.keyID + " of team " + k.teamID }

// Format keeps every verb of fmt from printing the private key.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// gridTime is when the token that is current at now was issued: the last point of a grid of 30 minutes. The key id shifts
// the grid, so that the keys of one team do not all change at the same moment.
func (k *Key) gridTime(now time.Time) time.Time {
	grid := int64(tokenGrid / time.Second)
	sum := sha256.Sum256([]byte(k.keyID))
	offset := (int64(sum[0])<<16 | int64(sum[1])<<8 | int64(sum[2])) % grid
	seconds := now.Unix() - offset
	point := seconds - ((seconds%grid)+grid)%grid
	return time.Unix(point+offset, 0)
}

// current returns the token of the grid at now. Every process makes the same bytes, because the signature is
// deterministic.
func (k *Key) current(now time.Time) (providerToken, error) {
	at := k.gridTime(now)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.issued.text != "" && k.issued.issuedAt.Equal(at) {
		return k.issued, nil
	}
	text, err := k.sign(at)
	if err != nil {
		return providerToken{}, err
	}
	k.issued = providerToken{text, at}
	return k.issued, nil
}

// sign makes the JWT of apns-http2 §3.2: header alg and kid, claims iss and iat, ES256. The JWT library signs with
// randomness, so the few bytes around the signature are put together here; without randomness PrivateKey.Sign follows
// RFC 6979 and repeats itself byte for byte.
func (k *Key) sign(at time.Time) (string, error) {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"ES256","kid":"`+k.keyID+`"}`)) + "." +
		encode([]byte(fmt.Sprintf(`{"iss":"%s","iat":%d}`, k.teamID, at.Unix())))
	digest := sha256.Sum256([]byte(text))
	der, err := k.private.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("%s can't sign: %w", k, err)
	}
	var signature struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &signature); err != nil {
		return "", fmt.Errorf("%s made a signature that can't be read: %w", k, err)
	}
	var raw [64]byte // JOSE wants r and s side by side, not ASN.1
	signature.R.FillBytes(raw[:32])
	signature.S.FillBytes(raw[32:])
	return text + "." + encode(raw[:]), nil
}

// bearer is the provider token that one connection uses, and since when.
type bearer struct {
	token     providerToken
	changedAt time.Time
}

// errTokenStuck says that a connection may neither go on with its token nor change it; only a new connection helps. It
// takes a clock that jumped to get here.
var errTokenStuck = errors.New("the connection's provider token is too old and was changed too recently")

// use returns what to send as authorization at now, changing the connection's token when that is allowed and due.
func (b *bearer) use(k *Key, now time.Time) (string, error) {
	next, err := k.current(now)
	if err != nil {
		return "", err
	}
	if b.token.text == "" || (next.text != b.token.text && now.Sub(b.changedAt) >= tokenKeep) {
		b.token, b.changedAt = next, now
	}
	if age := now.Sub(b.token.issuedAt); age > tokenMaxAge || age < -tokenMaxAge {
		return "", errTokenStuck
	}
	return b.token.text, nil
}
