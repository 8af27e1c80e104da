package apns_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
)

// These follow the quick start of the reference API step by step.

const device = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"

// A client with the defaults that all its calls share. The environment of the sandbox is a setting, not another class.
func ExampleNew() {
	apple, keyFile, registered, stop := startSimulator()
	defer stop()
	key, err := apns.LoadKey(keyFile, "", registered.TeamID) // the key's id is part of the file's name
	if err != nil {
		log.Fatal(err)
	}
	client, err := apns.New(apns.Config{
		Environment: apns.Sandbox,
		Key:         key,
		Topic:       "com.example.app",
		Defaults: apns.Defaults{
			ErrorTimeout:     10 * time.Second,
			ExpirationOffset: 30 * 24 * time.Hour,
			BatchSize:        100,
			MaxPayloadLength: 0, // no truncation
		},

		Endpoint: apple.URL(),
		RootCAs:  apple.Authority().Pool(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	response, err := client.Send(context.Background(), []string{device}, apns.NewMessage("Hello world."))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Successes)
	// Output: [0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9]
}

// Every option of a notification, and what the device gets.
func ExampleMessage() {
	message := &apns.Message{
		Text:             new("Check out this article."),
		Badge:            new(int64(1)),
		Sound:            "default",
		Category:         new("news"),
		ContentAvailable: true,
		Title:            new("Title"),
		TitleLocKey:      new("t_loc_key"),
		TitleLocArgs:     []string{"a", "b"},
		ActionLocKey:     new("a_loc_key"),
		LocKey:           new("loc_key"),
		LocArgs:          []string{"c"},
		LaunchImage:      new("path/to/image.jpg"),
		MutableContent:   true,
		ThreadID:         new("thread-1"),
		Extra:            map[string]any{"custom": map[string]any{"data": 5}},
	}
	payload, err := message.Payload(apns.MaxPayload)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(payload))
	// Output: {"aps":{"alert":{"action-loc-key":"a_loc_key","body":"Check out this article.","launch-image":"path/to/image.jpg","loc-args":["c"],"loc-key":"loc_key","title":"Title","title-loc-args":["a","b"],"title-loc-key":"t_loc_key"},"badge":1,"category":"news","content-available":1,"mutable-content":1,"sound":"default","thread-id":"thread-1"},"custom":{"data":5}}
}

// A text that is too long is cut between two characters; everything else stays.
func ExampleMessage_truncation() {
	message := &apns.Message{Text: new("It is raining cats and dogs 🐈🐕"), Badge: new(int64(0)), MaxPayloadLength: 60}
	payload, err := message.Payload(apns.MaxPayload)
	fmt.Println(string(payload), len(payload), err)
	message.MaxPayloadLength = 20
	_, err = message.Payload(apns.MaxPayload)
	fmt.Println(errors.Is(err, apns.InvalidPayloadSizeError), err)
	// Output:
	// {"aps":{"alert":"It is raining cats and dogs...","badge":0}} 60 <nil>
	// true max_payload_length: the payload can't be shortened to 20 bytes, because everything beside its text needs 30
}

// Many devices at once, with options that hold for this call, and all views of what became of it.
func ExampleResponse() {
	client, stop := newClient()
	defer stop()

	tokens := []string{device, "not a token", "ff" + device[2:]}
	response, err := client.Send(context.Background(), tokens, apns.NewMessage("Hello world."),
		apns.WithExpiration(time.Hour), apns.WithLowPriority(), apns.WithBatchSize(200), apns.WithErrorTimeout(5*time.Second), apns.WithCollapseID("hello"))
	if err != nil {
		log.Fatal(err) // the message or an option is wrong, and nothing was sent
	}
	fmt.Println("tokens:", len(response.Tokens))
	fmt.Println("successes:", len(response.Successes))
	fmt.Println("failures:", response.Failures)
	for _, failed := range response.Errors {
		fmt.Println("error:", failed.Index, failed.Name, failed.Code, failed.Description)
	}
	failed := response.TokenErrors["not a token"]
	fmt.Println("sent again:", failed.Class == sender.Unsent, "do:", failed.Action)
	// Output:
	// tokens: 3
	// successes: 2
	// failures: [not a token]
	// error: 1 APNSInvalidTokenError 8 Invalid token
	// sent again: false do: none
}

// A client that is closed connects again when it is next used.
func ExampleClient_Close() {
	client, stop := newClient()
	defer stop()
	for range 2 {
		response, err := client.Send(context.Background(), []string{device}, nil) // no message is {"aps":{}}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(response.Successes))
		if err := client.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 1
	// 1
}

// One request for everybody who follows a channel (iOS 18).
func ExampleClient_Broadcast() {
	client, stop := newClient()
	defer stop()
	response, err := client.Broadcast(context.Background(), "dHN0LXNyY2gtY2hubA==", &apns.Message{
		Event: new("update"), Timestamp: new(int64(1795430000)), ContentState: json.RawMessage(`{"home":2,"away":1}`),
	}, apns.WithExpiration(0))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Successes)
	// Output: [dHN0LXNyY2gtY2hubA==]
}

// What is wrong with a credential is one sentence.
func ExampleClient_Probe() {
	apple, keyFile, registered, stop := startSimulator()
	defer stop()
	key, err := apns.LoadKey(keyFile, registered.KeyID, "WRONGTEAM1")
	if err != nil {
		log.Fatal(err)
	}
	client, err := apns.New(apns.Config{Key: key, Topic: "com.example.app", Endpoint: apple.URL(), RootCAs: apple.Authority().Pool()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	what, _, _ := strings.Cut(client.Probe(context.Background()).Error(), ";")
	fmt.Println(strings.ReplaceAll(what, registered.KeyID, "ABCDE12345"))
	// Output: Apple does not accept key ABCDE12345 of team WRONGTEAM1 (InvalidProviderToken)
}

// The feedback service of the binary protocol: which tokens are gone. The service forgets the list as it hands it out.
func ExampleClient_ExpiredTokens() {
	client, stop := newBinaryClient(device)
	defer stop()
	expired, err := client.ExpiredTokens(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, gone := range expired {
		fmt.Println(gone.Token, gone.Timestamp.Unix())
	}
	// Output: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9 1795430000
}
