package sender_test

import (
	"fmt"

	"github.com/volleypush/volley/sender"
)

// Both senders answer in one vocabulary, so that whoever decides what follows knows no provider.
func Example() {
	after := func(o sender.Outcome) string {
		switch o.Class {
		case sender.Accepted:
			return "done"
		case sender.Expired:
			return "forget the token"
		case sender.Transient, sender.Throttled, sender.Unsent:
			return "try again"
		case sender.Uncertain:
			return "it may have been reached"
		default:
			return "give up: " + o.Reason.Name
		}
	}
	gone := &sender.Reason{Name: "Unregistered", Class: sender.Expired}
	bad := &sender.Reason{Name: "BadDeviceToken", Class: sender.Rejected}
	for _, outcome := range []sender.Outcome{{Class: sender.Accepted, Status: 200}, sender.Failed(gone, 410), sender.Failed(bad, 400)} {
		fmt.Println(outcome.Class, outcome.Status, after(outcome))
	}
	// Output:
	// accepted 200 done
	// expired 410 forget the token
	// rejected 400 give up: BadDeviceToken
}
