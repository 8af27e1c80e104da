package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/volleypush/volley/results"
)

// startCluster starts three NATS servers as docker-compose.yml has them: real processes, JetStream on disk, routes between them.
func startCluster(t *testing.T) string {
	t.Helper()
	var clients, routes []string
	for range 3 {
		clients = append(clients, freePort(t))
		routes = append(routes, freePort(t))
	}
	for i := range 3 {
		var others []string
		for _, r := range routes {
			others = append(others, fmt.Sprintf("%q", "nats-route://"+r))
		}
		text := fmt.Sprintf("server_name: n%d\nlisten: %q\njetstream: {store_dir: %q}\ncluster: {name: volley, listen: %q, routes: [%s]}\n",
			i, clients[i], t.TempDir(), routes[i], strings.Join(others, ", "))
		file := filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, "nats-server", nil, "-c", file).waitFor("Server is ready")
	}
	return "nats://" + strings.Join(clients, ",nats://")
}

// The topology of docker-compose.yml as processes: three servers, two workers, one campaign. The streams have three copies, both
// workers take part, and the books balance.
func TestClusterOfThree(t *testing.T) {
	t.Parallel()
	url := startCluster(t)
	control := freePort(t)
	one := start(t, "worker", nil, "run", "--simulate", "--nats-url", url, "--worker", "one", "--control", control, "--log-format", "json")
	one.waitFor("is ready")
	two := start(t, "worker", nil, "run", "--simulate", "--nats-url", url, "--worker", "two", "--control", freePort(t), "--log-format", "json")
	two.waitFor("is ready")
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"PUSH_JOBS", "PUSH_WORK", "PUSH_RESULTS", "PUSH_DEAD", "KV_PUSH_STATUS"} {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(name, err)
		}
		if n := stream.CachedInfo().Config.Replicas; n != 3 {
			t.Errorf("%s has %d copies", name, n)
		}
	}
	events, err := js.OrderedConsumer(t.Context(), "PUSH_RESULTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, nc, "push.apns", `{"id":"cluster","message":"Hello","ids":`+tokens(0, 9900)+`}`)
	workers := map[string]bool{}
	deadline := time.Now().Add(60 * time.Second)
	for {
		m, err := events.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			if time.Now().After(deadline) {
				t.Fatalf("no more events: %v", err)
			}
			continue
		}
		e, err := results.Decode(m.Data())
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == results.KindJobDone {
			if e.Totals.Sent != 9900 {
				t.Errorf("totals %+v", e.Totals)
			}
			break
		}
		workers[e.Worker] = true
	}
	if !workers["one"] || !workers["two"] {
		t.Errorf("the events name %v", workers)
	}
}
