package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// campaign is what the test sends: each app on each platform, with jobs of one segment and of several.
var campaign = []struct {
	platform, app string
	recipients    int
}{
	{"apns", "default", 2500},
	{"gcm", "default", 300},
	{"apns", "legacy", 300},
	{"gcm", "legacy", 2500},
}

// event is the part of a result event that the test reads.
type event struct {
	Job    string `json:"job"`
	Kind   string `json:"kind"`
	Sent   int    `json:"sent"`
	Done   bool   `json:"done"`
	Totals *struct {
		Recipients int `json:"recipients"`
		Sent       int `json:"sent"`
	} `json:"totals"`
}

// What docker-compose.yml starts in containers, as processes: three servers with the mounted configuration, the simulators and
// two workers with the command lines and the worker configuration of the file. Only addresses and folders differ.
func TestWholeTopologyAsProcesses(t *testing.T) {
	binary := buildWorker(t.Context(), t) // compiling everything may take its time; what follows may not
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	project := load(t, []string{"simulators"})
	credentials := t.TempDir()
	apns, gateway, feedback, google, control := freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t)

	simulators := start(ctx, t, "simulators", binary, nil, replaced(project.Services["simulators"].Command,
		"0.0.0.0:2197", apns, "0.0.0.0:2195", gateway, "0.0.0.0:2196", feedback, "0.0.0.0:8443", google, "0.0.0.0:8089", control, "--host=simulators", "--host=127.0.0.1", "=/credentials", "="+credentials))
	simulators.until(ctx, t, func() bool {
		_, err := os.Stat(filepath.Join(credentials, "volley.yaml"))
		return err == nil
	})
	config := workerConfig(t, "/etc/volley/credentials", credentials, "simulators:2197", apns, "simulators:2195", gateway,
		"simulators:2196", feedback, "simulators:8443", google)

	var urls []string
	for _, node := range startCluster(t) {
		urls = append(urls, node.ClientURL())
	}
	var workers []*process
	for i := range 2 {
		workers = append(workers, start(ctx, t, fmt.Sprintf("worker %d", i+1), binary,
			[]string{"NATS_URL=" + strings.Join(urls, ",")},
			replaced(project.Services["worker"].Command, "/etc/volley/volley.yaml", config, "0.0.0.0:8088", freeAddress(t))))
	}

	js := connect(t, strings.Join(urls, ","))
	for _, name := range []string{"PUSH_JOBS", "PUSH_RESULTS"} {
		var stream jetstream.Stream
		workers[0].until(ctx, t, func() (ok bool) {
			// A cluster without a leader does not answer, so each question has its own deadline.
			attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			var err error
			stream, err = js.Stream(attempt, name)
			return err == nil
		})
		if got := stream.CachedInfo().Config.Replicas; got != len(nodes) {
			t.Errorf("%s has %d replicas on a cluster of %d", name, got, len(nodes))
		}
	}
	for _, worker := range workers {
		worker.until(ctx, t, func() bool { return strings.Contains(worker.log.String(), "is ready") })
	}
	total := publish(ctx, t, js)
	follow(ctx, t, js)

	summary := ledger(ctx, t, control)
	if summary.Accepted != total || summary.Duplicates != 0 {
		t.Errorf("the providers accepted %d notifications, %d of them twice; the jobs had %d recipients", summary.Accepted, summary.Duplicates, total)
	}
	for _, worker := range workers {
		worker.end(ctx, t)
	}
	simulators.end(ctx, t)
}

// replaced is the command line with each old piece of text replaced by the new one that follows it.
func replaced(command []string, pairs ...string) []string {
	replacer := strings.NewReplacer(pairs...)
	out := slices.Clone(command)
	for i := range out {
		out[i] = replacer.Replace(out[i])
	}
	return out
}

// workerConfig is deploy/compose/volley.yaml for simulators and credentials that are elsewhere.
func workerConfig(t *testing.T, pairs ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy/compose/volley.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "volley.yaml")
	replacer := strings.NewReplacer(pairs...)
	if err := os.WriteFile(file, []byte(replacer.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func connect(t *testing.T, urls string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(urls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// publish publishes the campaign's jobs and returns how many recipients they have.
func publish(ctx context.Context, t *testing.T, js jetstream.JetStream) (total int) {
	t.Helper()
	for i, c := range campaign {
		ids := make([]string, c.recipients)
		for k := range ids {
			ids[k] = fmt.Sprintf("%08x%056x", i+1, k)
		}
		id := c.platform + "-" + c.app
		body, err := json.Marshal(map[string]any{"id": id, "app": c.app, "ids": ids, "message": "hello"})
		if err != nil {
			t.Fatal(err)
		}
		header := nats.Header{"Nats-Msg-Id": {c.platform + "." + c.app + "." + id}}
		if err := untilNil(ctx, func(ctx context.Context) error {
			_, err := js.PublishMsg(ctx, &nats.Msg{Subject: "push." + c.platform, Header: header, Data: body})
			return err
		}); err != nil {
			t.Fatalf("publishing job %s: %v", id, err)
		}
		total += c.recipients
	}
	return total
}

// follow reads events until every job is done, and checks that each of its recipients was sent.
func follow(ctx context.Context, t *testing.T, js jetstream.JetStream) {
	t.Helper()
	consumer, err := js.OrderedConsumer(ctx, "PUSH_RESULTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	open := map[string]int{}
	for _, c := range campaign {
		open[c.platform+"-"+c.app] = c.recipients
	}
	for len(open) > 0 {
		message, err := messages.Next()
		if err != nil {
			t.Fatalf("jobs that are not done: %v (%v)", open, err)
		}
		var e event
		if err := json.Unmarshal(message.Data(), &e); err != nil {
			t.Fatalf("event on %s: %v", message.Subject(), err)
		}
		if !e.Done && e.Kind != "job_done" {
			continue
		}
		if e.Totals == nil || e.Totals.Sent != open[e.Job] || e.Totals.Recipients != open[e.Job] {
			t.Errorf("job %s is done, but not all of its %d recipients were sent: %s", e.Job, open[e.Job], message.Data())
		}
		delete(open, e.Job)
	}
}

type summary struct {
	Accepted   int `json:"accepted"`
	Duplicates int `json:"duplicates"`
}

func ledger(ctx context.Context, t *testing.T, control string) summary {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+control+"/ledger/summary", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var s summary
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		t.Fatalf("the ledger's summary (status %d): %v", response.StatusCode, err)
	}
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// terminate is what `docker compose stop` sends.
const terminate = syscall.SIGTERM
