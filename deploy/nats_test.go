package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/cli/enqueue"
	"github.com/volleypush/volley/results"
)

// guarded is a server with the accounts of deploy/nats/volley.conf, and a worker with simulated providers on it.
type guarded struct {
	server     *server.Server
	simulators *app.Simulators
}

func startGuarded(t *testing.T) *guarded {
	t.Helper()
	passwords(t, "worker", "dashboard", "publisher", "subscriber", "devices")
	g := &guarded{server: startServer(t, "nats/volley.conf", nil), simulators: startSimulators(t)}
	startWorker(t, g.simulators, g.url("worker"), "guarded")
	return g
}

func (g *guarded) url(user string) string {
	return login(g.server.ClientURL(), user)
}

// client connects as a user; refused gets what the server forbids.
func (g *guarded) client(t *testing.T, user string, options ...nats.Option) (nc *nats.Conn, refused chan error) {
	t.Helper()
	refused = make(chan error, 16)
	options = append(options, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	nc, err := nats.Connect(g.url(user), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, refused
}

func mustRefuse(t *testing.T, what string, refused <-chan error) {
	t.Helper()
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("%s is not refused", what)
	}
}

// TestUsersDoTheirWork sends a job as a publisher, through a worker, to a subscriber.
func TestUsersDoTheirWork(t *testing.T) {
	g := startGuarded(t)
	publisher, _ := g.client(t, "publisher")
	subscriber, _ := g.client(t, "subscriber")
	events, err := subscriber.SubscribeSync("push.results")
	if err != nil {
		t.Fatal(err)
	}
	if err := subscriber.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"push.apns", "push.apns.high", "push.apns.bulk", "push.gcm", "push.gcm.high", "push.gcm.bulk"} {
		msg := nats.NewMsg(subject)
		msg.Data = []byte(`{"message":"hi","ids":["aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899"]}`)
		answer, err := publisher.RequestMsg(msg, 20*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		var ack jetstream.PubAck
		if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.Stream != "PUSH_JOBS" {
			t.Fatalf("%s: %s", subject, answer.Data)
		}
		got, err := events.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatalf("%s: no event: %v", subject, err)
		}
		event, err := results.Decode(got.Data)
		if err != nil || event.Sent != 1 || !strings.HasPrefix(subject, "push."+string(event.Platform)) {
			t.Errorf("%s: %s, %v", subject, got.Data, err)
		}
	}
}

// TestPublishersReachNothingElse attacks as a publisher.
func TestPublishersReachNothingElse(t *testing.T) {
	g := startGuarded(t)
	nc, refused := g.client(t, "publisher")
	for _, subject := range []string{
		"push.results", "push.results.apns.default.job.0.0", "push.work.apns.default.normal.job.0.0", "push.later.apns.default.normal.job.0.0",
		"push.dead.apns.default", "push.feedback.default", "push.apns.other", "$JS.API.INFO", "$JS.API.STREAM.DELETE.PUSH_JOBS",
		"$JS.API.STREAM.PURGE.PUSH_RESULTS", "$JS.API.CONSUMER.MSG.NEXT.PUSH_JOBS.intake-apns-normal", "$JS.ACK.PUSH_JOBS.intake-apns-normal.1.1.1.1.1",
		"$KV.PUSH_CONTROL.x", "$KV.PUSH_STATUS.apns.default.job", "_INBOX.somebody",
	} {
		if err := nc.Publish(subject, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, "publishing to "+subject, refused)
	}
	for _, subject := range []string{"push.results", "push.>", ">", "push.apns", "$JS.>"} {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, "subscribing to "+subject, refused)
	}
}

// TestInboxesOfWorkersAreTheirOwn listens on every inbox that a publisher may, while a worker gets a job: nothing of it comes.
func TestInboxesOfWorkersAreTheirOwn(t *testing.T) {
	g := startGuarded(t)
	spy, _ := g.client(t, "publisher")
	inboxes, err := spy.SubscribeSync("_INBOX.>")
	if err != nil {
		t.Fatal(err)
	}
	other, _ := g.client(t, "publisher", nats.CustomInboxPrefix("_INBOX.other"))
	subscriber, _ := g.client(t, "subscriber")
	events, err := subscriber.SubscribeSync("push.results")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(spy.Flush(), subscriber.Flush()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Request("push.apns", []byte(`{"message":"secret","ids":["aabb"]}`), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := events.NextMsg(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	// The acknowledgement of the other publisher, who has the same user, is all that there is.
	for {
		got, err := inboxes.NextMsg(time.Millisecond)
		if err != nil {
			break
		}
		if strings.Contains(string(got.Data), "secret") || strings.Contains(string(got.Data), "aabb") || !strings.Contains(string(got.Data), "PUSH_JOBS") {
			t.Errorf("a publisher reads %s", got.Data)
		}
	}
}

// TestSubscribersOnlyListen attacks as a subscriber.
func TestSubscribersOnlyListen(t *testing.T) {
	g := startGuarded(t)
	nc, refused := g.client(t, "subscriber")
	for _, subject := range []string{"push.apns", "push.gcm", "push.results", "$JS.API.INFO", "_INBOX.x"} {
		if err := nc.Publish(subject, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, "publishing to "+subject, refused)
	}
	for _, subject := range []string{"push.apns", "push.work.>", "push.dead.>", "_INBOX.>", ">"} {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, "subscribing to "+subject, refused)
	}
}

// apiPrefix is what deploy/nats/volley.conf has in the place of $JS.API for other accounts than the workers'.
const apiPrefix = "js.volley"

// TestDashboardsReadAndChangeNothing reads what there is, and attacks.
func TestDashboardsReadAndChangeNothing(t *testing.T) {
	g := startGuarded(t)
	nc, refused := g.client(t, "dashboard", nats.CustomInboxPrefix("_INBOX_dashboard"))
	js, err := jetstream.NewWithAPIPrefix(nc, apiPrefix)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, "PUSH_JOBS")
	if err != nil {
		t.Fatalf("it can't read the streams: %v", err)
	}
	if _, err := stream.Consumer(ctx, "intake-apns-normal"); err != nil {
		t.Errorf("it can't read the consumers: %v", err)
	}
	for _, subject := range []string{
		"push.apns", "push.results", "push.work.apns.default.normal.job.0.0", "$JS.API.STREAM.DELETE.PUSH_JOBS", "$JS.API.STREAM.MSG.GET.PUSH_JOBS",
		"$JS.API.STREAM.MSG.DELETE.PUSH_JOBS", "$JS.API.CONSUMER.MSG.NEXT.PUSH_JOBS.intake-apns-normal", "$JS.API.CONSUMER.DELETE.PUSH_JOBS.intake-apns-normal",
		"$JS.ACK.PUSH_JOBS.intake-apns-normal.1.1.1.1.1", "$KV.PUSH_CONTROL.x", "js.volley.STREAM.DELETE.PUSH_JOBS",
		"js.volley.CONSUMER.MSG.NEXT.PUSH_JOBS.intake-apns-normal",
	} {
		if err := nc.Publish(subject, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, "publishing to "+subject, refused)
	}
	for _, subject := range []string{"_INBOX.>", "push.apns", "push.dead.>", ">"} {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, "subscribing to "+subject, refused)
	}
}

// TestDevicesReadOneDurable reads events as the program that keeps the list of devices, and attacks.
func TestDevicesReadOneDurable(t *testing.T) {
	g := startGuarded(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	operator, _ := g.client(t, "worker")
	js, err := jetstream.New(operator)
	if err != nil {
		t.Fatal(err)
	}
	durable, err := js.CreateConsumer(ctx, "PUSH_RESULTS", jetstream.ConsumerConfig{Durable: "device-list", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	publisher, _ := g.client(t, "publisher")
	const events = 3
	for range events {
		if _, err := publisher.Request("push.apns", []byte(`{"message":"hi","ids":["aabb"]}`), 20*time.Second); err != nil {
			t.Fatal(err)
		}
	}

	nc, refused := g.client(t, "devices")
	own, err := jetstream.NewWithAPIPrefix(nc, apiPrefix)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := own.Consumer(ctx, "PUSH_RESULTS", "device-list")
	if err != nil {
		t.Fatalf("it does not find its durable: %v", err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	for range events {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("it gets no event: %v", err)
		}
		if event, err := results.Decode(message.Data()); err != nil || event.Sent != 1 {
			t.Errorf("%s: %v", message.Data(), err)
		}
		if err := message.DoubleAck(ctx); err != nil {
			t.Fatalf("its acknowledgement is not taken: %v", err)
		}
	}
	if info, err := durable.Info(ctx); err != nil || info.AckFloor.Consumer != events || info.NumAckPending != 0 {
		t.Errorf("%+v, %v", info, err)
	}

	for _, subject := range []string{
		"push.apns", "push.results", "push.results.apns.default.job.0.0", "$JS.API.INFO", "$JS.API.STREAM.INFO.PUSH_RESULTS",
		"js.volley.CONSUMER.CREATE.PUSH_RESULTS.other", "js.volley.CONSUMER.DURABLE.CREATE.PUSH_RESULTS.other", "js.volley.CONSUMER.DELETE.PUSH_RESULTS.device-list",
		"js.volley.CONSUMER.MSG.NEXT.PUSH_RESULTS.other", "js.volley.CONSUMER.MSG.NEXT.PUSH_JOBS.intake-apns-normal", "$JS.ACK.PUSH_JOBS.intake-apns-normal.1.1.1.1.1",
	} {
		if err := nc.Publish(subject, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, "publishing to "+subject, refused)
	}
	for _, subject := range []string{"push.results", "push.>", "$JS.>", ">"} {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, "subscribing to "+subject, refused)
	}
}

// TestAnswersGoToWhoAsked asks JetStream what a user may ask, and names a subject for the answer on which it may not publish: the event of a
// job to come, and a job. Within the workers' account the server would store its answer there.
func TestAnswersGoToWhoAsked(t *testing.T) {
	g := startGuarded(t)
	operator, _ := g.client(t, "worker")
	stored, err := operator.SubscribeSync("push.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := operator.Flush(); err != nil {
		t.Fatal(err)
	}
	for user, ask := range map[string]string{
		"dashboard": "js.volley.INFO", "devices": "js.volley.CONSUMER.INFO.PUSH_RESULTS.device-list", "publisher": "push.apns",
	} {
		nc, _ := g.client(t, user)
		for _, reply := range []string{"push.results.apns.default.job.0.0", "push.gcm"} {
			if user == "publisher" && reply == "push.gcm" {
				continue // where it may publish anyway
			}
			msg := nats.NewMsg(ask)
			msg.Reply, msg.Data = reply, []byte(`{"ids":["aabb"]}`)
			if err := nc.PublishMsg(msg); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	// What comes after: everything that was asked before has been answered then.
	end, _ := g.client(t, "publisher")
	if _, err := end.Request("push.apns", []byte(`{"id":"end","message":"hi","ids":["aabb"]}`), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for {
		msg, err := stored.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if msg.Subject == "push.gcm" || strings.Contains(msg.Subject, ".default.job.") {
			t.Errorf("an answer was stored on %s: %s", msg.Subject, msg.Data)
		}
		if strings.HasSuffix(msg.Subject, ".default.end.0.0") {
			return
		}
	}
}

// TestEnqueuePublishesAsPublisher needs no more than a publisher may do.
func TestEnqueuePublishesAsPublisher(t *testing.T) {
	g := startGuarded(t)
	var out, errs bytes.Buffer
	args := []string{"apns", "--message", "hi", "--to", "aabb", "--nats-url", g.url("publisher")}
	err := enqueue.Run(t.Context(), args, strings.NewReader(""), &out, &errs, func(string) (string, bool) { return "", false })
	if err != nil || !strings.HasPrefix(out.String(), "published ") {
		t.Errorf("%v, %q, %q", err, &out, &errs)
	}
}
