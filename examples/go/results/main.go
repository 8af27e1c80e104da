// Command results keeps a list of devices in order: it reads every result event once and says which recipients to forget and
// which registration IDs to replace. It goes on where it ended, and several of them share the work.
//
//	go run ./examples/go/results                          for ever
//	go run ./examples/go/results apns.default.order-4711  until that job is done
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/results"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	until := ""
	if len(os.Args) > 1 {
		until = os.Args[1]
	}
	if err := run(ctx, until); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, until string) error {
	url := os.Getenv("NATS_URL")
	if url == "" {
		url = nats.DefaultURL
	}
	connection, err := nats.Connect(url, nats.Name("device-list"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", url, err)
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	// The durable remembers what was acknowledged. Events are kept for a day (results.retention): that is how long it may be away.
	consumer, err := js.Consumer(ctx, "PUSH_RESULTS", "device-list")
	if errors.Is(err, jetstream.ErrConsumerNotFound) { // the first time, if nobody else has made it
		consumer, err = js.CreateConsumer(ctx, "PUSH_RESULTS", jetstream.ConsumerConfig{
			Durable:       "device-list",
			FilterSubject: "push.results.*.default.>",
			AckPolicy:     jetstream.AckExplicitPolicy,
			AckWait:       30 * time.Second,
		})
	}
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		event, err := results.Decode(message.Data())
		if err != nil {
			return err // results.ErrNewer: a newer Volley writes what this program does not know; build it anew
		}
		apply(event)
		// After the work, not before: an event that comes twice changes nothing, one that is lost leaves a dead device on the list.
		if err := message.DoubleAck(ctx); err != nil {
			return err
		}
		if done := event.Done || event.Kind == results.KindJobDone; done && until == fmt.Sprintf("%s.%s.%s", event.Platform, event.App, event.Job) {
			return nil
		}
	}
}

// apply does what one event asks for. Here it prints; in your program these are statements for your data base.
func apply(event *results.Event) {
	for _, gone := range event.ExpiredTokens {
		if gone.Action == results.ActionDeleteToken {
			since := event.At // where the provider does not say since when
			if gone.TimestampMS > 0 {
				since = time.UnixMilli(gone.TimestampMS)
			}
			forget(gone.Token, since)
		}
	}
	for _, failure := range event.Failures {
		if failure.Action == results.ActionDeleteToken { // never could be one: malformed
			forget(failure.Token, event.At)
		}
	}
	for _, id := range event.CanonicalIDs {
		fmt.Printf("replace %s by %s\n", id.OldID, id.NewID)
	}
	if event.Kind == results.KindDead {
		fmt.Printf("look at job %s: %s\n", event.Job, event.Dead.Reason)
	}
}

// forget is: delete the device unless the app has registered it again since then.
func forget(token string, since time.Time) {
	fmt.Printf("forget %s unless registered after %s\n", token, since.UTC().Format(time.RFC3339))
}
