// Package apnstest is a simulator of Apple's push service over HTTP/2: a real socket, TLS from a throw-away authority,
// the checks that the service documents, scripted faults, and a ledger of everything that arrived. Test a client with
// it instead of replacing the client.
//
// Modelled, from Apple's pages "Sending notification requests to APNs", "Handling notification responses from APNs",
// "Establishing a token-based connection to APNs" and "Establishing a certificate-based connection to APNs":
// POST /3/device/<token> with all its headers; provider tokens with their age, the binding of a connection to its first
// key and the 20-minute rule; provider certificates with their topics; statuses, reasons and their bodies; and that the
// service takes HTTP/2 only and states how many streams it serves at once.
//
// Not modelled: GOAWAY (bad certificates are answered 403 instead), stream limits that change while a connection
// lives, disconnection of clients that cause many errors, silence after a provider token has expired, storage and
// delivery to devices, apns-unique-id of the development environment, key scopes, broadcasts and channel management,
// and the binary protocol, which Apple's service no longer speaks.
package apnstest
