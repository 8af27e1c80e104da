// Package peer is the other end of a benchmark: providers that do as little as a provider can, so that what is measured is the client. It
// reads frames where they lie and answers many requests in one write. What it does not do: it checks no credential, no header and no
// payload, keeps no ledger of contents, and ends no connection. The simulators (apnstest, gcmtest) are for that.
//
// What it keeps is enough to say that nothing was lost or doubled: recipients of a benchmark carry their number in their device token
// or registration ID, and the peer counts each number.
package peer
