// This file models the request headers: Apple, "Sending notification requests to APNs", table of headers. What the
// page does not say: whether upper-case digits in an apns-id are refused (here they are: the page speaks of lower case),
// and what a priority other than 5 does to a background push beyond 10 being an error (here only 10 is). A missing
// apns-push-type is accepted, as it is by the service for older systems.

package apnstest

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// maxCollapseID is in bytes.
const maxCollapseID = 64

// messageID is the id of the answer: the request's in the header name if that is a canonical UUID, else a new one. The
// service writes those it makes itself in upper case.
func messageID(h h2sim.Fields, name string) (id, reason string) {
	switch value, count := h.Get(name), h.Count(name); {
	case count == 0:
		return newMessageID(), ""
	case count == 1 && isCanonicalUUID(value):
		return value, ""
	case count > 1:
		return newMessageID(), "DuplicateHeaders"
	}
	return newMessageID(), "BadMessageId"
}

func newMessageID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func isCanonicalUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(text) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// checkHeaders judges what does not depend on credentials.
func checkHeaders(h h2sim.Fields) string {
	if hasDuplicates(h) {
		return "DuplicateHeaders"
	}
	pushType, priority := h.Get("apns-push-type"), h.Get("apns-priority")
	switch {
	case len(h.Get("apns-collapse-id")) > maxCollapseID:
		return "BadCollapseId"
	case h.Count("apns-expiration") > 0 && !isExpiration(h.Get("apns-expiration")):
		return "BadExpirationDate"
	case h.Count("apns-priority") > 0 && priority != "10" && priority != "5" && priority != "1":
		return "BadPriority"
	case pushType == "background" && priority == "10":
		return "BadPriority"
	case h.Count("apns-push-type") > 0 && !isPushType(pushType):
		return "InvalidPushType"
	}
	return ""
}

func hasDuplicates(h h2sim.Fields) bool {
	for i := range h {
		if h[i+1:].Count(h[i].Name) > 0 {
			return true
		}
	}
	return false
}

// isExpiration takes 0 and seconds since the epoch. Nineteen digits would not fit 64 bits.
func isExpiration(value string) bool {
	return value != "" && len(value) <= 18 && strings.Trim(value, "0123456789") == ""
}

func isPushType(pushType string) bool {
	switch pushType {
	case "alert", "background", "voip", "complication", "fileprovider", "mdm", "location", "liveactivity", "pushtotalk", "widgets", "controls":
		return true
	}
	return false
}
