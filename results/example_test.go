package results_test

import (
	"fmt"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

// one is an event as it comes on push.results.
const one = `{"v":1,"kind":"segment","id":"apns.shop.order-4711.0.0","platform":"apns","app":"shop","job":"order-4711","segment":0,"segments":1,"round":0,"attempt":1,
	"recipients":3,"sent":1,
	"failures":[{"index":1,"token":"0102","error":"APNSInvalidTokenError","code":8,"reason":"BadDeviceToken","status":400,"description":"Invalid token","action":"check_environment"}],
	"expired_tokens":[{"index":2,"token":"0103","timestamp":1795430000,"timestamp_ms":1795430000123,"error":"APNSInvalidTokenError","code":8,"reason":"Unregistered","status":410,"description":"Invalid token","action":"delete_token"}],
	"canonical_ids":[],"uncertain":[],"skipped":[],"done":true,"fingerprint":"f","at":"2026-11-23T10:00:00Z","worker":"w-1"}`

// What a subscriber does with an event: forget who is gone, unless the token was registered again since.
func ExampleDecode() {
	event, err := results.Decode([]byte(one))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(event.Sent, "of", event.Recipients, "sent")
	for _, gone := range event.ExpiredTokens {
		fmt.Println("recipient", gone.Index, gone.Action, "unless registered after", gone.Timestamp)
	}
	for _, failure := range event.Failures {
		fmt.Println("recipient", failure.Index, failure.Reason, failure.Action)
	}
	fmt.Println(event.Subject(), event.Balanced())
	// Output:
	// 1 of 3 sent
	// recipient 2 delete_token unless registered after 1795430000
	// recipient 1 BadDeviceToken check_environment
	// push.results.apns.shop.order-4711.0.0 <nil>
}

// A job and its events make the response object of the reference API.
func ExampleFold() {
	job, err := jobs.Decode(jobs.APNS, []byte(`{"id":"order-4711","app":"shop","message":"Hello","ids":["0101","0102","0103"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := results.Decode([]byte(one))
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := results.Fold(job, event)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(response.Complete(), response.APNS.Successes, response.APNS.Failures)
	fmt.Println(response.APNS.TokenErrors["0103"])
	// Output:
	// true [0101] [0102 0103]
	// APNSInvalidTokenError (code=8): Invalid token for identifier 2
}

// Which job, segment and round an event is of can be read from its subject, without its body.
func ExampleParseSubject() {
	key, err := results.ParseSubject("push.results.gcm.shop.promo-7.3.1")
	fmt.Println(key.Platform, key.App, key.Job, key.Segment, key.Round, err)
	// Output: gcm shop promo-7 3 1 <nil>
}
