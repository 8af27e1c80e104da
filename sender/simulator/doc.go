// Package simulator is what the provider simulators share: a throw-away certificate authority, a TLS endpoint on a
// real socket, scripts of faults, the ledger of everything that arrived, and the control handler. The simulators
// themselves are sender/apns/apnstest (Apple) and sender/gcm/gcmtest (Google); both may share one authority, one
// ledger and one set of scripts.
//
// The simulators are modelled on the providers' documentation, not on any client, so that a client's mistake is
// refused here as it would be there. Each of their files says what it models, from where, and what it leaves out.
//
// # Faults
//
// A Script makes things go wrong on four levels, in Go, YAML or JSON:
//
//   - Rules: a recipient gets another answer, a late one, a broken one, or none (type Answer).
//   - Faults: a connection is asked to leave, cut, stalled, swallowed, fed with garbage, refused streams, or turned away
//     (types Fault and Kind, which name where each has been seen).
//   - Phases: for a time, everybody is answered alike, or every connection is struck, or nobody listens (type Phase).
//   - Habits: what a service does by itself, such as stating one stream at first (type Habits).
//
// Faults of connections are counted, not thrown with dice: a script does the same in each run, as far as the client
// does. What a client was not told it cannot have known, and what it was told holds: a request that a GOAWAY or
// REFUSED_STREAM leaves out is never processed, and the ledger has every request that was.
//
// The control port takes scripts (POST /script) and single faults (POST /faults), and shows what is in force.
package simulator

// The platforms a notification or a rule may name.
const (
	// APNS is Apple's push service.
	APNS = "apns"
	// GCM is Google's, over either protocol.
	GCM = "gcm"
)

// Apple's environments, for Habits.Environment and certificates.
const (
	Production = "production"
	Sandbox    = "sandbox"
)
