package apns

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/volleypush/volley/results"
	"github.com/volleypush/volley/sender"
)

// The names of our own rows: what became of a recipient when the provider did not say. They never collide with the
// provider's words.
const (
	// MalformedToken was never sent: the device token is not hex, of odd length, empty, or longer than 100 bytes.
	MalformedToken = "MalformedToken"
	// MissingVariable was never sent: the payload has a placeholder, and the recipient no variable of that name. Clients never answer it; it is
	// for those who make payloads for each recipient.
	MissingVariable = "MissingVariable"
	// ConnectionFailed: no connection could be opened, so nothing was sent.
	ConnectionFailed = "ConnectionFailed"
	// ServerNotTrusted: the server's certificate could not be verified, so nothing was sent.
	ServerNotTrusted = "ServerNotTrusted"
	// CertificateRefused: the server refused our client certificate in the TLS handshake.
	CertificateRefused = "CertificateRefused"
	// ConnectionLost: the connection ended before the request was begun.
	ConnectionLost = "ConnectionLost"
	// GoAway: the provider closed the connection and said that it had not taken this request.
	GoAway = "GoAway"
	// RefusedStream: the provider reset the stream and said that it had not taken this request.
	RefusedStream = "RefusedStream"
	// NotBegun: the call ended (cancelled, or no stream became free in time) before the request was begun.
	NotBegun = "NotBegun"
	// AnswerLost: the request was written, and the connection or stream ended without an answer.
	AnswerLost = "AnswerLost"
	// AnswerTimeout: the request was written, and no answer came in time.
	AnswerTimeout = "AnswerTimeout"
	// AnswerNotAwaited: the request was written, and the call was cancelled before its answer.
	AnswerNotAwaited = "AnswerNotAwaited"
	// Paced: nothing was sent, because the caller keeps the app below a rate of its own. The client itself has no such rate.
	Paced = "Paced"
)

// The least delays before a retry that we add to the provider's own words.
const (
	// floorTokenThrottle: Apple says "with a delay" and names none; senders in the field use ten seconds.
	floorTokenThrottle = 10 * time.Second
	// floorTokenUpdates: the rule is about twenty minutes on one connection; we reopen the connection instead of waiting them out.
	floorTokenUpdates = time.Minute
)

// face is what the reference API calls a failure: class name, code, text.
type face struct {
	name string
	code results.Code
	text string
}

// The reference's faces, pushjack-surface §6. APNSAuthError has neither code nor text there; the text is ours.
var (
	faceProcessing   = face{"APNSProcessingError", "1", "Processing error"}
	faceMissingToken = face{"APNSMissingTokenError", "2", "Missing token"}
	faceMissingTopic = face{"APNSMissingTopicError", "3", "Missing topic"}
	faceNoPayload    = face{"APNSMissingPayloadError", "4", "Missing payload"}
	faceTopic        = face{"APNSInvalidTopicSizeError", "6", "Invalid topic size"}
	facePayloadSize  = face{"APNSInvalidPayloadSizeError", "7", "Invalid payload size"}
	faceToken        = face{"APNSInvalidTokenError", "8", "Invalid token"}
	faceShutdown     = face{"APNSShutdownError", "10", "Shutdown"}
	faceUnknown      = face{"APNSUnknownError", "255", "Unknown"}
	faceTimeout      = face{"APNSTimeoutError", "", "Timeout"}
	faceUnsendable   = face{"APNSUnsendableError", "", "Unable to send due to previous error"}
	faceAuth         = face{"APNSAuthError", "", "Authentication failed"}
)

// row is one line of the table below.
type row struct {
	class  sender.Class
	wide   bool
	floor  time.Duration
	face   face
	action results.Action
}

const (
	deleteToken = results.ActionDeleteToken
	checkEnv    = results.ActionCheckEnvironment
	fixCred     = results.ActionFixCredential
	fixPayload  = results.ActionFixPayload
	slowDown    = results.ActionSlowDown
	retry       = results.ActionRetry
	none        = results.ActionNone
)

// rows is apns-http2 §10, with the reference's faces by DESIGN §3. A row is Wide when its answer says something about the
// credential, and so about every recipient of the app.
var rows = map[string]row{
	// The recipient.
	"BadDeviceToken":         {sender.Rejected, false, 0, faceToken, checkEnv}, // malformed, or of the other environment
	"DeviceTokenNotForTopic": {sender.Rejected, false, 0, faceToken, checkEnv},
	"MissingDeviceToken":     {sender.Rejected, false, 0, faceMissingToken, none},
	"ExpiredToken":           {sender.Expired, false, 0, faceToken, deleteToken},
	"Unregistered":           {sender.Expired, false, 0, faceToken, deleteToken},

	// The request: every recipient would get the same.
	"BadCollapseId":     {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"BadExpirationDate": {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"BadMessageId":      {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"BadPriority":       {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"BadTopic":          {sender.BadJob, false, 0, faceTopic, fixPayload},
	"MissingTopic":      {sender.BadJob, false, 0, faceMissingTopic, fixPayload},
	"InvalidPushType":   {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"PayloadEmpty":      {sender.BadJob, false, 0, faceNoPayload, fixPayload},
	"PayloadTooLarge":   {sender.BadJob, false, 0, facePayloadSize, fixPayload},
	"DuplicateHeaders":  {sender.BadJob, false, 0, faceUnknown, none}, // this and the next two would be our own defects
	"BadPath":           {sender.BadJob, false, 0, faceUnknown, none},
	"MethodNotAllowed":  {sender.BadJob, false, 0, faceUnknown, none},

	// The credential or the app's configuration.
	"TopicDisallowed":            {sender.Credential, true, 0, faceTopic, fixCred},
	"BadCertificate":             {sender.Credential, true, 0, faceAuth, fixCred},
	"BadCertificateEnvironment":  {sender.Credential, true, 0, faceAuth, fixCred},
	"Forbidden":                  {sender.Credential, true, 0, faceAuth, fixCred},
	"InvalidProviderToken":       {sender.Credential, true, 0, faceAuth, fixCred},
	"MissingProviderToken":       {sender.Credential, true, 0, faceAuth, fixCred},
	"BadEnvironmentKeyIdInToken": {sender.Credential, true, 0, faceAuth, fixCred},
	"BadEnvironmentKeyInToken":   {sender.Credential, true, 0, faceAuth, fixCred}, // a spelling seen in the field
	// These two mend themselves on a new connection with a fresh token; if they persist, the clock or the key is wrong.
	"ExpiredProviderToken":  {sender.Transient, true, 0, faceAuth, fixCred},
	"UnrelatedKeyIdInToken": {sender.Transient, true, 0, faceAuth, fixCred},

	// Too fast.
	"TooManyProviderTokenUpdates": {sender.Throttled, true, floorTokenUpdates, faceUnknown, slowDown},
	"TooManyRequests":             {sender.Throttled, false, floorTokenThrottle, faceUnknown, slowDown}, // to this one device

	// Not now.
	"IdleTimeout":         {sender.Transient, false, 0, faceUnknown, retry},
	"InternalServerError": {sender.Transient, false, 0, faceProcessing, retry},
	"ServiceUnavailable":  {sender.Transient, false, 0, faceProcessing, retry},
	"Shutdown":            {sender.Transient, false, 0, faceShutdown, retry},

	// Broadcast and channels.
	"BadChannelId":              {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"BadRequestParams":          {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"BadRequestPayload":         {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"CannotCreateChannelConfig": {sender.BadJob, false, 0, faceUnknown, none}, // 10,000 channels are the most
	"ChannelNotRegistered":      {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"FeatureNotEnabled":         {sender.BadJob, false, 0, faceUnknown, fixCred},
	"MissingChannelId":          {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"MissingChannelQueueSize":   {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"MissingPushType":           {sender.BadJob, false, 0, faceUnknown, fixPayload},
	"TopicMismatch":             {sender.BadJob, false, 0, faceTopic, fixPayload},

	// Ours: what the provider did not say.
	MalformedToken:     {sender.Rejected, false, 0, faceToken, none},
	MissingVariable:    {sender.Rejected, false, 0, faceNoPayload, fixPayload},
	ConnectionFailed:   {sender.Unsent, true, 0, faceUnsendable, retry},
	ServerNotTrusted:   {sender.Unsent, true, 0, faceUnsendable, fixCred},
	CertificateRefused: {sender.Credential, true, 0, faceAuth, fixCred},
	ConnectionLost:     {sender.Unsent, false, 0, faceUnsendable, retry},
	GoAway:             {sender.Unsent, false, 0, faceUnsendable, retry},
	RefusedStream:      {sender.Unsent, false, 0, faceUnsendable, retry},
	NotBegun:           {sender.Unsent, false, 0, faceUnsendable, retry},
	AnswerLost:         {sender.Uncertain, false, 0, faceUnknown, retry},
	AnswerTimeout:      {sender.Uncertain, false, 0, faceTimeout, retry},
	AnswerNotAwaited:   {sender.Uncertain, false, 0, faceUnknown, retry},
}

// table holds the finished rows. It is written here and never again.
var table = func() map[string]*sender.Reason {
	out := make(map[string]*sender.Reason, len(rows)+len(binaryRows))
	for _, protocol := range []map[string]row{rows, binaryRows} {
		for name, r := range protocol {
			out[name] = r.reason(name)
		}
	}
	paced := row{sender.Unsent, false, 0, faceUnsendable, slowDown}.reason(Paced)
	paced.Unasked, paced.Description = true, "Not sent yet, because this worker's share of the app's rate is used up"
	out[Paced] = paced
	return out
}()

func (r row) reason(name string) *sender.Reason {
	return &sender.Reason{
		Name: name, Class: r.class, Wide: r.wide, Floor: r.floor,
		Error: r.face.name, Code: r.face.code, Description: r.face.text, Action: r.action,
	}
}

// jobTopicDisallowed is TopicDisallowed for a topic that the job chose against the app's own: the job is wrong then, not
// the credential, and one publisher's mistake must not stop the app.
var jobTopicDisallowed = row{sender.BadJob, false, 0, faceTopic, fixPayload}.reason("TopicDisallowed")

// Reason returns the table's row with that name. A name that is not in the table gets a row of its own, as Unknown makes
// it; without a status that is a transient one, because only answers that were retried are looked up by name alone.
// Source: apns-http2 §10. The row is shared and read-only; safe for concurrent use.
func Reason(name string) *sender.Reason {
	if r, ok := table[name]; ok {
		return r
	}
	if digits, ok := strings.CutPrefix(name, wordlessAnswer); ok && len(digits) == 3 {
		status, _ := strconv.Atoi(digits)
		return Unknown("", status)
	}
	return Unknown(name, 0)
}

// Reasons returns every row of the tables, of both protocols and our own, by name. The rows are shared and read-only; the slice is
// the caller's. Safe for concurrent use.
func Reasons() []*sender.Reason {
	return slices.SortedFunc(maps.Values(table), func(a, b *sender.Reason) int { return strings.Compare(a.Name, b.Name) })
}

// wordlessAnswer and the status are the name of an answer without a word.
const wordlessAnswer = "Status"

// Unknown returns the row of an answer that the table does not know: a future word of the provider, an empty body, or
// whatever a box in between answered. Its class follows from the status family and never condemns the recipient: 429 is
// throttled, 408, 5xx and 0 (no status known) are transient, a redirect means that the endpoint is not Apple's, any other
// status is a fault of the request. A name that is not a short word is replaced by "Status" and the number.
func Unknown(name string, status int) *sender.Reason {
	if !isWord(name) {
		name = wordlessAnswer + strconv.Itoa(status)
	}
	r := row{sender.BadJob, false, 0, faceUnknown, none}
	switch {
	case status == 429:
		r = row{sender.Throttled, false, floorTokenThrottle, faceUnknown, slowDown}
	case status == 0, status == 408, status >= 500:
		r = row{sender.Transient, false, 0, faceUnknown, retry}
		if status >= 500 {
			r.face = faceProcessing
		}
	case status >= 300 && status < 400:
		r = row{sender.Credential, true, 0, faceUnknown, fixCred}
	}
	return r.reason(name)
}

// maxReasonLength is the longest unknown reason that is taken over into results and labels; the longest known has 27 bytes.
const maxReasonLength = 64

// isWord says whether the provider's text is a word as its reasons are, so that nothing else (HTML, a token) gets into results.
func isWord(s string) bool {
	if s == "" || len(s) > maxReasonLength {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > 'z' || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') {
			return false
		}
	}
	// A long run of hex digits could be a token that somebody echoed.
	return len(s) < 32 || !isHex(s)
}
