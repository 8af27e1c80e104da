package gcm

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// wantReason is one row of the tables.
type wantReason struct {
	name   string
	class  sender.Class
	wide   bool
	floor  time.Duration
	err    string
	code   results.Code
	action results.Action
}

// wantReasons repeats the tables by hand, from reference gcm-legacy §4 and §3.1, fcm-v1 §6 and §12: one row here per row there.
var wantReasons = []wantReason{
	{"MissingRegistration", sender.BadJob, false, 0, "GCMMissingRegistrationError", "MissingRegistration", "fix_payload"},
	{"InvalidRegistration", sender.Rejected, false, 0, "GCMInvalidRegistrationError", "InvalidRegistration", "delete_token"},
	{"NotRegistered", sender.Expired, false, 0, "GCMUnregisteredDeviceError", "NotRegistered", "delete_token"},
	{"InvalidPackageName", sender.Rejected, false, 0, "GCMInvalidPackageNameError", "InvalidPackageName", "fix_payload"},
	{"MismatchSenderId", sender.Rejected, false, 0, "GCMMismatchedSenderError", "MismatchSenderId", "check_environment"},
	{"InvalidParameters", sender.BadJob, false, 0, "GCMServerError", "InvalidParameters", "fix_payload"},
	{"MessageTooBig", sender.BadJob, false, 0, "GCMMessageTooBigError", "MessageTooBig", "fix_payload"},
	{"InvalidDataKey", sender.BadJob, false, 0, "GCMInvalidDataKeyError", "InvalidDataKey", "fix_payload"},
	{"InvalidTtl", sender.BadJob, false, 0, "GCMInvalidTimeToLiveError", "InvalidTtl", "fix_payload"},
	{"Unavailable", sender.Transient, false, 0, "GCMTimeoutError", "Unavailable", "retry"},
	{"InternalServerError", sender.Transient, false, 0, "GCMInternalServerError", "InternalServerError", "retry"},
	{"DeviceMessageRateExceeded", sender.Throttled, false, 0, "GCMDeviceMessageRateExceededError", "DeviceMessageRateExceeded", "slow_down"},
	{"TopicsMessageRateExceeded", sender.Throttled, false, time.Minute, "GCMServerError", "TopicsMessageRateExceeded", "slow_down"},
	{"InvalidApnsCredential", sender.Rejected, false, 0, "GCMServerError", "InvalidApnsCredential", "fix_credential"},
	{"QuotaExceeded", sender.Throttled, true, time.Minute, "GCMServerError", "QuotaExceeded", "slow_down"},
	{"DeviceQuotaExceeded", sender.Throttled, false, time.Minute, "GCMServerError", "DeviceQuotaExceeded", "slow_down"},

	{"INVALID_ARGUMENT", sender.BadJob, false, 0, "GCMServerError", "InvalidParameters", "fix_payload"},
	{"INVALID_ARGUMENT_TOKEN", sender.Rejected, false, 0, "GCMInvalidRegistrationError", "InvalidRegistration", "delete_token"},
	{"UNAUTHENTICATED", sender.Credential, true, 0, "GCMAuthError", "", "fix_credential"},
	{"THIRD_PARTY_AUTH_ERROR", sender.Rejected, false, 0, "GCMServerError", "InvalidApnsCredential", "fix_credential"},
	{"SENDER_ID_MISMATCH", sender.Rejected, false, 0, "GCMMismatchedSenderError", "MismatchSenderId", "check_environment"},
	{"PERMISSION_DENIED", sender.Credential, true, 0, "GCMAuthError", "", "fix_credential"},
	{"SERVICE_DISABLED", sender.Credential, true, 0, "GCMAuthError", "", "fix_credential"},
	{"UNREGISTERED", sender.Expired, false, 0, "GCMUnregisteredDeviceError", "NotRegistered", "delete_token"},
	{"NOT_FOUND", sender.Credential, true, 0, "GCMAuthError", "", "fix_credential"},
	{"QUOTA_EXCEEDED", sender.Throttled, false, time.Minute, "GCMDeviceMessageRateExceededError", "DeviceMessageRateExceeded", "slow_down"},
	{"RATE_LIMIT_EXCEEDED", sender.Throttled, true, time.Minute, "GCMServerError", "QuotaExceeded", "slow_down"},
	{"RESOURCE_EXHAUSTED", sender.Throttled, true, time.Minute, "GCMServerError", "QuotaExceeded", "slow_down"},
	{"INTERNAL", sender.Transient, false, 0, "GCMInternalServerError", "InternalServerError", "retry"},
	{"UNAVAILABLE", sender.Transient, false, 0, "GCMTimeoutError", "Unavailable", "retry"},
	{"DEADLINE_EXCEEDED", sender.Uncertain, false, 0, "GCMTimeoutError", "Unavailable", "none"},

	{"UnexpectedRedirect", sender.Credential, true, 0, "GCMAuthError", "", "fix_credential"},
	{"BadRequest", sender.BadJob, false, 0, "GCMServerError", "InvalidParameters", "fix_payload"},
	{"Unauthorized", sender.Credential, true, 0, "GCMAuthError", "", "fix_credential"},
	{"Forbidden", sender.Credential, true, 0, "GCMAuthError", "", "fix_credential"},
	{"NotFound", sender.Credential, true, 0, "GCMAuthError", "", "fix_credential"},
	{"PayloadTooLarge", sender.BadJob, false, 0, "GCMMessageTooBigError", "MessageTooBig", "fix_payload"},
	{"TooManyRequests", sender.Throttled, true, time.Minute, "GCMServerError", "QuotaExceeded", "slow_down"},
	{"ServerError", sender.Transient, false, 0, "GCMInternalServerError", "InternalServerError", "retry"},
	{"GatewayTimeout", sender.Uncertain, false, 0, "GCMTimeoutError", "Unavailable", "none"},

	{"MissingVariable", sender.Rejected, false, 0, "GCMServerError", "MissingVariable", "fix_payload"},
	{"MalformedRegistrationID", sender.Rejected, false, 0, "GCMInvalidRegistrationError", "InvalidRegistration", "delete_token"},
	{"WrongProtocol", sender.BadJob, false, 0, "GCMServerError", "", "fix_payload"},
	{"ConnectionFailed", sender.Unsent, true, 0, "GCMServerError", "", "retry"},
	{"RequestRefused", sender.Unsent, false, 0, "GCMServerError", "", "retry"},
	{"Held", sender.Unsent, false, 0, "GCMServerError", "", "retry"},
	{"Paced", sender.Unsent, false, 0, "GCMServerError", "", "slow_down"},
	{"Cancelled", sender.Unsent, false, 0, "GCMServerError", "", "retry"},
	{"NoAccessToken", sender.Unsent, true, 0, "GCMServerError", "", "retry"},
	{"ServiceAccountRefused", sender.Credential, true, 0, "GCMAuthError", "", "fix_credential"},
	{"AnswerLost", sender.Uncertain, false, 0, "GCMServerError", "", "none"},
	{"AnswerTimeout", sender.Uncertain, false, 0, "GCMServerError", "", "none"},
	{"AnswerUnreadable", sender.Uncertain, false, 0, "GCMServerError", "", "none"},
	{"AnswerMissing", sender.Uncertain, false, 0, "GCMServerError", "", "none"},
	{"DeviceGroupFailed", sender.Transient, false, 0, "GCMServerError", "", "retry"},
}

func TestReasonRows(t *testing.T) {
	seen := map[string]bool{}
	for _, want := range wantReasons {
		t.Run(want.name, func(t *testing.T) {
			r := Reason(want.name)
			got := sender.Reason{
				Name: want.name, Class: want.class, Wide: want.wide, Floor: want.floor, Error: want.err, Code: want.code,
				Description: r.Description, Action: want.action,
				Unasked: slices.Contains([]string{"Held", "Paced", "Cancelled"}, want.name),
			}
			if diff := cmp.Diff(got, *r); diff != "" {
				t.Error(diff)
			}
			if r.Description == "" || r.Description == "Unknown error" {
				t.Errorf("no description")
			}
			if again := Reason(want.name); again != r {
				t.Error("not the same row: outcomes are grouped by row")
			}
		})
		seen[want.name] = true
	}
	for name := range reasonsByName {
		if !seen[name] {
			t.Errorf("row %s has no test row", name)
		}
	}
	if n := len(legacyReasons) + len(fcmReasons) + len(statusReasons) + len(ownReasons); n != len(reasonsByName) {
		t.Errorf("%d rows have %d names", n, len(reasonsByName))
	}
}

func TestReferenceTexts(t *testing.T) {
	for name, text := range map[string]string{
		"MissingRegistration": "Missing registration ID", "InvalidRegistration": "Invalid registration ID",
		"NotRegistered": "Device not registered", "InvalidPackageName": "Invalid package name", "MismatchSenderId": "Mismatched sender ID",
		"MessageTooBig": "Message too big", "InvalidDataKey": "Invalid data key", "InvalidTtl": "Invalid time to live",
		"Unavailable": "Timeout", "InternalServerError": "Internal server error",
		"DeviceMessageRateExceeded": "Device message rate exceeded",
		"UNREGISTERED":              "Device not registered", "INVALID_ARGUMENT_TOKEN": "Invalid registration ID",
		"SENDER_ID_MISMATCH": "Mismatched sender ID", "INTERNAL": "Internal server error", "UNAVAILABLE": "Timeout",
		"QUOTA_EXCEEDED": "Device message rate exceeded", "MalformedRegistrationID": "Invalid registration ID",
	} {
		if got := Reason(name).Description; got != text {
			t.Errorf("%s: %q, want %q", name, got, text)
		}
	}
}

func TestUnknownReason(t *testing.T) {
	for _, row := range []struct {
		status int
		class  sender.Class
		action results.Action
	}{
		{0, sender.Rejected, "none"},
		{200, sender.Rejected, "none"},
		{400, sender.Rejected, "none"},
		{404, sender.Rejected, "none"},
		{401, sender.Credential, "fix_credential"},
		{403, sender.Credential, "fix_credential"},
		{429, sender.Throttled, "slow_down"},
		{500, sender.Transient, "retry"},
		{503, sender.Transient, "retry"},
	} {
		r := unknownReason("BRAND_NEW", row.status)
		if r.Name != "BRAND_NEW" || r.Code != "BRAND_NEW" || r.Class != row.class || r.Action != row.action {
			t.Errorf("%d: %+v", row.status, *r)
		}
	}
	for _, name := range []string{"", "two words", "ümlaut", strings.Repeat("x", 49), "a\nb"} {
		if got := Reason(name).Name; got != "Unknown" {
			t.Errorf("%q became %q", name, got)
		}
	}
	if got := Reason(strings.Repeat("x", 48)).Name; len(got) != 48 {
		t.Errorf("48 characters became %q", got)
	}
}

func TestStatusReason(t *testing.T) {
	for _, row := range []struct {
		status      int
		legacy, fcm string
	}{
		{204, "AnswerUnreadable", "AnswerUnreadable"},
		{302, "UnexpectedRedirect", "UnexpectedRedirect"},
		{400, "BadRequest", "BadRequest"},
		{401, "Unauthorized", "Unauthorized"},
		{403, "Forbidden", "Forbidden"},
		{404, "NotFound", "NotFound"},
		{405, "NotFound", "NotFound"},
		{410, "NotFound", "NotFound"},
		{408, "ServerError", "ServerError"},
		{413, "PayloadTooLarge", "PayloadTooLarge"},
		{418, "BadRequest", "BadRequest"},
		{429, "TooManyRequests", "TooManyRequests"},
		{500, "InternalServerError", "INTERNAL"},
		{501, "ServerError", "ServerError"},
		{502, "ServerError", "ServerError"},
		{503, "Unavailable", "UNAVAILABLE"},
		{504, "GatewayTimeout", "DEADLINE_EXCEEDED"},
		{599, "ServerError", "ServerError"},
	} {
		t.Run(http.StatusText(row.status), func(t *testing.T) {
			if got := statusReason(Legacy, row.status).Name; got != row.legacy {
				t.Errorf("legacy: %s, want %s", got, row.legacy)
			}
			if got := statusReason(V1, row.status).Name; got != row.fcm {
				t.Errorf("v1: %s, want %s", got, row.fcm)
			}
		})
	}
}
