package apns

import "github.com/volleypush/volley/sender"

// Our own rows of the binary protocol and the feedback service.
const (
	// WriteFailed: a batch could not be written, on as many connections as Request.Retries allows. Certainly not sent.
	WriteFailed = "WriteFailed"
	// Unsendable: an earlier recipient of the request got an answer that all would get, so the rest was not sent.
	Unsendable = "Unsendable"
	// UnsendableApp: the same with an answer that concerns the app's certificate, so that nothing of the app can be sent.
	UnsendableApp = "UnsendableApp"
	// FeedbackService: Apple's feedback service lists the device token as gone.
	FeedbackService = "FeedbackService"
)

// The reference's faces that only the binary protocol has, pushjack-surface §6.
var (
	faceTokenSize = face{"APNSInvalidTokenSizeError", "5", "Invalid token size"}
	faceProtocol  = face{"APNSProtocolError", "128", "Protocol"}
)

// binaryRows is the table of apns-binary §2. What the gateway says of the topic it takes from the certificate, so both of
// its topic errors are the credential's. Fatal in the reference are 3, 4, 6, 7, and a write that failed.
var binaryRows = map[string]row{
	"ProcessingError":    {sender.Transient, false, 0, faceProcessing, retry},
	"MissingPayload":     {sender.BadJob, false, 0, faceNoPayload, fixPayload},
	"InvalidTokenSize":   {sender.Rejected, false, 0, faceTokenSize, none},
	"InvalidTopicSize":   {sender.Credential, true, 0, faceTopic, fixCred},
	"InvalidPayloadSize": {sender.BadJob, false, 0, facePayloadSize, fixPayload},
	"InvalidToken":       {sender.Rejected, false, 0, faceToken, checkEnv}, // malformed, or of the other environment
	"ProtocolError":      {sender.Rejected, false, 0, faceProtocol, none},  // this would be our own defect
	"UnknownStatus":      {sender.Transient, false, 0, faceUnknown, retry},

	WriteFailed:     {sender.Unsent, true, 0, faceTimeout, retry},
	Unsendable:      {sender.BadJob, false, 0, faceUnsendable, fixPayload},
	UnsendableApp:   {sender.Unsent, true, 0, faceUnsendable, fixCred},
	FeedbackService: {sender.Expired, false, 0, faceToken, deleteToken},
}

// certificateWithoutTopic is MissingTopic where the topic is the certificate's: no job can mend it.
var certificateWithoutTopic = row{sender.Credential, true, 0, faceMissingTopic, fixCred}.reason("MissingTopic")

// statusReason returns the row of a status of the error packet. Numbers that nobody has documented are not a verdict on the
// recipient.
func statusReason(status byte) *sender.Reason {
	switch status {
	case 1:
		return Reason("ProcessingError")
	case statusMissingToken:
		return Reason("MissingDeviceToken")
	case 3:
		return certificateWithoutTopic
	case 4:
		return Reason("MissingPayload")
	case 5:
		return Reason("InvalidTokenSize")
	case 6:
		return Reason("InvalidTopicSize")
	case 7:
		return Reason("InvalidPayloadSize")
	case 8:
		return Reason("InvalidToken")
	case 128:
		return Reason("ProtocolError")
	}
	return Reason("UnknownStatus")
}
