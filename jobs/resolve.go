package jobs

import (
	"crypto/sha256"
	"strconv"
	"time"
)

// fingerprintLength is how many base32 digits a fingerprint has: 130 bits.
const fingerprintLength = 26

// ResolveID returns the id that a job goes by, and whether its publisher chose it. explicit is the id in the body, ""
// if none; msgID the Nats-Msg-Id header, "" if none; sequence and stored are where and when PUSH_JOBS stored it.
//
// The body's id wins; then the header if it has the form of an id, else "h-" and its fingerprint; a job with neither
// gets PUSH_JOBS-<sequence>-<stored in ms, base 36>, which no publisher can choose.
func ResolveID(explicit, msgID string, sequence uint64, stored time.Time) (id string, isExplicit bool) {
	switch {
	case explicit != "":
		return explicit, true
	case validID(msgID):
		return msgID, true
	case msgID != "":
		return "h-" + Fingerprint([]byte(msgID)), true
	}
	derived := append(make([]byte, 0, 48), StreamJobs...)
	derived = strconv.AppendUint(append(derived, '-'), sequence, 10)
	return string(strconv.AppendInt(append(derived, '-'), stored.UnixMilli(), 36)), false
}

// Fingerprint identifies a job's bytes: 26 lower-case base32 digits of their SHA-256.
func Fingerprint(body []byte) string {
	sum := sha256.Sum256(body)
	var text [fingerprintLength]byte
	for i := range text {
		bit := 5 * i
		two := uint16(sum[bit/8])<<8 | uint16(sum[bit/8+1])
		text[i] = base32Digits[two>>(11-bit%8)&31]
	}
	return string(text[:])
}

// base32Digits are those of RFC 4648 §6 in lower case.
const base32Digits = "abcdefghijklmnopqrstuvwxyz234567"

func validFingerprint(text string) bool {
	digit := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '2' && c <= '7' }
	return len(text) == fingerprintLength && hasForm(text, fingerprintLength, digit, digit)
}

// validResolvedID says whether text is an id that a publisher chose or that ResolveID derived.
func validResolvedID(text string) bool {
	return hasForm(text, 64, isAlnum, func(c byte) bool { return isAlnum(c) || c == '_' || c == '-' })
}
