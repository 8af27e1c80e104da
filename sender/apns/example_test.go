package apns_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/apns/apnstest"
)

// Send one message to several devices, and look at what became of each. The simulator stands in for Apple: leave Endpoint
// and RootCAs out, and it is Apple.
func Example() {
	apple, keyFile, registered, stop := startSimulator()
	defer stop()

	key, err := apns.LoadKey(keyFile, registered.KeyID, registered.TeamID)
	if err != nil {
		log.Fatal(err)
	}
	client, err := apns.New(apns.Config{
		Key:   key,
		Topic: "com.example.app",

		Endpoint: apple.URL(),
		RootCAs:  apple.Authority().Pool(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	tokens := []string{
		"0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9",
		"this is not a device token",
	}
	response, err := client.Send(context.Background(), tokens, &apns.Message{
		Text:     new("Hello world."),
		Title:    new("Greetings"),
		Badge:    new(int64(1)),
		Sound:    "default",
		Category: new("news"),
		Extra:    map[string]any{"custom": "data"},
	})
	if err != nil {
		log.Fatal(err) // the message itself is wrong; nothing was sent
	}

	fmt.Println(len(response.Tokens), "sent,", len(response.Successes), "accepted,", len(response.Failures), "failed")
	for _, err := range response.Errors {
		fmt.Println(err)
	}
	fmt.Println(errors.Is(response.TokenErrors[tokens[1]], apns.InvalidTokenError))
	// Output:
	// 2 sent, 1 accepted, 1 failed
	// APNSInvalidTokenError (code=8): Invalid token for identifier 1 (MalformedToken)
	// true
}

// startSimulator is Apple, and Apple's developer site: it knows a key, whose file it hands out.
func startSimulator() (apple *apnstest.Server, keyFile string, registered apnstest.Key, stop func()) {
	registered, p8, err := apnstest.NewKey()
	if err != nil {
		log.Fatal(err)
	}
	apple, err = apnstest.New(apnstest.Options{Keys: []apnstest.Key{registered}})
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "apns-example")
	if err != nil {
		log.Fatal(err)
	}
	keyFile = filepath.Join(folder, "AuthKey_"+registered.KeyID+".p8")
	if err := os.WriteFile(keyFile, p8, 0o600); err != nil {
		log.Fatal(err)
	}
	return apple, keyFile, registered, func() {
		_ = apple.Close()
		_ = os.RemoveAll(folder)
	}
}

// newClient is a client of a simulator.
func newClient() (client *apns.Client, stop func()) {
	apple, keyFile, registered, stopApple := startSimulator()
	key, err := apns.LoadKey(keyFile, registered.KeyID, registered.TeamID)
	if err != nil {
		log.Fatal(err)
	}
	client, err = apns.New(apns.Config{Key: key, Topic: "com.example.app", Endpoint: apple.URL(), RootCAs: apple.Authority().Pool()})
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		_ = client.Close()
		stopApple()
	}
}

// newBinaryClient is a client of a simulated gateway and its feedback service, which knows that a token is gone.
func newBinaryClient(gone string) (client *apns.Client, stop func()) {
	gateway, err := apnstest.NewGateway(apnstest.GatewayOptions{})
	if err != nil {
		log.Fatal(err)
	}
	feedback, err := apnstest.NewFeedback(apnstest.FeedbackOptions{Authority: gateway.Authority(), Expired: gateway.Expired()})
	if err != nil {
		log.Fatal(err)
	}
	if err := gateway.Expired().Add(gone, time.Unix(1_795_430_000, 0)); err != nil {
		log.Fatal(err)
	}
	certificate, err := gateway.Authority().ClientCertificate("Apple Push Services: com.example.app", "com.example.app")
	if err != nil {
		log.Fatal(err)
	}
	client, err = apns.New(apns.Config{
		Protocol: apns.Binary, Certificate: &certificate, Endpoint: gateway.Addr(), FeedbackEndpoint: feedback.Addr(), RootCAs: gateway.Authority().Pool(),
	})
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		_ = client.Close()
		_ = feedback.Close()
		_ = gateway.Close()
	}
}
