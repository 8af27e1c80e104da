package apnstest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// Your own client against Apple as you want it today: one device is gone, the others are reached, and the ledger says what arrived.
func Example() {
	registered, p8, err := apnstest.NewKey() // what Apple's developer site hands out; p8 is the file
	if err != nil {
		fmt.Println(err)
		return
	}
	apple, err := apnstest.New(apnstest.Options{Keys: []apnstest.Key{registered}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = apple.Close() }()
	err = apple.Scripts().Set(simulator.Script{Rules: []simulator.Rule{{Token: "0102", Answer: simulator.Answer{Reason: "Unregistered"}}}})
	if err != nil {
		fmt.Println(err)
		return
	}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: apple.Authority().Pool()}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	authorization := "bearer " + providerToken(registered, p8, time.Now())
	for _, device := range []string{"0101", "0102"} {
		request, err := http.NewRequest(http.MethodPost, apple.URL()+"/3/device/"+device, strings.NewReader(`{"aps":{"alert":"Hello"}}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		request.Header.Set("Authorization", authorization)
		request.Header.Set("Apns-Topic", "com.example.app")
		response, err := client.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		answer, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		reason, _, _ := strings.Cut(string(answer), ",") // and the time since when
		fmt.Printf("%d %q\n", response.StatusCode, reason)
	}
	for _, arrived := range apple.Ledger().All() {
		fmt.Println(arrived.Token, string(arrived.Body), arrived.Accepted())
	}
	// Output:
	// 200 ""
	// 410 "{\"reason\":\"Unregistered\""
	// 0101 {"aps":{"alert":"Hello"}} true
	// 0102 {"aps":{"alert":"Hello"}} false
}

// providerToken signs what Apple calls a provider authentication token.
func providerToken(key apnstest.Key, p8 []byte, at time.Time) string {
	block, _ := pem.Decode(p8)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": key.TeamID, "iat": at.Unix()})
	token.Header["kid"] = key.KeyID
	text, err := token.SignedString(private)
	if err != nil {
		panic(err)
	}
	return text
}
