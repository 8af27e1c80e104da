package simulator_test

import (
	"fmt"

	"github.com/volleypush/volley/sender/simulator"
)

// What the simulators answer is a script: the first rule that fits a recipient counts.
func ExampleScripts() {
	scripts := simulator.NewScripts()
	if err := scripts.Set(simulator.Script{Rules: []simulator.Rule{
		{Prefix: "gone-", Answer: simulator.Answer{Reason: "UNREGISTERED"}},
		{Platform: "gcm", Percent: 100, Times: 1, Answer: simulator.Answer{Reason: "UNAVAILABLE", RetryAfter: "1"}},
	}}); err != nil {
		fmt.Println(err)
		return
	}
	for _, token := range []string{"gone-1", "here-1", "here-1"} {
		answer, scripted := scripts.Answer("gcm", token)
		fmt.Printf("%s: %q %t\n", token, answer.Reason, scripted)
	}
	// Output:
	// gone-1: "UNREGISTERED" true
	// here-1: "UNAVAILABLE" true
	// here-1: "" false
}

// The ledger is what arrived: tests compare it with what their own side says.
func ExampleLedger() {
	ledger := simulator.NewLedger()
	ledger.Add(simulator.Notification{Platform: "apns", Token: "0101", Status: 200})
	ledger.Add(simulator.Notification{Platform: "apns", Token: "0102", Status: 410, Reason: "Unregistered"})
	for arrived := range ledger.Each() {
		fmt.Println(arrived.Token, arrived.Accepted())
	}
	// Output:
	// 0101 true
	// 0102 false
}
