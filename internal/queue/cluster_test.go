package queue

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/volleypush/volley/jobs"
)

// startCluster runs three servers that find each other, and returns their URLs without waiting for leaders.
func startCluster(t *testing.T) []string {
	t.Helper()
	const n = 3
	var routes, urls []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		routes = append(routes, "nats://"+listener.Addr().String())
		listener.Close()
	}
	for i := range n {
		opts := &server.Options{}
		config := fmt.Sprintf("server_name: n%d\nlisten: \"127.0.0.1:-1\"\njetstream: {max_file_store: 1GB}\ncluster: {name: c, listen: %q, routes: [%s]}\n",
			i, strings.TrimPrefix(routes[i], "nats://"), strings.Join(routes, ","))
		if err := opts.ProcessConfigString(config); err != nil {
			t.Fatal(err)
		}
		opts.StoreDir, opts.NoSigs, opts.NoLog = t.TempDir(), true, true
		s, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(patience) {
			t.Fatal("a server of the cluster does not start")
		}
		urls = append(urls, s.ClientURL())
	}
	return urls
}

// TestCluster: the same code on three servers, begun before they have a leader.
func TestCluster(t *testing.T) {
	t.Parallel()
	urls := startCluster(t)
	workers := make([]*Conn, 2)
	var all sync.WaitGroup
	for w := range workers {
		workers[w] = connectWith(t, Options{URL: urls[w]})
		all.Go(func() { ensure(t, workers[w]) })
	}
	all.Wait()
	c := workers[0]
	for _, stream := range []string{jobs.StreamJobs, jobs.StreamWork, jobs.StreamResults, jobs.StreamDead, bucketStream(jobs.BucketStatus)} {
		if info, err := c.streamInfo(t.Context(), stream); err != nil || info.Config.Replicas != 3 {
			t.Errorf("%s: %+v, %v", stream, info, err)
		}
	}
	if c.oneCopy(t.Context(), jobs.StreamResults) {
		t.Error("a follower's answer would be taken for the leader's")
	}
	// Both commit the same events until they know; one of each is stored.
	const keys = 20
	var told [2][keys]string
	for w, conn := range workers {
		for k := range keys {
			event := eventOf(segment(t, fmt.Sprintf("race-%d", k), 1), fmt.Sprint(w))
			all.Go(func() {
				until(t, "the outcome is known", func() bool {
					earlier, err := conn.Commit(t.Context(), event)
					told[w][k] = event.Worker
					if earlier != nil {
						told[w][k] = earlier.Worker
					}
					return err == nil
				})
			})
		}
	}
	all.Wait()
	if told[0] != told[1] || messages(t, c, jobs.StreamResults) != keys {
		t.Errorf("%d events of %d; one worker follows %v, the other %v", messages(t, c, jobs.StreamResults), keys, told[0], told[1])
	}
	publishJobs(t, c, 10)
	var handled seen
	r := pullWith(t, workers[1], 4, handled.ack)
	until(t, "jobs are handled", func() bool { return handled.len() == 10 && messages(t, c, jobs.StreamJobs) == 0 })
	r.end(t)
}

func TestNoJetStream(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	c := connectWith(t, Options{URL: s.ClientURL()})
	if err := c.EnsureTopology(t.Context(), small); !errors.Is(err, ErrTopology) || !strings.Contains(err.Error(), "--jetstream") {
		t.Error(err)
	}
	if _, err := c.PublishJob(t.Context(), jobs.APNS, jobs.LaneNormal, "default", "j", nil); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}
