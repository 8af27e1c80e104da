package gcm

import (
	"time"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// quotaFloor is the least wait after an exceeded quota that came without Retry-After (FCM, "Scale FCM": at least 60 s;
// "Throttling and quotas": first delay of a minute for project and topic limits).
const quotaFloor = time.Minute

// The reference's class names that rows without a class of their own use.
const (
	authError   = "GCMAuthError"
	serverError = "GCMServerError"
)

// Names of the rows that code picks by itself. Those of the legacy protocol are Google's error strings.
const (
	reasonMissingRegistration = "MissingRegistration"
	reasonInvalidParameters   = "InvalidParameters"
	reasonUnavailable         = "Unavailable"
	reasonInternalServerError = "InternalServerError"

	// FCM v1 and google.rpc.
	reasonInvalidArgument  = "INVALID_ARGUMENT"
	reasonInvalidToken     = "INVALID_ARGUMENT_TOKEN"
	reasonUnauthenticated  = "UNAUTHENTICATED"
	reasonQuotaExceeded    = "QUOTA_EXCEEDED"
	reasonRateLimit        = "RATE_LIMIT_EXCEEDED"
	reasonThirdPartyAuth   = "THIRD_PARTY_AUTH_ERROR"
	reasonInternal         = "INTERNAL"
	reasonFCMUnavailable   = "UNAVAILABLE"
	reasonDeadlineExceeded = "DEADLINE_EXCEEDED"

	// By HTTP status alone.
	reasonRedirect        = "UnexpectedRedirect"
	reasonBadRequest      = "BadRequest"
	reasonUnauthorized    = "Unauthorized"
	reasonForbidden       = "Forbidden"
	reasonNotFound        = "NotFound"
	reasonTooLarge        = "PayloadTooLarge"
	reasonTooManyRequests = "TooManyRequests"
	reasonServerError     = "ServerError"
	reasonGatewayTimeout  = "GatewayTimeout"

	// What no provider said.
	reasonMalformedID       = "MalformedRegistrationID"
	reasonMissingVariable   = "MissingVariable"
	reasonWrongProtocol     = "WrongProtocol"
	reasonConnectionFailed  = "ConnectionFailed"
	reasonRequestRefused    = "RequestRefused"
	reasonHeld              = "Held"
	reasonPaced             = "Paced"
	reasonCancelled         = "Cancelled"
	reasonNoAccessToken     = "NoAccessToken"
	reasonAccountRefused    = "ServiceAccountRefused"
	reasonAnswerLost        = "AnswerLost"
	reasonAnswerTimeout     = "AnswerTimeout"
	reasonAnswerUnreadable  = "AnswerUnreadable"
	reasonAnswerMissing     = "AnswerMissing"
	reasonDeviceGroupFailed = "DeviceGroupFailed"
)

// legacyReasons are the error strings of GCM's JSON protocol, with the reference's class for each. A row that the reference has
// no class for carries its base class and Google's string as the code.
var legacyReasons = [...]sender.Reason{
	{
		Name: reasonMissingRegistration, Class: sender.BadJob, Error: "GCMMissingRegistrationError", Code: "MissingRegistration",
		Description: "Missing registration ID", Action: results.ActionFixPayload,
	},
	{
		Name: "InvalidRegistration", Class: sender.Rejected, Error: "GCMInvalidRegistrationError", Code: "InvalidRegistration",
		Description: "Invalid registration ID", Action: results.ActionDeleteToken,
	},
	{
		Name: "NotRegistered", Class: sender.Expired, Error: "GCMUnregisteredDeviceError", Code: "NotRegistered",
		Description: "Device not registered", Action: results.ActionDeleteToken,
	},
	// Other recipients of the job may well have the package: the recipient fails alone.
	{
		Name: "InvalidPackageName", Class: sender.Rejected, Error: "GCMInvalidPackageNameError", Code: "InvalidPackageName",
		Description: "Invalid package name", Action: results.ActionFixPayload,
	},
	{
		Name: "MismatchSenderId", Class: sender.Rejected, Error: "GCMMismatchedSenderError", Code: "MismatchSenderId",
		Description: "Mismatched sender ID", Action: results.ActionCheckEnvironment,
	},
	{
		Name: reasonInvalidParameters, Class: sender.BadJob, Error: serverError, Code: "InvalidParameters",
		Description: "Invalid parameters", Action: results.ActionFixPayload,
	},
	{
		Name: "MessageTooBig", Class: sender.BadJob, Error: "GCMMessageTooBigError", Code: "MessageTooBig",
		Description: "Message too big", Action: results.ActionFixPayload,
	},
	{
		Name: "InvalidDataKey", Class: sender.BadJob, Error: "GCMInvalidDataKeyError", Code: "InvalidDataKey",
		Description: "Invalid data key", Action: results.ActionFixPayload,
	},
	{
		Name: "InvalidTtl", Class: sender.BadJob, Error: "GCMInvalidTimeToLiveError", Code: "InvalidTtl",
		Description: "Invalid time to live", Action: results.ActionFixPayload,
	},
	{
		Name: reasonUnavailable, Class: sender.Transient, Error: "GCMTimeoutError", Code: "Unavailable",
		Description: "Timeout", Action: results.ActionRetry,
	},
	{
		Name: reasonInternalServerError, Class: sender.Transient, Error: "GCMInternalServerError", Code: "InternalServerError",
		Description: "Internal server error", Action: results.ActionRetry,
	},
	{
		Name: "DeviceMessageRateExceeded", Class: sender.Throttled, Error: "GCMDeviceMessageRateExceededError", Code: "DeviceMessageRateExceeded",
		Description: "Device message rate exceeded", Action: results.ActionSlowDown,
	},
	{
		Name: "TopicsMessageRateExceeded", Class: sender.Throttled, Floor: quotaFloor, Error: serverError, Code: "TopicsMessageRateExceeded",
		Description: "Topic message rate exceeded", Action: results.ActionSlowDown,
	},
	// The APNs key that lies in the Firebase project: iOS recipients fail, the others of the app are well. So it is not Credential,
	// which would stop them all.
	{
		Name: "InvalidApnsCredential", Class: sender.Rejected, Error: serverError, Code: "InvalidApnsCredential",
		Description: "The APNs credential in the Firebase project is not valid", Action: results.ActionFixCredential,
	},
	{
		Name: "QuotaExceeded", Class: sender.Throttled, Wide: true, Floor: quotaFloor, Error: serverError, Code: "QuotaExceeded",
		Description: "Quota of the sender exceeded", Action: results.ActionSlowDown,
	},
	{
		Name: "DeviceQuotaExceeded", Class: sender.Throttled, Floor: quotaFloor, Error: serverError, Code: "DeviceQuotaExceeded",
		Description: "Quota of the device exceeded", Action: results.ActionSlowDown,
	},
}

// fcmReason is a row of FCM v1 with the HTTP status that belongs to it: a word that contradicts the status is not believed (a 500
// deletes no token, whatever stands in its body).
type fcmReason struct {
	sender.Reason
	status int
}

// fcmReasons are the FcmError codes, the ErrorInfo reasons and the google.rpc states of FCM v1, mapped to the reference's
// classes. 404 without UNREGISTERED is a wrong project or URL, never a dead registration ID.
var fcmReasons = [...]fcmReason{
	{status: 400, Reason: sender.Reason{
		Name: reasonInvalidArgument, Class: sender.BadJob, Error: serverError, Code: "InvalidParameters",
		Description: "Invalid parameters: wrong type, reserved data key, payload too big, time to live out of range or wrong package name",
		Action:      results.ActionFixPayload,
	}},
	// INVALID_ARGUMENT whose field violation or text names the registration token, and nothing else.
	{status: 400, Reason: sender.Reason{
		Name: reasonInvalidToken, Class: sender.Rejected, Error: "GCMInvalidRegistrationError", Code: "InvalidRegistration",
		Description: "Invalid registration ID", Action: results.ActionDeleteToken,
	}},
	{status: 401, Reason: sender.Reason{
		Name: reasonUnauthenticated, Class: sender.Credential, Wide: true, Error: authError,
		Description: "The OAuth access token was refused, also after fetching a new one", Action: results.ActionFixCredential,
	}},
	// The project's APNs key or web push key pair: as InvalidApnsCredential.
	{status: 401, Reason: sender.Reason{
		Name: reasonThirdPartyAuth, Class: sender.Rejected, Error: serverError, Code: "InvalidApnsCredential",
		Description: "The APNs or web push credential in the Firebase project is not valid", Action: results.ActionFixCredential,
	}},
	{status: 403, Reason: sender.Reason{
		Name: "SENDER_ID_MISMATCH", Class: sender.Rejected, Error: "GCMMismatchedSenderError", Code: "MismatchSenderId",
		Description: "Mismatched sender ID", Action: results.ActionCheckEnvironment,
	}},
	{status: 403, Reason: sender.Reason{
		Name: "PERMISSION_DENIED", Class: sender.Credential, Wide: true, Error: authError,
		Description: "The service account may not send in the project: give it the role roles/firebasecloudmessaging.admin there, or the right project_id", Action: results.ActionFixCredential,
	}},
	{status: 403, Reason: sender.Reason{
		Name: "SERVICE_DISABLED", Class: sender.Credential, Wide: true, Error: authError,
		Description: "The Firebase Cloud Messaging API is disabled in the project: enable fcm.googleapis.com for it in the Google Cloud console, and wait a few minutes", Action: results.ActionFixCredential,
	}},
	{status: 404, Reason: sender.Reason{
		Name: "UNREGISTERED", Class: sender.Expired, Error: "GCMUnregisteredDeviceError", Code: "NotRegistered",
		Description: "Device not registered", Action: results.ActionDeleteToken,
	}},
	{status: 404, Reason: sender.Reason{
		Name: "NOT_FOUND", Class: sender.Credential, Wide: true, Error: authError,
		Description: "There is no such project: set project_id to the id of the Firebase project that the app belongs to, and check endpoint", Action: results.ActionFixCredential,
	}},
	{status: 429, Reason: sender.Reason{
		Name: reasonQuotaExceeded, Class: sender.Throttled, Floor: quotaFloor,
		Error: "GCMDeviceMessageRateExceededError", Code: "DeviceMessageRateExceeded",
		Description: "Device message rate exceeded", Action: results.ActionSlowDown,
	}},
	{status: 429, Reason: sender.Reason{
		Name: reasonRateLimit, Class: sender.Throttled, Wide: true, Floor: quotaFloor,
		Error: serverError, Code: "QuotaExceeded", Description: "Send quota of the project exceeded", Action: results.ActionSlowDown,
	}},
	{status: 429, Reason: sender.Reason{
		Name: "RESOURCE_EXHAUSTED", Class: sender.Throttled, Wide: true, Floor: quotaFloor,
		Error: serverError, Code: "QuotaExceeded", Description: "Send quota of the project exceeded", Action: results.ActionSlowDown,
	}},
	{status: 500, Reason: sender.Reason{
		Name: reasonInternal, Class: sender.Transient, Error: "GCMInternalServerError", Code: "InternalServerError",
		Description: "Internal server error", Action: results.ActionRetry,
	}},
	{status: 503, Reason: sender.Reason{
		Name: reasonFCMUnavailable, Class: sender.Transient, Error: "GCMTimeoutError", Code: "Unavailable",
		Description: "Timeout", Action: results.ActionRetry,
	}},
	// Google gave up waiting for its own back end: the message may have been accepted, so this is not plainly Transient.
	{status: 504, Reason: sender.Reason{
		Name: reasonDeadlineExceeded, Class: sender.Uncertain, Error: "GCMTimeoutError", Code: "Unavailable",
		Description: "Timeout", Action: results.ActionNone,
	}},
}

// statusReasons are what an HTTP status says when the body says nothing, in either protocol.
var statusReasons = [...]sender.Reason{
	{
		Name: reasonRedirect, Class: sender.Credential, Wide: true, Error: authError,
		Description: "The endpoint redirects; redirects are not followed: check endpoint", Action: results.ActionFixCredential,
	},
	{
		Name: reasonBadRequest, Class: sender.BadJob, Error: serverError, Code: "InvalidParameters",
		Description: "The request was refused as malformed", Action: results.ActionFixPayload,
	},
	{
		Name: reasonUnauthorized, Class: sender.Credential, Wide: true, Error: authError,
		Description: "The sender could not be authenticated: check api_key or service_account", Action: results.ActionFixCredential,
	},
	{
		Name: reasonForbidden, Class: sender.Credential, Wide: true, Error: authError,
		Description: "The sender is not allowed to send: check api_key or service_account", Action: results.ActionFixCredential,
	},
	{
		Name: reasonNotFound, Class: sender.Credential, Wide: true, Error: authError,
		Description: "Nothing at this endpoint: check endpoint, protocol and project_id (Google has retired the legacy endpoint)", Action: results.ActionFixCredential,
	},
	{
		Name: reasonTooLarge, Class: sender.BadJob, Error: "GCMMessageTooBigError", Code: "MessageTooBig",
		Description: "Message too big", Action: results.ActionFixPayload,
	},
	{
		Name: reasonTooManyRequests, Class: sender.Throttled, Wide: true, Floor: quotaFloor, Error: serverError, Code: "QuotaExceeded",
		Description: "Too many requests", Action: results.ActionSlowDown,
	},
	{
		Name: reasonServerError, Class: sender.Transient, Error: "GCMInternalServerError", Code: "InternalServerError",
		Description: "Internal server error", Action: results.ActionRetry,
	},
	{
		Name: reasonGatewayTimeout, Class: sender.Uncertain, Error: "GCMTimeoutError", Code: "Unavailable",
		Description: "Timeout", Action: results.ActionNone,
	},
}

// ownReasons are what the provider did not say.
var ownReasons = [...]sender.Reason{
	{
		Name: reasonMalformedID, Class: sender.Rejected, Error: "GCMInvalidRegistrationError", Code: "InvalidRegistration",
		Description: "Invalid registration ID", Action: results.ActionDeleteToken,
	},
	{
		Name: reasonMissingVariable, Class: sender.Rejected, Error: serverError, Code: "MissingVariable",
		Description: "Missing variable", Action: results.ActionFixPayload,
	},
	{
		Name: reasonWrongProtocol, Class: sender.BadJob, Error: serverError,
		Description: "The message was prepared for the other protocol", Action: results.ActionFixPayload,
	},
	{
		Name: reasonConnectionFailed, Class: sender.Unsent, Wide: true, Error: serverError,
		Description: "No connection to the provider", Action: results.ActionRetry,
	},
	{
		Name: reasonRequestRefused, Class: sender.Unsent, Error: serverError,
		Description: "The connection ended before the request was processed", Action: results.ActionRetry,
	},
	{
		Name: reasonHeld, Class: sender.Unsent, Unasked: true, Error: serverError,
		Description: "Not sent, because the answer to another recipient concerned the whole app", Action: results.ActionRetry,
	},
	{
		Name: reasonPaced, Class: sender.Unsent, Unasked: true, Error: serverError,
		Description: "Not sent yet, because this worker's share of the project's quota or of the app's rate is used up", Action: results.ActionSlowDown,
	},
	{
		Name: reasonCancelled, Class: sender.Unsent, Unasked: true, Error: serverError,
		Description: "Not sent, because sending was stopped", Action: results.ActionRetry,
	},
	{
		Name: reasonNoAccessToken, Class: sender.Unsent, Wide: true, Error: serverError,
		Description: "No OAuth access token could be fetched", Action: results.ActionRetry,
	},
	{
		Name: reasonAccountRefused, Class: sender.Credential, Wide: true, Error: authError,
		Description: "Google refused the service account", Action: results.ActionFixCredential,
	},
	{
		Name: reasonAnswerLost, Class: sender.Uncertain, Error: serverError,
		Description: "The connection was lost before the answer came", Action: results.ActionNone,
	},
	{
		Name: reasonAnswerTimeout, Class: sender.Uncertain, Error: serverError,
		Description: "No answer came in time", Action: results.ActionNone,
	},
	{
		Name: reasonAnswerUnreadable, Class: sender.Uncertain, Error: serverError,
		Description: "The answer could not be read", Action: results.ActionNone,
	},
	{
		Name: reasonAnswerMissing, Class: sender.Uncertain, Error: serverError,
		Description: "The answer has no result for this recipient", Action: results.ActionNone,
	},
	{
		Name: reasonDeviceGroupFailed, Class: sender.Transient, Error: serverError,
		Description: "No device of the group could be reached", Action: results.ActionRetry,
	},
}
