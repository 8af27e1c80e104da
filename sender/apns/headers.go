package apns

import (
	"strconv"
	"strings"
	"time"
)

// Priorities of apns-priority: now, when it suits the device, and last of all.
const (
	PriorityHigh   = 10
	PriorityLow    = 5
	PriorityLowest = 1
)

// MaxCollapseID is the most bytes (not characters) of apns-collapse-id.
const MaxCollapseID = 64

// Expiration is the header apns-expiration, which has three states: absent (the zero Expiration: Apple stores the
// notification by its own policy, up to 30 days), ExpireNow (one attempt, never stored), and a time (ExpireAt).
type Expiration struct {
	given bool
	unix  int64
}

// ExpireNow is one attempt, never stored: the header "0".
func ExpireNow() Expiration { return Expiration{given: true} }

// ExpireAt is the time after which Apple need not try any more, in whole seconds. A time at or before 1970 is ExpireNow.
func ExpireAt(t time.Time) Expiration { return Expiration{given: true, unix: max(t.Unix(), 0)} }

// String is the header's value; "" if it is absent.
func (e Expiration) String() string {
	if !e.given {
		return ""
	}
	return strconv.FormatInt(e.unix, 10)
}

// isHeaderText says whether a value may stand in a header: visible ASCII and inner spaces. It keeps a topic or collapse
// id from becoming something else on the wire.
func isHeaderText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == strings.TrimSpace(s)
}

func isHex(s string) bool {
	for i := range len(s) {
		if !hexDigit[s[i]] {
			return false
		}
	}
	return true
}

// hexDigit says which bytes are hexadecimal digits, in either case. A million tokens are looked at in a second.
var hexDigit = func() (is [256]bool) {
	for _, c := range "0123456789abcdefABCDEF" {
		is[c] = true
	}
	return is
}()

// MaxTokenBytes is the longest device token, decoded. Apple documents no size ("opaque"); Live Activity tokens are longer
// than the classic 32 bytes.
const MaxTokenBytes = 100

// ValidToken says whether a device token can be sent at all: hex in either case, even length, 1 to 100 bytes decoded.
func ValidToken(token string) bool {
	return token != "" && len(token)%2 == 0 && len(token) <= 2*MaxTokenBytes && isHex(token)
}

// isUUID says whether an apns-id has the canonical form 8-4-4-4-12, hex in either case.
func isUUID(s string) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	return isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
}
