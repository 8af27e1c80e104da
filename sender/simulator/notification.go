package simulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/volleypush/volley/sender/simulator/h2sim"
)

// Notification is one line of the ledger: what arrived for one recipient and what was answered. Headers and Body are
// shared between lines and must not be changed.
type Notification struct {
	// Platform is APNS or GCM.
	Platform string `json:"platform"`
	// Protocol is "http2" or "binary" (APNs), "v1" or "legacy" (GCM).
	Protocol string `json:"protocol"`
	// Token is the device token, registration ID, topic or condition as it was sent; "" if the request named none.
	Token string `json:"token"`
	// Headers are the request's, names in lower case, credentials blotted out; see Headers. The binary protocol has none:
	// there its items stand under the names they have in HTTP/2, and "connection" is the number of the connection.
	Headers map[string]string `json:"headers"`
	// Body is what was sent, without the recipients for legacy GCM. What is not JSON is one JSON string; nil if empty
	// or too large to keep.
	Body json.RawMessage `json:"body"`
	// Status is the HTTP status this recipient was answered with. The binary protocol answers only refusals: 200 is an
	// acceptance there too, anything else the status of the error packet.
	Status int `json:"status"`
	// Reason is the provider's word for a refusal; "" is an acceptance.
	Reason string `json:"reason,omitempty"`
	// DryRun marks what the provider was asked to check and not to deliver (FCM v1 validate_only, legacy dry_run).
	DryRun bool `json:"dry_run,omitempty"`
	// Chunk is the number of registration_ids in the legacy GCM request that brought this one; 0 if it used "to" or
	// "condition", and for all other protocols.
	Chunk int `json:"chunk,omitempty"`
	// At is when it arrived.
	At time.Time `json:"at"`
}

// Accepted reports whether the provider took the notification for delivery.
func (n *Notification) Accepted() bool {
	return n.Status == http.StatusOK && n.Reason == "" && !n.DryRun
}

// Headers is the ledger's form of a request's headers: names in lower case, several values joined by ", ". Of
// credentials only the scheme remains.
func Headers(fields h2sim.Fields) map[string]string {
	out := make(map[string]string, len(fields))
	for _, f := range fields {
		first, again := out[f.Name]
		scheme, secret := credential(f)
		switch {
		case secret && again:
		case secret:
			out[f.Name] = scheme + redacted
		case again:
			out[f.Name] = first + ", " + f.Value
		default:
			out[f.Name] = f.Value
		}
	}
	return out
}

// redacted stands for what must not be kept.
const redacted = "[redacted]"

// credential says whether a field holds a secret, and what of it may be shown.
func credential(f h2sim.Field) (scheme string, secret bool) {
	switch f.Name {
	case "authorization", "proxy-authorization":
		if i := strings.IndexAny(f.Value, " ="); i > 0 && i <= len("bearer") {
			return f.Value[:i+1], true
		}
		return "", true
	case "cookie":
		return "", true
	}
	return "", false
}

// Body is the ledger's form of a request body: as it is if it is JSON, else one JSON string of it, nil if empty.
func Body(raw []byte) json.RawMessage {
	switch {
	case len(raw) == 0:
		return nil
	case utf8.Valid(raw) && json.Valid(raw):
		return raw
	}
	text, err := json.Marshal(string(raw))
	if err != nil { // a string can always be marshalled
		return nil
	}
	return text
}
