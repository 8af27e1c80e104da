//go:build chaosrun

package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/jobs"
)

// node is one server of a cluster.
type node struct {
	server
	monitor string
}

// startNodes starts a cluster of three.
func startNodes(t *testing.T) []*node {
	t.Helper()
	nodes := make([]*node, 3)
	routes := make([]string, len(nodes))
	for i := range nodes {
		nodes[i] = &node{server: server{addr: fixedPort(t)}, monitor: fixedPort(t)}
		routes[i] = fixedPort(t)
	}
	for i, n := range nodes {
		text := fmt.Sprintf("server_name: n%d\nlisten: %q\nhttp: %q\njetstream: {store_dir: %q}\ncluster: {name: volley, listen: %q, routes: [%s]}\n",
			i, n.addr, n.monitor, t.TempDir(), routes[i], `"nats-route://`+strings.Join(routes, `", "nats-route://`)+`"`)
		file := filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.args = []string{"-c", file}
	}
	for _, n := range nodes {
		n.launch(t)
	}
	for _, n := range nodes {
		n.healthy(t)
	}
	return nodes
}

func urls(nodes []*node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.url())
	}
	return strings.Join(all, ",")
}

// healthy waits until the node has caught up with the others.
func (n *node) healthy(t *testing.T) {
	t.Helper()
	until(t, "node "+n.addr+" is healthy", func() bool {
		response, err := http.Get("http://" + n.monitor + "/healthz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// nodesKilled kills one node after the other, each a moment after the one before is back, until a campaign of 200,000 recipients is
// sent. The providers are slow, so that each kill finds all workers in the middle of segments.
func nodesKilled(t *testing.T, p *providers, r *row) *verdict {
	setScript(t, p.control, `{"rules":[{"percent":0.2,"salt":"busy","times":1,"answer":{"status":503,"reason":"ServiceUnavailable"}},
		{"percent":100,"answer":{"latency":"300ms"}}]}`)
	nodes := startNodes(t)
	s := openTheatre(t, p, urls(nodes))
	a := audience{"nodes"}
	for i := range 40 {
		fields := map[string]any{}
		if i%4 == 3 {
			fields["on_uncertain"] = "report"
		}
		s.orders = append(s.orders, a.order(jobs.APNS, "default", fmt.Sprint(i), 5000, fields))
	}
	workers := []*process{s.worker("one"), s.worker("two"), s.worker("three")}
	published := s.publishing()
	kills := 0
	for s.read(); s.done() < len(s.orders); s.read() {
		n := nodes[kills%len(nodes)]
		n.kill()
		kills++
		<-time.After(2 * time.Second) // long enough for elections
		n.launch(t)
		n.healthy(t)
		<-time.After(3 * time.Second)
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	s.settle()
	r.what = fmt.Sprintf("a node killed %d times, every few seconds, under three workers", kills)
	v := s.atMost(kills * len(workers) * inFlight)
	for _, w := range workers {
		s.end(w)
	}
	return v
}
