package apns_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"

	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/apns/apnstest"
	"github.com/volleypush/volley/sender/simulator"
)

// Over the binary protocol a gateway accepts tokens that are gone, and lists them in its feedback service, which forgets what it has
// told.
func ExampleClient_ExpiredTokens() {
	gateway, feedback, certificate, stop := startGateway()
	defer stop()

	client, err := apns.New(apns.Config{
		Protocol:    apns.Binary,
		Certificate: certificate,

		Endpoint:         gateway.Endpoint(),
		FeedbackEndpoint: feedback.Endpoint(),
		RootCAs:          gateway.Authority().Pool(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	tokens := []string{
		"0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9",
		"deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
	}
	response, err := client.Send(context.Background(), tokens, apns.NewMessage("Hello world."), apns.WithBatchSize(100), apns.WithRetries(3))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(response.Successes), "accepted")

	gone, err := client.ExpiredTokens(context.Background())
	if err != nil {
		log.Print(err) // what was read until then is in gone all the same
	}
	for _, token := range gone {
		fmt.Println(token.Token, "is gone since", token.Timestamp)
	}
	// Output:
	// 2 accepted
	// deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef is gone since 2026-11-23 10:33:20 +0000 UTC
}

// startGateway is a gateway of the binary protocol that knows one token to be gone, with a certificate that it takes.
func startGateway() (gateway *apnstest.Gateway, feedback *apnstest.Feedback, certificate *tls.Certificate, stop func()) {
	scripts := simulator.NewScripts()
	err := scripts.Set(simulator.Script{Rules: []simulator.Rule{
		{Prefix: "dead", Answer: simulator.Answer{Reason: "Unregistered", TimestampMS: 1795430000000}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	if gateway, err = apnstest.NewGateway(apnstest.GatewayOptions{Scripts: scripts}); err != nil {
		log.Fatal(err)
	}
	if feedback, err = apnstest.NewFeedback(apnstest.FeedbackOptions{Authority: gateway.Authority(), Expired: gateway.Expired()}); err != nil {
		log.Fatal(err)
	}
	made, err := gateway.Authority().ClientCertificate("Apple Push Services: com.example.app", "com.example.app")
	if err != nil {
		log.Fatal(err)
	}
	return gateway, feedback, &made, func() {
		_ = gateway.Close()
		_ = feedback.Close()
	}
}
