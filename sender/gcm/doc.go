// Package gcm sends to Google: GCM's JSON protocol in chunks of at most 1,000 registration IDs (Legacy), which gateways and
// simulators still speak, and FCM HTTP v1, one message per registration ID over HTTP/2 (V1), Google's live service. Both
// stand behind one Client.
//
// A job is rendered once with Prepare and sent with Deliver, which gives every recipient exactly one outcome from the closed
// set of sender.Class. Send wraps the two for use as a library and answers with the views of the reference API.
//
// The package classifies and never retries across calls, never sleeps and never logs. Neither registration IDs nor
// credentials appear in its errors. Everything it knows of a provider's words stands in one table, reasons.go.
package gcm
