package apns

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// TestReasons has one line per row of the table, written down a second time from apns-http2 §10 and DESIGN §3.
func TestReasons(t *testing.T) {
	const wide = true
	lines := []struct {
		name   string
		class  sender.Class
		wide   bool
		floor  time.Duration
		err    ErrorName
		code   results.Code
		text   string
		action results.Action
	}{
		{"BadDeviceToken", sender.Rejected, false, 0, InvalidTokenError, "8", "Invalid token", "check_environment"},
		{"DeviceTokenNotForTopic", sender.Rejected, false, 0, InvalidTokenError, "8", "Invalid token", "check_environment"},
		{"MissingDeviceToken", sender.Rejected, false, 0, MissingTokenError, "2", "Missing token", "none"},
		{"ExpiredToken", sender.Expired, false, 0, InvalidTokenError, "8", "Invalid token", "delete_token"},
		{"Unregistered", sender.Expired, false, 0, InvalidTokenError, "8", "Invalid token", "delete_token"},

		{"BadCollapseId", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"BadExpirationDate", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"BadMessageId", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"BadPriority", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"BadTopic", sender.BadJob, false, 0, InvalidTopicSizeError, "6", "Invalid topic size", "fix_payload"},
		{"MissingTopic", sender.BadJob, false, 0, MissingTopicError, "3", "Missing topic", "fix_payload"},
		{"InvalidPushType", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"PayloadEmpty", sender.BadJob, false, 0, MissingPayloadError, "4", "Missing payload", "fix_payload"},
		{"PayloadTooLarge", sender.BadJob, false, 0, InvalidPayloadSizeError, "7", "Invalid payload size", "fix_payload"},
		{"DuplicateHeaders", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "none"},
		{"BadPath", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "none"},
		{"MethodNotAllowed", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "none"},

		{"TopicDisallowed", sender.Credential, wide, 0, InvalidTopicSizeError, "6", "Invalid topic size", "fix_credential"},
		{"BadCertificate", sender.Credential, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},
		{"BadCertificateEnvironment", sender.Credential, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},
		{"Forbidden", sender.Credential, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},
		{"InvalidProviderToken", sender.Credential, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},
		{"MissingProviderToken", sender.Credential, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},
		{"BadEnvironmentKeyIdInToken", sender.Credential, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},
		{"BadEnvironmentKeyInToken", sender.Credential, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},
		{"ExpiredProviderToken", sender.Transient, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},
		{"UnrelatedKeyIdInToken", sender.Transient, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},

		{"TooManyProviderTokenUpdates", sender.Throttled, wide, time.Minute, UnknownError, "255", "Unknown", "slow_down"},
		{"TooManyRequests", sender.Throttled, false, 10 * time.Second, UnknownError, "255", "Unknown", "slow_down"},

		{"IdleTimeout", sender.Transient, false, 0, UnknownError, "255", "Unknown", "retry"},
		{"InternalServerError", sender.Transient, false, 0, ProcessingError, "1", "Processing error", "retry"},
		{"ServiceUnavailable", sender.Transient, false, 0, ProcessingError, "1", "Processing error", "retry"},
		{"Shutdown", sender.Transient, false, 0, ShutdownError, "10", "Shutdown", "retry"},

		{"BadChannelId", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"BadRequestParams", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"BadRequestPayload", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"CannotCreateChannelConfig", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "none"},
		{"ChannelNotRegistered", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"FeatureNotEnabled", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_credential"},
		{"MissingChannelId", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"MissingChannelQueueSize", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"MissingPushType", sender.BadJob, false, 0, UnknownError, "255", "Unknown", "fix_payload"},
		{"TopicMismatch", sender.BadJob, false, 0, InvalidTopicSizeError, "6", "Invalid topic size", "fix_payload"},

		{"MalformedToken", sender.Rejected, false, 0, InvalidTokenError, "8", "Invalid token", "none"},
		{"MissingVariable", sender.Rejected, false, 0, MissingPayloadError, "4", "Missing payload", "fix_payload"},
		{"ConnectionFailed", sender.Unsent, wide, 0, UnsendableError, "", "Unable to send due to previous error", "retry"},
		{"ServerNotTrusted", sender.Unsent, wide, 0, UnsendableError, "", "Unable to send due to previous error", "fix_credential"},
		{"CertificateRefused", sender.Credential, wide, 0, AuthError, "", "Authentication failed", "fix_credential"},
		{"ConnectionLost", sender.Unsent, false, 0, UnsendableError, "", "Unable to send due to previous error", "retry"},
		{"GoAway", sender.Unsent, false, 0, UnsendableError, "", "Unable to send due to previous error", "retry"},
		{"RefusedStream", sender.Unsent, false, 0, UnsendableError, "", "Unable to send due to previous error", "retry"},
		{"NotBegun", sender.Unsent, false, 0, UnsendableError, "", "Unable to send due to previous error", "retry"},
		{"Paced", sender.Unsent, false, 0, UnsendableError, "", "Not sent yet, because this worker's share of the app's rate is used up", "slow_down"},
		{"AnswerLost", sender.Uncertain, false, 0, UnknownError, "255", "Unknown", "retry"},
		{"AnswerTimeout", sender.Uncertain, false, 0, TimeoutError, "", "Timeout", "retry"},
		{"AnswerNotAwaited", sender.Uncertain, false, 0, UnknownError, "255", "Unknown", "retry"},

		// The binary protocol, from apns-binary §2 and pushjack-surface §6.
		{"ProcessingError", sender.Transient, false, 0, ProcessingError, "1", "Processing error", "retry"},
		{"MissingPayload", sender.BadJob, false, 0, MissingPayloadError, "4", "Missing payload", "fix_payload"},
		{"InvalidTokenSize", sender.Rejected, false, 0, InvalidTokenSizeError, "5", "Invalid token size", "none"},
		{"InvalidTopicSize", sender.Credential, wide, 0, InvalidTopicSizeError, "6", "Invalid topic size", "fix_credential"},
		{"InvalidPayloadSize", sender.BadJob, false, 0, InvalidPayloadSizeError, "7", "Invalid payload size", "fix_payload"},
		{"InvalidToken", sender.Rejected, false, 0, InvalidTokenError, "8", "Invalid token", "check_environment"},
		{"ProtocolError", sender.Rejected, false, 0, ProtocolError, "128", "Protocol", "none"},
		{"UnknownStatus", sender.Transient, false, 0, UnknownError, "255", "Unknown", "retry"},
		{"WriteFailed", sender.Unsent, wide, 0, TimeoutError, "", "Timeout", "retry"},
		{"Unsendable", sender.BadJob, false, 0, UnsendableError, "", "Unable to send due to previous error", "fix_payload"},
		{"UnsendableApp", sender.Unsent, wide, 0, UnsendableError, "", "Unable to send due to previous error", "fix_credential"},
		{"FeedbackService", sender.Expired, false, 0, InvalidTokenError, "8", "Invalid token", "delete_token"},
	}
	seen := make(map[string]bool)
	for _, line := range lines {
		seen[line.name] = true
		want := &sender.Reason{
			Name: line.name, Class: line.class, Wide: line.wide, Floor: line.floor,
			Error: string(line.err), Code: line.code, Description: line.text, Action: line.action, Unasked: line.name == Paced,
		}
		if diff := cmp.Diff(want, Reason(line.name)); diff != "" {
			t.Errorf("%s: %s", line.name, diff)
		}
	}
	for name := range table {
		if !seen[name] {
			t.Errorf("row %s has no line here", name)
		}
	}
}

func TestUnknownReasonsFollowTheStatusFamily(t *testing.T) {
	for _, test := range []struct {
		name     string
		status   int
		wantName string
		class    sender.Class
		err      ErrorName
		action   results.Action
	}{
		{"BrandNew", 400, "BrandNew", sender.BadJob, UnknownError, "none"},
		{"BrandNew", 403, "BrandNew", sender.BadJob, UnknownError, "none"},
		{"", 410, "Status410", sender.BadJob, UnknownError, "none"},
		{"", 418, "Status418", sender.BadJob, UnknownError, "none"},
		{"", 408, "Status408", sender.Transient, UnknownError, "retry"},
		{"", 429, "Status429", sender.Throttled, UnknownError, "slow_down"},
		{"", 500, "Status500", sender.Transient, ProcessingError, "retry"},
		{"BrandNew", 503, "BrandNew", sender.Transient, ProcessingError, "retry"},
		{"", 302, "Status302", sender.Credential, UnknownError, "fix_credential"},
		{"BrandNew", 0, "BrandNew", sender.Transient, UnknownError, "retry"},
		{"two words", 400, "Status400", sender.BadJob, UnknownError, "none"},
		{"<html>", 400, "Status400", sender.BadJob, UnknownError, "none"},
		{strings.Repeat("A", 64), 400, "Status400", sender.BadJob, UnknownError, "none"}, // all hex: could be a token
		{strings.Repeat("X", 64), 400, strings.Repeat("X", 64), sender.BadJob, UnknownError, "none"},
		{strings.Repeat("X", 65), 400, "Status400", sender.BadJob, UnknownError, "none"},
	} {
		got := Unknown(test.name, test.status)
		if got.Name != test.wantName || got.Class != test.class || got.Error != string(test.err) || got.Action != test.action {
			t.Errorf("Unknown(%q, %d) = %+v", test.name, test.status, got)
		}
	}
	if got := Reason("BrandNew"); got.Name != "BrandNew" || got.Class != sender.Transient {
		t.Errorf("Reason of an unknown name = %+v", got)
	}
	for _, status := range []int{302, 400, 408, 418, 429, 500, 503} {
		first := Unknown("", status)
		if diff := cmp.Diff(first, Reason(first.Name)); diff != "" {
			t.Errorf("status %d is not found again by its name: %s", status, diff)
		}
	}
}
