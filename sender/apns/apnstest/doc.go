// Package apnstest is a simulator of Apple's push service over HTTP/2: a real socket, TLS from a throw-away authority,
// the checks that the service documents, scripted faults, and a ledger of everything that arrived. Test a client with
// it instead of replacing the client.
//
// Modelled, from Apple's pages "Sending notification requests to APNs", "Handling notification responses from APNs",
// "Establishing a token-based connection to APNs" and "Establishing a certificate-based connection to APNs":
// POST /3/device/<token> with all its headers; POST /4/broadcasts/apps/<bundle id> with its channels; provider tokens with their age, the binding of a connection to its first
// key and the 20-minute rule; provider certificates with their topics; statuses, reasons and their bodies; and that the
// service takes HTTP/2 only and states how many streams it serves at once.
//
// Modelled if asked for, because the documentation names no numbers or only users have seen it: stream limits that
// change while a connection lives, silence after a provider token has expired, and the end of a connection that causes
// many errors or opens too many streams (Options.Habits); GOAWAY, also as the only answer to a certificate of the wrong
// environment, and everything else that can happen to a connection (simulator.Fault, in Options.Scripts).
//
// Modelled beside: what would be stored for devices that are off (simulator.Ledger.Stored), and the environment with its
// certificates and keys (simulator.Habits.Environment).
//
// Not modelled: delivery to devices, keys for single topics, and the management of channels.
//
// Beside it Gateway is the gateway of the binary protocol, which Apple's service no longer speaks, and Feedback its feedback
// service; their files say what they model.
package apnstest
