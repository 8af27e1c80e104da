// Package simulator is what the provider simulators share: a throw-away certificate authority, a TLS endpoint on a
// real socket, scripts of faults, the ledger of everything that arrived, and the control handler. The simulators
// themselves are sender/apns/apnstest (Apple) and sender/gcm/gcmtest (Google); both may share one authority, one
// ledger and one set of scripts.
//
// The simulators are modelled on the providers' documentation, not on any client, so that a client's mistake is
// refused here as it would be there. Each of their files says what it models, from where, and what it leaves out.
package simulator

// The platforms a notification or a rule may name.
const (
	// APNS is Apple's push service.
	APNS = "apns"
	// GCM is Google's, over either protocol.
	GCM = "gcm"
)
