package jobs

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"testing"
)

func TestValidateRecipient(t *testing.T) {
	for _, c := range []struct {
		platform Platform
		id, want string
	}{
		{APNS, "ab", ""},
		{APNS, "AbCdEf0123456789", ""},
		{APNS, strings.Repeat("a", 2*MaxTokenBytes), ""},
		{APNS, "", "the id is empty"},
		{APNS, "abc", "the device token has an odd number of digits"},
		{APNS, "xy", "the device token is not hexadecimal"},
		{APNS, "ab ", "the device token is not hexadecimal"},
		{APNS, "ab\n", "the device token is not hexadecimal"},
		{APNS, "é", "the device token is not hexadecimal"},
		{APNS, strings.Repeat("a", 2*MaxTokenBytes+2), "the device token is longer than 100 bytes"},
		{GCM, "x", ""},
		{GCM, strings.Repeat("x", MaxRegistrationIDBytes), ""},
		{GCM, "", "the id is empty"},
		{GCM, strings.Repeat("x", MaxRegistrationIDBytes+1), "the registration ID is longer than 4096 bytes"},
	} {
		got := ""
		if err := ValidateRecipient(c.platform, NewToken(c.id)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s id of %d bytes: %q, want %q", c.platform, len(c.id), got, c.want)
		}
	}
}

func TestTokenShowsItselfNowhere(t *testing.T) {
	const secret = "5ec2e75ec2e75ec2e7"
	token := NewToken(secret)
	text, err := token.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	shown := string(text) + token.LogValue().String() + token.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown += fmt.Sprintf(verb, token) + fmt.Sprintf(verb, []Token{token}) + fmt.Sprintf(verb, struct{ T *Token }{&token}) + fmt.Sprintf(verb, &token)
	}
	if strings.Contains(shown, secret) || strings.Contains(shown, fmt.Sprintf("%x", secret)) {
		t.Error(shown)
	}
	if token.Reveal() != secret || token.Len() != len(secret) || NewToken("other").Fingerprint() == token.Fingerprint() {
		t.Error("a token is not what it was made of")
	}
}

func TestResolveID(t *testing.T) {
	stored := at("2026-11-23T10:00:00.123Z")
	for _, c := range []struct {
		name, explicit, msgID, want string
		isExplicit                  bool
	}{
		{"body", "promo-7", "other", "promo-7", true},
		{"header of the form", "", "promo-7", "promo-7", true},
		{"header of 64 bytes", "", strings.Repeat("a", 64), strings.Repeat("a", 64), true},
		{"header of another form", "", "apns.default.promo-7", "h-" + Fingerprint([]byte("apns.default.promo-7")), true},
		{"header of 65 bytes", "", strings.Repeat("a", 65), "h-" + Fingerprint([]byte(strings.Repeat("a", 65))), true},
		{"reserved header", "", "PUSH_JOBS-7-x", "h-" + Fingerprint([]byte("PUSH_JOBS-7-x")), true},
		{"neither", "", "", "PUSH_JOBS-18446744073709551615-mib9x2i3", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, isExplicit := ResolveID(c.explicit, c.msgID, 1<<64-1, stored)
			if c.name == "neither" {
				c.want = fmt.Sprintf("PUSH_JOBS-18446744073709551615-%s", base36(stored.UnixMilli()))
			}
			if id != c.want || isExplicit != c.isExplicit {
				t.Errorf("got %q %v, want %q %v", id, isExplicit, c.want, c.isExplicit)
			}
			if !validResolvedID(id) {
				t.Errorf("%q can't stand in a subject", id)
			}
		})
	}
}

// base36 is written out here, so that the form of a derived id does not change unseen.
func base36(n int64) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	text := ""
	for ; n > 0; n /= 36 {
		text = string(digits[n%36]) + text
	}
	return text
}

func TestFingerprintIsStable(t *testing.T) {
	// base32(SHA-256("")) is 4OYMIQUY7QOBJGX36TEJS35ZEQT24QPEMSNZGTFESWMRW6CSXBKQ====.
	if got := Fingerprint(nil); got != "4oymiquy7qobjgx36tejs35zeq" {
		t.Error(got)
	}
	if a, b := Fingerprint([]byte("a")), Fingerprint([]byte("b")); a == b || !validFingerprint(a) {
		t.Error(a, b)
	}
}

// TestFingerprintIsBase32: anybody can make the same one with the usual tools.
func TestFingerprintIsBase32(t *testing.T) {
	for _, text := range []string{"", "a", `{"ids":["ab"]}`} {
		sum := sha256.Sum256([]byte(text))
		want := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
		if got := Fingerprint([]byte(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
