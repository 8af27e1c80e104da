package gcm_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/gcm"
	"github.com/volleypush/volley/sender/gcm/gcmtest"
	"github.com/volleypush/volley/sender/simulator"
)

// firebase stands for Google: a simulator that knows one registration ID no more.
func firebase() (server *gcmtest.Server, keyFile []byte, err error) {
	if server, err = gcmtest.New(gcmtest.Options{}); err != nil {
		return nil, nil, err
	}
	rules := []simulator.Rule{{Token: "id-2", Answer: simulator.Answer{Reason: "UNREGISTERED"}}}
	if err = server.Scripts().Set(simulator.Script{Rules: rules}); err != nil {
		return nil, nil, err
	}
	keyFile, err = server.ServiceAccount("my-project")
	return server, keyFile, err
}

// The same quick start with FCM HTTP v1, Google's live service.
func ExampleClient_Send_v1() {
	server, keyFile, err := firebase()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()

	credential, err := gcm.ParseCredential(keyFile) // or gcm.LoadCredential("firebase.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := gcm.New(gcm.Config{
		Credential: credential,
		Endpoint:   server.URL(), // leave both out for Google's own
		RootCAs:    server.Authority().Pool(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	response, err := client.Send(context.Background(), []string{"id-1", "id-2", "id-3"}, &gcm.Message{
		Data:         "Hello",
		Notification: map[string]any{"title": "Greeting", "body": "Hello"},
		LowPriority:  new(true),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent:", response.Successes)
	for _, failure := range response.Errors {
		fmt.Println(failure)
		if failure.Outcome.Class == sender.Expired {
			fmt.Println("delete", failure.Identifier.Reveal())
		}
	}
	// Output:
	// sent: [id-1 id-3]
	// GCMUnregisteredDeviceError (code=NotRegistered): Device not registered for recipient 1
	// delete id-2
}

// A topic, or a condition of topics, takes the place of registration IDs.
func ExampleClient_Send_topic() {
	server, keyFile, err := firebase()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()
	credential, err := gcm.ParseCredential(keyFile)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := gcm.New(gcm.Config{Credential: credential, Endpoint: server.URL(), RootCAs: server.Authority().Pool()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	response, err := client.Send(context.Background(), nil, &gcm.Message{Data: "Hello", Topic: new("news"), DryRun: new(true)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent:", response.Successes)
	// Output: sent: [news]
}

// A missing credential is found when the client is made, not when it sends.
func ExampleNew_authError() {
	_, err := gcm.New(gcm.Config{Protocol: gcm.Legacy})
	var auth *gcm.AuthError
	fmt.Println(errors.As(err, &auth), err)
	// Output: true GCMAuthError: Missing GCM API key. Set api_key
}
