package apns

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	testKeyID  = "ABC123DEFG"
	testTeamID = "TEAM123456"
)

// p8 is a key file of the curve.
func p8(t *testing.T, curve elliptic.Curve) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pkcs8(t, private)
}

func pkcs8(t *testing.T, private any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func testKey(t *testing.T) *Key {
	t.Helper()
	key, err := ParseKey(p8(t, elliptic.P256()), testKeyID, testTeamID)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// write puts a file into the test's folder.
func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoadKey(t *testing.T) {
	text := p8(t, elliptic.P256())
	key, err := LoadKey(write(t, "key.p8", text), testKeyID, testTeamID)
	if err != nil {
		t.Fatal(err)
	}
	if key.KeyID() != testKeyID || key.TeamID() != testTeamID {
		t.Errorf("%s", key)
	}
	if key, err = LoadKey(write(t, "AuthKey_XYZ9876543.p8", text), "", testTeamID); err != nil || key.KeyID() != "XYZ9876543" {
		t.Errorf("the key id is in the file's name: %v, %v", key, err)
	}
}

// TestLoadKeyFaults: each bad file gives one sentence that names the file and the remedy.
func TestLoadKeyFaults(t *testing.T) {
	good := p8(t, elliptic.P256())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, headers map[string]string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: []byte{1, 2, 3}})
	}
	for name, test := range map[string]struct {
		text         []byte
		keyID, team  string
		want, remedy string
	}{
		"not a p8":        {[]byte("hello"), testKeyID, testTeamID, "it is not a .p8 file", "download the key again"},
		"empty":           {nil, testKeyID, testTeamID, "it is not a .p8 file", "download the key again"},
		"wrong curve":     {p8(t, elliptic.P384()), testKeyID, testTeamID, "it is on curve P-384", "use the .p8 file"},
		"RSA":             {pkcs8(t, rsaKey), testKeyID, testTeamID, "not an elliptic-curve key", "use the .p8 file"},
		"damaged":         {block("PRIVATE KEY", nil), testKeyID, testTeamID, "not an elliptic-curve key", "use the .p8 file"},
		"encrypted":       {block("ENCRYPTED PRIVATE KEY", nil), testKeyID, testTeamID, "it is encrypted", "openssl pkcs8"},
		"encrypted early": {block("EC PRIVATE KEY", map[string]string{"DEK-Info": "x"}), testKeyID, testTeamID, "it is encrypted", "openssl pkcs8"},
		"a certificate":   {block("CERTIFICATE", nil), testKeyID, testTeamID, "it is a certificate", "set certificate"},
		"no key id":       {good, "", testTeamID, "key_id must be", "ten letters and digits"},
		"short key id":    {good, "ABC", testTeamID, "key_id must be", "ten letters and digits"},
		"odd key id":      {good, `ABC123DE"}`, testTeamID, "key_id must be", "ten letters and digits"},
		"no team id":      {good, testKeyID, "", "team_id must be", "Membership"},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, "key.p8", test.text)
			_, err := LoadKey(file, test.keyID, test.team)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range []string{file, test.want, test.remedy} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
	if _, err := LoadKey("/nowhere/key.p8", testKeyID, testTeamID); err == nil || !strings.Contains(err.Error(), "/nowhere/key.p8") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestKeyPrintsWithoutItsSecret(t *testing.T) {
	key := testKey(t)
	raw, err := key.private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secret := new(big.Int).SetBytes(raw).String()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, value := range []any{key, struct{ K *Key }{key}, Config{Key: key}} {
			if text := fmt.Sprintf(format, value); strings.Contains(text, secret) || strings.Contains(text, "private") {
				t.Errorf("%s prints %s", format, text)
			}
		}
	}
}

func TestProviderToken(t *testing.T) {
	key := testKey(t)
	now := time.Date(2026, 11, 23, 10, 17, 3, 500, time.UTC)
	token, err := key.current(now)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.Parse(token.text, func(*jwt.Token) (any, error) { return &key.private.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	claims := parsed.Claims.(jwt.MapClaims)
	if parsed.Header["kid"] != testKeyID || claims["iss"] != testTeamID || claims["iat"] != float64(token.issuedAt.Unix()) || len(claims) != 2 {
		t.Errorf("header %v, claims %v", parsed.Header, claims)
	}
	// The same key in another process makes the same bytes: that is what needs no coordination.
	other := &Key{keyID: key.keyID, teamID: key.teamID, private: key.private}
	again, err := other.current(now.Add(time.Second))
	if err != nil || again.text != token.text {
		t.Errorf("another replica makes another token: %v", err)
	}
	next, err := key.current(token.issuedAt.Add(tokenGrid))
	if err != nil || next.text == token.text || next.issuedAt.Sub(token.issuedAt) != tokenGrid {
		t.Errorf("the next token is of %s, %v", next.issuedAt, err)
	}
}

// TestTokenGrid: a token is never issued in the future and is replaced each half hour, for every key.
func TestTokenGrid(t *testing.T) {
	offsets := make(map[int64]bool)
	for i := range 50 {
		key := &Key{keyID: fmt.Sprintf("KEY%07d", i)}
		for _, at := range []int64{1795430000, 1795430000 + 1799, 1, 0, -5000} {
			now := time.Unix(at, 0)
			age := now.Sub(key.gridTime(now))
			if age < 0 || age >= tokenGrid {
				t.Fatalf("key %s at %d: the token is %s old", key.keyID, at, age)
			}
		}
		offsets[key.gridTime(time.Unix(1795430000, 0)).Unix()%1800] = true
	}
	if len(offsets) < 40 {
		t.Errorf("50 keys share %d grids", len(offsets))
	}
}

// TestBearer walks one connection through hours: no change within 20 minutes of the last, none older than 55.
func TestBearer(t *testing.T) {
	key := testKey(t)
	grid := key.gridTime(time.Unix(1795430000, 0))
	for _, start := range []time.Duration{0, time.Second, 9 * time.Minute, 10 * time.Minute, 11 * time.Minute, 29*time.Minute + 59*time.Second} {
		var b bearer
		var last string
		var changed time.Time
		for now := grid.Add(start); now.Before(grid.Add(5 * time.Hour)); now = now.Add(7 * time.Second) {
			token, err := b.use(key, now)
			if err != nil {
				t.Fatal(err)
			}
			if token != last {
				if last != "" && now.Sub(changed) < tokenKeep {
					t.Fatalf("started at %s: changed after %s", start, now.Sub(changed))
				}
				last, changed = token, now
			}
			if age := now.Sub(b.token.issuedAt); age < 0 || age > tokenMaxAge {
				t.Fatalf("started at %s: a token of age %s is used", start, age)
			}
		}
	}
}

func TestBearerAfterALongRest(t *testing.T) {
	key := testKey(t)
	start := time.Unix(1795430000, 0)
	var b bearer
	first, err := b.use(key, start)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.use(key, start.Add(8*time.Hour))
	if err != nil || second == first {
		t.Errorf("after a night the token is the same, %v", err)
	}
}

// TestBearerWhenTheClockJumps: a token may neither be kept nor changed then, and only a new connection helps.
func TestBearerWhenTheClockJumps(t *testing.T) {
	key := testKey(t)
	start := time.Unix(1795430000, 0)
	var b bearer
	if _, err := b.use(key, start); err != nil {
		t.Fatal(err)
	}
	b.changedAt = start.Add(2 * time.Hour) // as if the clock had been ahead then
	if token, err := b.use(key, start.Add(2*time.Hour)); err == nil {
		t.Errorf("an old token is used: %s", token)
	}
}

func BenchmarkProviderToken(b *testing.B) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	key := &Key{keyID: testKeyID, teamID: testTeamID, private: private}
	for b.Loop() {
		if _, err := key.sign(time.Unix(0, 0)); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzParseKey: whatever is in the file is a key that signs, or an error of one line without any of it.
func FuzzParseKey(f *testing.F) {
	made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "ABCDE12345", "FGHIJ67890")
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), "ABCDE12345", "FGHIJ67890")
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "", "")
	f.Add([]byte(nil), "ABCDE1234\n", "x")
	f.Fuzz(func(t *testing.T, text []byte, keyID, teamID string) {
		key, err := ParseKey(text, keyID, teamID)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || len(text) > 40 && strings.Contains(err.Error(), string(text)) {
				t.Errorf("%q", err)
			}
			return
		}
		token, err := key.current(time.Unix(1795430000, 0))
		if err != nil || strings.Count(token.text, ".") != 2 || !isHeaderText(token.text) {
			t.Errorf("token %q, %v", token.text, err)
		}
	})
}
