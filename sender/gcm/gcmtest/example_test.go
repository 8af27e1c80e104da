package gcmtest_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"

	"github.com/volleypush/volley/sender/gcm/gcmtest"
	"github.com/volleypush/volley/sender/simulator"
)

// Your own client against Google as you want it today: the first request is refused as too many.
func Example() {
	google, err := gcmtest.New(gcmtest.Options{Projects: []string{"my-project"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = google.Close() }()
	err = google.Scripts().Set(simulator.Script{Rules: []simulator.Rule{{Percent: 100, Times: 1, Answer: simulator.Answer{Reason: "QUOTA_EXCEEDED", RetryAfter: "30"}}}})
	if err != nil {
		fmt.Println(err)
		return
	}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: google.Authority().Pool()}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	for range 2 {
		request, err := http.NewRequest(http.MethodPost, google.URL()+"/v1/projects/my-project/messages:send",
			strings.NewReader(`{"message":{"token":"registration-1","data":{"greeting":"Hello"}}}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		request.Header.Set("Authorization", "Bearer "+google.IssueToken("my-project"))
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = response.Body.Close()
		fmt.Printf("%d %q\n", response.StatusCode, response.Header.Get("Retry-After"))
	}
	for _, arrived := range google.Ledger().All() {
		fmt.Printf("%s %q %t\n", arrived.Token, arrived.Reason, arrived.Accepted())
	}
	// Output:
	// 429 "30"
	// 200 ""
	// registration-1 "QUOTA_EXCEEDED" false
	// registration-1 "" true
}
