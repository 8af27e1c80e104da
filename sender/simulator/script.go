package simulator

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

const (
	// maxLatency bounds Answer.Latency: longer than any client waits.
	maxLatency = time.Hour
	// maxHeaderBytes bounds Answer.HeaderBytes: more than any client reads.
	maxHeaderBytes = 1 << 24
)

// Script says what goes differently. Rules say which recipients get another answer: they are tried in order and the first
// match wins; a recipient that no rule matches is treated as the provider would treat a good one. Faults concern whole
// connections, Phases whole periods. YAML and JSON have the same shape:
//
//	rules:
//	  - {prefix: "ab", percent: 10, answer: {reason: Unregistered}}
//	faults:
//	  # the 101st to 110th request of each connection meet a GOAWAY; five of them are answered, five never processed
//	  - {platform: apns, kind: goaway, after: 100, catch: 10, last_stream: mid, reason: Shutdown}
//	phases:
//	  - {for: 30s}
//	  - {for: 10s, fault: {kind: down}}
//	habits: {one_stream_at_first: true}
type Script struct {
	Rules []Rule `json:"rules"`
	// Faults are tried in order; the first that catches a request has it.
	Faults []Fault `json:"faults,omitempty"`
	// Phases follow each other from when the script comes into force.
	Phases []Phase `json:"phases,omitempty"`
	// Habits replace those of the simulators' options.
	Habits *Habits `json:"habits,omitempty"`
	// Feedback is what goes wrong at the feedback service of the binary protocol.
	Feedback *Feedback `json:"feedback,omitempty"`
}

// Rule picks recipients by Token, or by Prefix, Percent or both (then both must hold), and answers them.
type Rule struct {
	// Platform is APNS, GCM or "" for both.
	Platform string `json:"platform,omitempty"`
	// Token is one recipient exactly: device token, registration ID, or the target of a topic or condition message, all as sent.
	Token string `json:"token,omitempty"`
	// Prefix is how the recipient begins.
	Prefix string `json:"prefix,omitempty"`
	// Percent is a share of recipients, 0 to 100, chosen by Selected. 0 is "not given", 100 is everybody.
	Percent float64 `json:"percent,omitempty"`
	// Salt makes rules of equal percentage hit different recipients; see Selected.
	Salt string `json:"salt,omitempty"`
	// Times limits the rule to the first N answers per recipient; then the next rules apply. 0 is always.
	Times int `json:"times,omitempty"`
	// Answer is what a recipient gets.
	Answer Answer `json:"answer"`
}

// Answer is what a rule answers. With neither Status, Reason nor Body it is an acceptance, perhaps late or with a
// canonical ID. Each simulator fills in what is left out: the status of a reason it knows, the reason of a status.
type Answer struct {
	// Status is the HTTP status, 200 to 599; 0 for the one that belongs to Reason.
	Status int `json:"status,omitempty"`
	// Reason is the provider's word: "Unregistered", "NotRegistered", "UNREGISTERED", or any other.
	Reason string `json:"reason,omitempty"`
	// TimestampMS is the time in an APNs 410, milliseconds since the epoch; 0 is now.
	TimestampMS int64 `json:"timestamp_ms,omitempty"`
	// RetryAfter is the Retry-After header as it is sent: seconds or an HTTP date.
	RetryAfter string `json:"retry_after,omitempty"`
	// CanonicalID is the registration ID that replaces this one (legacy GCM only).
	CanonicalID string `json:"canonical_id,omitempty"`
	// Latency is how long the answer takes. The notification is in the ledger before it.
	Latency Duration `json:"latency,omitempty"`
	// Body replaces the whole response body verbatim, such as the HTML page of a proxy, or JSON that breaks off.
	Body string `json:"body,omitempty"`
	// Headers are added to the response.
	Headers map[string]string `json:"headers,omitempty"`
	// HeaderBytes adds a header of that size, for clients that bound what they read; over 16 KiB it takes CONTINUATION.
	HeaderBytes int `json:"header_bytes,omitempty"`
	// Trailers follow the body.
	Trailers map[string]string `json:"trailers,omitempty"`
	// Informational are statuses from 100 to 199 that go before the answer. 101 is not allowed in HTTP/2.
	Informational []int `json:"informational,omitempty"`
	// Reset is the name of the error code of a RST_STREAM that comes instead of the answer or, with Status, Reason or Body,
	// in the middle of it. With REFUSED_STREAM alone the notification was not processed (RFC 9113 §8.7) and is not in the
	// ledger; else it was taken and only the answer is lost. Over HTTP/1.1 the connection ends.
	Reset string `json:"reset,omitempty"`
	// Never is no answer at all: the notification is taken and its stream stays open until the client gives up.
	Never bool `json:"never,omitempty"`
	// Early answers when only the header has arrived, and reads no more of the body (RFC 9113 §8.1). APNs only, where the
	// recipient is in the path. The ledger's line then has no body.
	Early bool `json:"early,omitempty"`
	// Packet is what the binary gateway says, and how. It answers nothing but a refusal, so of the fields above it follows
	// Reason or Status (of either protocol), Latency, Never and Reset only.
	Packet *Packet `json:"packet,omitempty"`
}

// Accepts reports whether the answer is an acceptance. One that gets lost is one too.
func (a *Answer) Accepts() bool {
	return a.Reason == "" && a.Body == "" && (a.Status == 0 || a.Status == http.StatusOK)
}

// Refuses reports whether the request is refused unseen: such a notification never arrived.
func (a *Answer) Refuses() bool {
	return a.Hidden() && a.Reset == http2.ErrCodeRefusedStream.String()
}

// Hidden reports whether a reset comes before anything of the answer. Ask before the answer's gaps are filled.
func (a *Answer) Hidden() bool { return a.Reset != "" && a.Status == 0 && a.Accepts() }

// Duration is a time.Duration that is written as text, such as "50ms".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: a number with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration: give a number and a unit, such as 50ms or 2s", text)
	}
	*d = Duration(parsed)
	return nil
}

// Validate names the first thing wrong with the script, by the number (from 1) of the rule, fault or phase.
func (s Script) Validate() error {
	for i, rule := range s.Rules {
		if err := rule.validate(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
		if j := s.shadow(i); j >= 0 {
			return fmt.Errorf("rule %d can never answer: rule %d takes the same recipients; give it another salt", i+1, j+1)
		}
	}
	for i := range s.Faults {
		if err := s.Faults[i].validate(false); err != nil {
			return fmt.Errorf("fault %d: %w", i+1, err)
		}
	}
	for i := range s.Phases {
		if err := s.Phases[i].validate(i == len(s.Phases)-1); err != nil {
			return fmt.Errorf("phase %d: %w", i+1, err)
		}
	}
	if s.Feedback != nil {
		if err := s.Feedback.validate(); err != nil {
			return fmt.Errorf("feedback: %w", err)
		}
	}
	if s.Habits != nil {
		if err := s.Habits.validate(); err != nil {
			return fmt.Errorf("habits: %w", err)
		}
	}
	return nil
}

func (h Habits) validate() error {
	switch {
	case h.ErrorLimit < 0:
		return fmt.Errorf("error_limit %d is negative", h.ErrorLimit)
	case h.Environment != "" && h.Environment != Production && h.Environment != Sandbox:
		return fmt.Errorf("environment %q is neither %s nor %s", h.Environment, Production, Sandbox)
	}
	return nil
}

// shadow finds an earlier percent rule that takes everybody this percent rule would: equal salts select the same
// recipients, which surprises whoever meant two independent shares.
func (s Script) shadow(i int) int {
	late := s.Rules[i]
	if late.Percent == 0 {
		return -1
	}
	for j, early := range s.Rules[:i] {
		if early.Times == 0 && early.Percent >= late.Percent && early.Salt == late.Salt &&
			(early.Platform == "" || early.Platform == late.Platform) && strings.HasPrefix(late.Prefix, early.Prefix) {
			return j
		}
	}
	return -1
}

func (r Rule) validate() error {
	if err := checkPlatform(r.Platform); err != nil {
		return err
	}
	switch {
	case math.IsNaN(r.Percent) || r.Percent < 0 || r.Percent > 100:
		return fmt.Errorf("percent %v is not within 0 and 100", r.Percent)
	case r.Token == "" && r.Prefix == "" && r.Percent == 0:
		return fmt.Errorf("it picks nobody: give token, prefix or percent (100 is everybody)")
	case r.Token != "" && (r.Prefix != "" || r.Percent != 0):
		return fmt.Errorf("token is one exact recipient; prefix and percent do not go with it")
	case r.Salt != "" && (r.Percent == 0 || r.Percent == 100):
		return fmt.Errorf("salt goes with a percent below 100")
	case r.Times < 0:
		return fmt.Errorf("times %d is negative", r.Times)
	case r.Answer.Early && r.Platform != APNS:
		return fmt.Errorf("answer: %s", earlyNeedsPath)
	}
	if err := r.Answer.validate(); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

func (a Answer) validate() error {
	switch {
	case a.Status != 0 && (a.Status < 200 || a.Status > 599):
		return fmt.Errorf("status %d is not within 200 and 599", a.Status)
	case a.Status == http.StatusNoContent || a.Status == http.StatusNotModified:
		return fmt.Errorf("status %d cannot carry a body and no provider answers it", a.Status)
	case a.Latency < 0 || time.Duration(a.Latency) > maxLatency:
		return fmt.Errorf("latency %s is not within 0 and %s", time.Duration(a.Latency), maxLatency)
	case a.TimestampMS < 0:
		return fmt.Errorf("timestamp_ms %d is negative", a.TimestampMS)
	case !isHeaderValue(a.RetryAfter):
		return fmt.Errorf("retry_after %q cannot be a header", a.RetryAfter)
	case a.HeaderBytes < 0 || a.HeaderBytes > maxHeaderBytes:
		return fmt.Errorf("header_bytes %d is not within 0 and %d", a.HeaderBytes, maxHeaderBytes)
	case a.Reset != "" && !slices.Contains(codeNames(), a.Reset):
		return fmt.Errorf("reset %q is not one of %s", a.Reset, strings.Join(codeNames(), ", "))
	case a.Never && (a.Reset != "" || a.Latency != 0):
		return fmt.Errorf("never goes with neither reset nor latency")
	}
	if a.Packet != nil {
		if err := a.Packet.validate(); err != nil {
			return fmt.Errorf("packet: %w", err)
		}
	}
	for _, status := range a.Informational {
		if status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
			return fmt.Errorf("informational: %d is not within 100 and 199 without 101", status)
		}
	}
	for place, fields := range map[string]map[string]string{"headers": a.Headers, "trailers": a.Trailers} {
		for name, value := range fields {
			if !isHeaderName(name) || !isHeaderValue(value) {
				return fmt.Errorf("%s: %q with value %q cannot be a header", place, name, value)
			}
		}
	}
	return nil
}

// isHeaderName is the token rule of RFC 9110 §5.6.2.
func isHeaderName(name string) bool {
	for _, c := range []byte(name) {
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}

// isHeaderValue keeps line breaks and other control characters out of a response (RFC 9110 §5.5).
func isHeaderValue(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
