package simulator

// Kind is what a Fault does. Those that HTTP/2 has a name for follow RFC 9113; where a provider has been seen doing it,
// the type says so.
type Kind string

// The kinds of faults.
const (
	// GoAway asks the client to leave (RFC 9113 §6.8): a GOAWAY with LastStream, Code and Reason or Debug, then Then.
	// Apple reports a certificate of the wrong environment only so: last stream 0, NO_ERROR, {"reason":
	// "BadCertificateEnvironment"}, then the end (sideshow/apns2 #93, #117); that is
	// {kind: goaway, on: ready, reason: BadCertificateEnvironment, then: close}. Its debug data is not always JSON
	// (jchambers/pushy #356). Google ends idle or old connections with NO_ERROR and session_timed_out
	// (codedge-llc/pigeon #81).
	GoAway Kind = "goaway"
	// GoAwayTwice is the graceful form of RFC 9113 §6.8: a first GOAWAY with 2^31-1, and the one with the real number
	// when the client has certainly read the first.
	GoAwayTwice Kind = "goaway_twice"
	// Reset cuts the TCP connection with a RST, as the system does for a process that died and a firewall for a connection
	// that it has forgotten.
	Reset Kind = "reset"
	// Close ends the connection as TLS and TCP prescribe, without a GOAWAY: the client reads EOF.
	Close Kind = "close"
	// HalfClose closes only our direction: the client reads EOF and can still write, as behind a half-open connection.
	HalfClose Kind = "half_close"
	// Stall holds back all answers of the connection; PING and SETTINGS are answered. They come when it ends. A health
	// check by PING does not notice it, only a client that waits for its answers.
	Stall Kind = "stall"
	// BlackHole answers nothing any more, not even PING, and closes nothing: what a dropped NAT entry looks like
	// (sideshow/apns2 #24, node-apn #583). Lose says what becomes of what the client sends.
	BlackHole Kind = "black_hole"
	// Garbage sends what is not HTTP/2, as an intermediary does that does not understand it, then closes; see
	// Fault.Garbage.
	Garbage Kind = "garbage"
	// RefuseStream answers requests with RST_STREAM, by default REFUSED_STREAM (RFC 9113 §8.7: safe to send again),
	// without taking them; in a phase, without
	// After and Catch, all of them.
	RefuseStream Kind = "refuse_stream"
	// MaxStreams states another SETTINGS_MAX_CONCURRENT_STREAMS: Streams, 0 included, which means waiting (RFC 9113
	// §6.5.2). Apple: obey it at every moment ("Sending notification requests to APNs"). With Catch, what is caught beyond
	// the new limit is refused, as HTTP/2 allows where a limit shrinks below what is open (jchambers/pushy handles it).
	MaxStreams Kind = "max_streams"
	// Window states a SETTINGS_INITIAL_WINDOW_SIZE of Bytes from the beginning of the connection: a client must stop in
	// the middle of a body and wait for credit.
	Window Kind = "window"
	// TLSAlert ends the handshake with Alert.
	TLSAlert Kind = "tls_alert"
	// Down closes the listening socket, so that the system refuses connections, and cuts those that are open.
	Down Kind = "down"
)

// Fault is something that goes wrong with a connection. What it does is said by Kind, when it does so by the fields up to
// Again; the rest are details, each for the kinds it names.
//
// In Script.Faults it strikes each connection once, when the connection's first request arrives, unless it says
// otherwise. It is counted per connection: After requests pass, the next Catch requests are caught and held, then it
// strikes. Over HTTP/1.1 (Google) there are no streams: there only Reset, Close, BlackHole, TLSAlert and Down strike, as
// a connection begins or as a phase does.
type Fault struct {
	// Platform is APNS, GCM or "" for both.
	Platform string `json:"platform,omitempty"`
	Kind     Kind   `json:"kind"`

	// On is when: "connect", as soon as a connection is accepted, before TLS; "ready", when TLS and our SETTINGS are
	// done; "request", when requests arrive. Default request, except in a phase; see Phase.
	On string `json:"on,omitempty"`
	// After is how many requests a connection has had before the fault begins to catch.
	After int `json:"after,omitempty"`
	// Catch is how many requests it catches. Default 1. Stall and Down take the request that makes them strike.
	Catch int `json:"catch,omitempty"`
	// Patience is how long it waits for all of them once it has one. Default 1s.
	Patience Duration `json:"patience,omitempty"`
	// At strikes all connections open at that time, counted from when the script came into force, instead of counting
	// requests.
	At Duration `json:"at,omitempty"`
	// Times is how often it strikes in all, over all connections. 0 is no limit.
	Times int `json:"times,omitempty"`
	// Again lets it strike a connection more than once, each time after After further requests.
	Again bool `json:"again,omitempty"`

	// LastStream says which of the caught requests a GOAWAY leaves in: "all", "mid" (the first half) or "none". Those that
	// it leaves out are not taken. Default all. It never leaves out what was taken before.
	LastStream string `json:"last_stream,omitempty"`
	// Code is the name of the error code in a GOAWAY (default NO_ERROR) or RST_STREAM (default REFUSED_STREAM).
	Code string `json:"code,omitempty"`
	// Reason makes a GOAWAY's debug data {"reason": …}, as Apple's is. Debug is debug data verbatim.
	Reason string `json:"reason,omitempty"`
	Debug  string `json:"debug,omitempty"`
	// Then is what follows a GOAWAY: "drain" answers what it left in, then closes; "stay" answers and leaves closing to the
	// client; "close" and "reset" take what it left in and lose the answers. Default drain.
	Then string `json:"then,omitempty"`
	// Lose is what Reset, Close, HalfClose, Garbage and BlackHole lose: "answers", so that the requests are taken, are in
	// the ledger, and nobody learns of it; or "requests", which then are not taken either. For BlackHole also "nothing":
	// the network holds everything back in both directions and delivers it when it ends. Default answers.
	Lose string `json:"lose,omitempty"`
	// For is how long Stall, BlackHole, MaxStreams and Down last; 0 is for ever, which Down may not be. A BlackHole that
	// lost something ends with a reset. Not in a phase, which has its own.
	For Duration `json:"for,omitempty"`
	// Streams is the limit that MaxStreams states.
	Streams *uint32 `json:"streams,omitempty"`
	// Bytes is the window of Window.
	Bytes uint32 `json:"bytes,omitempty"`
	// Garbage is "http1" (an answer of an HTTP/1.1 proxy, the default), "noise" (bytes without meaning), "frame" (a frame
	// larger than allowed), "hpack" (an answer whose header cannot be decompressed) or "tls" (bytes that are not TLS).
	Garbage string `json:"garbage,omitempty"`
	// Text replaces the bytes of "http1".
	Text string `json:"text,omitempty"`
	// Alert is how a handshake ends: "bad_certificate" (the default; with TLS 1.3 the client learns of it only after its
	// own side of the handshake), "certificate_revoked", "certificate_expired", "unknown_ca", "access_denied",
	// "handshake_failure", "protocol_version", "internal_error".
	Alert string `json:"alert,omitempty"`
}

// Phase is a time with its own weather. The phases of a script follow each other from when it came into force; an outage
// that begins with 503s, goes over to refused connections and ends in silence is three of them:
//
//	phases:
//	  - {for: 20s, answer: {status: 503}}
//	  - {for: 20s, fault: {kind: down}}
//	  - {for: 20s, fault: {kind: black_hole}}
//
// A fault in a phase strikes every open connection when the phase begins and every new one as it begins, unless its On is
// request; what lasts (Down, Stall, BlackHole, MaxStreams) ends with the phase.
type Phase struct {
	// Platform is APNS, GCM or "" for both.
	Platform string `json:"platform,omitempty"`
	// For is how long; 0, for ever, is for the last phase only.
	For Duration `json:"for,omitempty"`
	// Answer is given to every recipient, before the rules. Answers of the token endpoint are not concerned.
	Answer *Answer `json:"answer,omitempty"`
	// Fault strikes. With neither Answer nor Fault all is well, the rules and faults of the script aside.
	Fault *Fault `json:"fault,omitempty"`
}

// Habits are what a service does by itself in certain situations and the simulator does only if asked, because hardly
// anything of it is documented. All but GoAwayOnExcess are APNs's.
type Habits struct {
	// Environment, "production" or "sandbox", is the one of Apple's two that the service is. A certificate of the other one gets a GOAWAY
	// with BadCertificateEnvironment and nothing else (sideshow/apns2 #93, #117), a key of the other one BadEnvironmentKeyIdInToken, and the
	// sandbox adds apns-unique-id to its answers (Apple, "Sending notification requests to APNs"). Default: either, without that header.
	Environment string `json:"environment,omitempty"`
	// OneStreamAtFirst: with token authentication a connection states one stream until its first acceptance, then the
	// usual number (Apple, "Sending notification requests to APNs"; seen as SETTINGS 1, then 500, in jchambers/pushy #356).
	OneStreamAtFirst bool `json:"one_stream_at_first,omitempty"`
	// OneStreamAfterError: a 4xx other than 410 lowers the limit to one stream, the next acceptance restores it (openradar
	// 27870881).
	OneStreamAfterError bool `json:"one_stream_after_error,omitempty"`
	// SilentAfterExpiry: after an ExpiredProviderToken the connection answers nothing any more (node-apn #480).
	SilentAfterExpiry bool `json:"silent_after_expiry,omitempty"`
	// ErrorLimit is how many errors a connection may cause before it is told to leave; a BadDeviceToken counts twice, a 410
	// not at all (Apple, "Handling notification responses from APNs", which gives no numbers). 0 is no limit.
	ErrorLimit int `json:"error_limit,omitempty"`
	// GoAwayOnExcess ends a connection whose client opens more streams than any limit it can know, instead of refusing
	// the stream: Apple with REFUSED_STREAM and a text (jchambers/pushy #356), Google with PROTOCOL_ERROR and
	// exceeded_max_concurrent_streams (firebase-admin-node #2943).
	GoAwayOnExcess bool `json:"goaway_on_excess,omitempty"`
}
