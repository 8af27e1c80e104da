package jobs_test

import (
	"errors"
	"fmt"

	"github.com/volleypush/volley/jobs"
)

// Check a job before it is published, and find the subject to publish it on.
func ExampleDecode() {
	body := []byte(`{"id":"order-4711","app":"shop","message":"It is on its way","badge":1,"ids":["abababababababababababababababababababababababababababababababab"]}`)
	job, err := jobs.Decode(jobs.APNS, body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(jobs.IntakeSubject(job.Platform, jobs.LaneHigh), "for", job.Recipients(), "recipient of", job.App)
	// So that the same again within two minutes is stored once:
	fmt.Printf("Nats-Msg-Id: %s.%s.%s\n", job.Platform, job.App, job.ID)
	// A device token is a secret: it shows itself nowhere unless it is asked.
	fmt.Println(job.IDs[0])
	// Output:
	// push.apns.high for 1 recipient of shop
	// Nats-Msg-Id: apns.shop.order-4711
	// token:271a413b
}

// All faults of a job are told at once, by the path of the field.
func ExampleDecode_faults() {
	_, err := jobs.Decode(jobs.GCM, []byte(`{"mesage":{"text":"Hello"},"time_to_live":-1,"ids":[]}`))
	if faults, ok := errors.AsType[jobs.Faults](err); ok {
		for _, fault := range faults {
			fmt.Println(fault)
		}
	}
	// Output:
	// mesage: unknown field; did you mean "message"?
	// time_to_live: must be from 0 to 2419200
	// ids: is empty: a job needs at least one id
	// message: is required (or "notification", "android", "apns", "webpush" or "payload"); {} sends empty data
}

// A placeholder is the recipient's variable, or its default.
func ExampleTemplate() {
	greeting := jobs.CompileTemplate(`{"alert":"Dear {{name|friend}}"}`)
	for _, body := range []string{`{"name":"Ann"}`, `{}`} {
		job, err := jobs.Decode(jobs.APNS, []byte(`{"message":"Dear {{name|friend}}","recipients":[{"id":"abab","vars":`+body+`}]}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		text, missing := greeting.Append(nil, job.Vars[0])
		fmt.Printf("%s %q\n", text, missing)
	}
	// Output:
	// {"alert":"Dear Ann"} ""
	// {"alert":"Dear friend"} ""
}

// How a job of many recipients is cut into segments, and under which subject a segment's event is stored.
func ExampleSplit() {
	ids := make([]jobs.Token, 2500)
	for i := range ids {
		ids[i] = jobs.NewToken(fmt.Sprintf("%064x", i))
	}
	fmt.Println(jobs.Split(ids, 1<<20))
	// Output: [0 1000 2000 2500]
}

// Indexes of recipients are written as ranges.
func ExampleIndexes() {
	fmt.Println(jobs.Indexes{12, 17, 18, 19, 20})
	indexes, err := jobs.ParseIndexes("12,17-20")
	fmt.Println(len(indexes), err)
	// Output:
	// 12,17-20
	// 5 <nil>
}
