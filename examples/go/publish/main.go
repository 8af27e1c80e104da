// Command publish tells two customers that their orders are on the way, waits until the job is done, and says what became of it.
//
//	go run ./examples/go/publish order-4711
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/results"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: publish ID")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, id string) error {
	url := os.Getenv("NATS_URL")
	if url == "" {
		url = nats.DefaultURL
	}
	connection, err := nats.Connect(url, nats.Name("orders"))
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", url, err)
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}

	body, err := order(id)
	if err != nil {
		return err
	}
	job, err := jobs.Decode(jobs.APNS, body) // what workers do first: every fault is named here instead of in a dead letter
	if err != nil {
		return err
	}
	ack, err := submit(ctx, js, "push.apns.high", "apns.default."+id, body)
	if err != nil {
		return err
	}
	fmt.Printf("stored as message %d of %s, duplicate: %t\n", ack.Sequence, ack.Stream, ack.Duplicate)
	response, err := await(ctx, js, job)
	if err != nil {
		return err
	}
	for _, failure := range response.APNS.Errors {
		fmt.Printf("%v; reason %s, action %s\n", failure, failure.Reason, failure.Action)
	}
	fmt.Printf("sent %d of %d\n", response.Totals.Sent, response.Totals.Recipients)
	return nil
}

// order is the job: one text, and for each recipient what is put into it.
func order(id string) ([]byte, error) {
	type recipient struct {
		ID   string         `json:"id"`
		Vars map[string]any `json:"vars"`
	}
	return json.Marshal(map[string]any{
		"id":         id,
		"campaign":   "orders",
		"title":      "Dear {{name|customer}}",
		"message":    "Your order {{order}} is on its way.",
		"sound":      "default",
		"expiration": 3600, // news of yesterday is none
		"recipients": []recipient{
			{"aa00000000000000000000000000000000000000000000000000000000004711", map[string]any{"name": "Ann", "order": 4711}},
			{"dd00000000000000000000000000000000000000000000000000000000004712", map[string]any{"order": 4712}},
		},
	})
}

// submit publishes until the queue says that it has the job. To try again is harmless: the server knows the message id for two
// minutes, and workers know the job's id as long as events are kept.
func submit(ctx context.Context, js jetstream.JetStream, subject, msgID string, body []byte) (*jetstream.PubAck, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		ack, err := js.Publish(try, subject, body, jetstream.WithMsgID(msgID))
		cancel()
		if err == nil || errors.Is(err, nats.ErrMaxPayload) {
			return ack, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the queue did not take the job: %w", err)
		case <-time.After(wait):
		}
	}
}

// await reads the job's events until it is done, also if it was done long ago.
func await(ctx context.Context, js jetstream.JetStream, job *jobs.Job) (*results.Response, error) {
	consumer, err := js.OrderedConsumer(ctx, "PUSH_RESULTS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{fmt.Sprintf("push.results.%s.%s.%s.>", job.Platform, job.App, job.ID)},
	})
	if err != nil {
		return nil, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	var events []*results.Event
	for {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("waiting for the events of %s: %w", job.ID, err)
		}
		event, err := results.Decode(message.Data())
		if err != nil {
			return nil, err
		}
		events = append(events, event)
		if event.Done || event.Kind == results.KindJobDone {
			return results.Fold(job, events...)
		}
	}
}
