// Package apns sends push notifications to Apple's service over HTTP/2, or to a gateway of the older binary protocol.
//
// It is usable on its own: New makes a Client from credentials, Client.Send sends one Message to many device tokens and
// answers with a Response whose views (tokens, errors, failures, successes, token errors) are the ones the reference API
// has. Client.Deliver is the same without the rendering: one payload, many tokens, one outcome per token.
//
// A sender classifies and nothing else. It never retries across calls, never sleeps, never logs, and keeps no device
// token in an error. Every recipient of a call ends in exactly one class of sender.Class; in particular a recipient whose
// request was written and never answered is sender.Uncertain, and one whose request certainly was not taken is
// sender.Unsent.
//
// What the provider's rules are, and where each of them is kept:
//
//	reasons.go      what Apple answers, and what follows from it
//	message.go      what a notification can say;  payload.go, truncate.go: its JSON, its sizes
//	pushtype.go     push types: what a payload says of its own, topics and limits;  headers.go: the other headers
//	broadcast.go    one notification for all followers of a channel
//	key.go          provider tokens (.p8);  certificate.go: client certificates (.p12, .pem)
//	pool.go         who may use which connection next;  lifecycle.go: how connections come and go
//	dial.go         connections and why there is none;  proxy.go: through a proxy
//	explain.go      answers that concern the whole app, for people;  probe.go: is the credential taken?
//	learn.go        what one answer says about its connection and about the rest of the call
//	pipelined.go    one connection of our own engine (sender/internal/h2), behind the link interface
//	nethttp.go      the same over net/http;  wire.go: what net/http does not tell: GOAWAY, refused streams, SETTINGS
//	binary_gateway.go  the binary protocol: who writes next, on which connection;  binary_session.go: one connection;
//	                binary_verdict.go, binary_settle.go: what its end says;  binary_frame.go: its packets
//	feedback.go     the feedback service of the binary protocol: which tokens are gone
package apns
