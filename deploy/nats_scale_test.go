package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/app"
	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/results"
)

// startServer starts a server with a file of nats/, on ports and a store of its own. change may alter what the file says.
func startServer(t *testing.T, file string, change func(*server.Options)) *server.Server {
	t.Helper()
	options, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port, options.StoreDir, options.NoSigs = "127.0.0.1", server.RANDOM_PORT, t.TempDir(), true
	if change != nil {
		change(options)
	}
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatalf("the server of %s does not start", file)
	}
	return s
}

// passwords sets those that the files of nats/ take from the environment: "pw-" and the user.
func passwords(t *testing.T, users ...string) {
	t.Helper()
	for _, user := range users {
		t.Setenv(strings.ToUpper(strings.ReplaceAll(user, "-", "_"))+"_PASSWORD", "pw-"+user)
	}
}

func login(url, user string) string {
	return strings.Replace(url, "://", "://"+user+":pw-"+user+"@", 1)
}

// startWorker starts one with a user, which sends to the simulators.
func startWorker(t *testing.T, simulators *app.Simulators, url, name string) {
	t.Helper()
	c := config.Default()
	var err error
	if c.Apps, err = simulators.Credentials(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	c.NATS.URL, c.HTTP, c.Worker = config.NewURL(url), "", name
	worker, err := app.Start(t.Context(), app.Options{Config: c, Log: func(string) zerolog.Logger { return zerolog.Nop() }})
	if err != nil {
		t.Fatalf("%s does not start: %v", name, err)
	}
	t.Cleanup(func() {
		if err := worker.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func startSimulators(t *testing.T) *app.Simulators {
	t.Helper()
	simulators, err := app.StartSimulators(app.SimulatorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = simulators.Close() })
	return simulators
}

func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// subscribed listens for events.
func subscribed(t *testing.T, url string) func() *results.Event {
	t.Helper()
	nc := connect(t, url)
	sub, err := nc.SubscribeSync("push.results")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() *results.Event {
		t.Helper()
		m, err := sub.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatalf("no event: %v", err)
		}
		e, err := results.Decode(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func until(t *testing.T, what string, fact func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !fact() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("it does not come true that %s", what)
		}
	}
}

func body(id string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"message":"hi","ids":["aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899"]}`, id)
}

// request publishes a job and returns which stream and which sequence has it.
func request(t *testing.T, nc *nats.Conn, subject string, data []byte) jetstream.PubAck {
	t.Helper()
	answer, err := nc.Request(subject, data, 20*time.Second)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	var ack jetstream.PubAck
	if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.Stream != "PUSH_JOBS" {
		t.Fatalf("%s: %s", subject, answer.Data)
	}
	return ack
}

// TestShards publishes jobs under many keys to the two shards of nats/shards.conf: both work, a key always meets the same one, all
// lanes arrive, and a subscriber hears of everything.
func TestShards(t *testing.T) {
	passwords(t, "worker-0", "worker-1", "publisher", "subscriber")
	url := startServer(t, "nats/shards.conf", nil).ClientURL()
	simulators := startSimulators(t)
	shards := []string{"worker-0", "worker-1"}
	for _, name := range shards {
		startWorker(t, simulators, login(url, name), name)
	}
	publisher, next := connect(t, login(url, "publisher")), subscribed(t, login(url, "subscriber"))
	share, home := map[string]int{}, map[string]string{}
	publish := func(subject, id string) string {
		request(t, publisher, subject+"."+id, body(id))
		e := next()
		if e.Job != id || e.Sent != 1 {
			t.Fatalf("%s.%s: event %+v", subject, id, e)
		}
		return e.Worker
	}
	for n := range 24 {
		id := fmt.Sprintf("job-%d", n)
		home[id] = publish("job.apns", id)
		share[home[id]]++
	}
	if share["worker-0"] < 5 || share["worker-1"] < 5 {
		t.Errorf("24 keys went to the shards like this: %v", share)
	}
	for _, subject := range []string{"job.apns.high", "job.apns.bulk", "job.gcm", "job.gcm.high", "job.gcm.bulk"} {
		for _, key := range []string{"job-1", "job-2", "job-3"} {
			request(t, publisher, subject+"."+key, body(key+strings.ReplaceAll(subject, ".", "-")))
			if e := next(); e.Worker != home[key] || e.Sent != 1 {
				t.Errorf("%s.%s: by %s, not by %s", subject, key, e.Worker, home[key])
			}
		}
	}
	// Published again, a job meets the first one: nothing is sent, and it is told of as a duplicate by the same shard.
	request(t, publisher, "job.apns.job-5", body("job-5"))
	if e := next(); e.Kind != results.KindDuplicateJob || e.Worker != home["job-5"] {
		t.Errorf("published again: %+v", e)
	}
	for _, name := range shards {
		js, err := jetstream.New(connect(t, login(url, name)))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := js.Stream(t.Context(), "PUSH_RESULTS")
		if err != nil {
			t.Fatal(err)
		}
		if n := stream.CachedInfo().State.Msgs; n == 0 || n == 40 {
			t.Errorf("the events of the shard of %s are %d of 40", name, n)
		}
	}
}

// TestLeaf publishes at a leaf node and works at the hub.
func TestLeaf(t *testing.T) {
	passwords(t, "worker", "dashboard", "publisher", "subscriber", "devices")
	leafPort := freePort(t)
	hub := startServer(t, "nats/hub.conf", func(o *server.Options) { o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", leafPort })
	startWorker(t, startSimulators(t), login(hub.ClientURL(), "worker"), "at-the-hub")
	for _, user := range []string{"publisher", "subscriber"} {
		t.Setenv(strings.ToUpper(user)+"_HUB_URL", login(fmt.Sprintf("nats-leaf://127.0.0.1:%d", leafPort), user))
	}
	leaf := startServer(t, "nats/leaf.conf", func(o *server.Options) { o.LeafNode.ReconnectInterval = 50 * time.Millisecond })
	until(t, "both accounts are connected to the hub", func() bool { return leaf.NumLeafNodes() == 2 })
	publisher, next := connect(t, login(leaf.ClientURL(), "publisher")), subscribed(t, login(leaf.ClientURL(), "subscriber"))
	until(t, "the hub knows of the subscriber", func() bool {
		account, err := hub.LookupAccount("SUBSCRIBERS")
		return err == nil && account.Interest("push.results") > 0
	})
	for _, subject := range []string{"push.apns", "push.apns.high", "push.apns.bulk", "push.gcm", "push.gcm.high", "push.gcm.bulk"} {
		request(t, publisher, subject, body(strings.ReplaceAll(subject, ".", "-")))
		if e := next(); e.Worker != "at-the-hub" || e.Sent != 1 {
			t.Errorf("%s: %+v", subject, e)
		}
	}
	// A publisher at the leaf can forge no event and reach no stream.
	for _, subject := range []string{"push.results", "$JS.API.INFO", "push.work.apns.default.normal.x.0.0"} {
		if _, err := publisher.Request(subject, []byte("x"), 300*time.Millisecond); err == nil {
			t.Errorf("a publisher at the leaf got an answer on %s", subject)
		}
	}
	hub.Shutdown()
	hub.WaitForShutdown()
	until(t, "the leaf has lost the hub", func() bool { return leaf.NumLeafNodes() == 0 })
	if _, err := publisher.Request("push.apns", body("lost"), 20*time.Second); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("without the hub a publisher gets %v, not an error at once", err)
	}
}
