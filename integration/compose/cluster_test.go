package compose

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The mounted configuration makes a cluster: a stream with three replicas takes a message.
func TestNodesFormACluster(t *testing.T) {
	servers := startCluster(t)
	conn, err := nats.Connect(servers[0].ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := untilNil(ctx, func(ctx context.Context) error {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "TEST", Subjects: []string{"test"}, Replicas: len(nodes), Storage: jetstream.FileStorage})
		return err
	}); err != nil {
		t.Fatalf("a stream with %d replicas: %v", len(nodes), err)
	}
	if err := untilNil(ctx, func(ctx context.Context) error {
		_, err := js.Publish(ctx, "test", []byte("hello"), jetstream.WithExpectLastSequencePerSubject(0))
		return err
	}); err != nil {
		t.Fatalf("publishing to it: %v", err)
	}
}

// startCluster starts three servers of the same version as in the containers from the mounted configuration, with ports
// and routes on loopback.
func startCluster(t *testing.T) []*server.Server {
	t.Helper()
	routes := loopbackRoutes(t)
	var servers []*server.Server
	for i, name := range nodes {
		t.Setenv("NATS_NAME", name)
		options, err := server.ProcessConfigFile(filepath.Join(root, "deploy/compose/nats.conf"))
		if err != nil {
			t.Fatalf("nats.conf: %v", err)
		}
		checkNode(t, name, options)
		options.Host, options.Port = "127.0.0.1", server.RANDOM_PORT
		options.HTTPHost, options.HTTPPort = "127.0.0.1", server.RANDOM_PORT
		options.Cluster.Host, options.Cluster.Port = "127.0.0.1", port(t, routes[i])
		options.Routes = routes
		options.StoreDir = t.TempDir()
		options.NoSigs = true
		node, err := server.NewServer(options)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		node.Start()
		t.Cleanup(func() { node.Shutdown(); node.WaitForShutdown() })
		servers = append(servers, node)
	}
	for _, node := range servers {
		if !node.ReadyForConnections(20 * time.Second) {
			t.Fatalf("%s does not accept connections", node.Name())
		}
	}
	return servers
}

// checkNode compares what the file says with what docker-compose.yml relies on.
func checkNode(t *testing.T, name string, options *server.Options) {
	t.Helper()
	if options.ServerName != name {
		t.Errorf("server_name is %q, not the %q of NATS_NAME", options.ServerName, name)
	}
	if !options.JetStream || options.StoreDir != "/data" {
		t.Errorf("JetStream %t in %q; the volume is mounted on /data", options.JetStream, options.StoreDir)
	}
	if options.Port != 4222 || options.HTTPPort != 8222 || options.Cluster.Port != 6222 {
		t.Errorf("ports %d, %d, %d; the compose file uses 4222 for clients, 8222 for health", options.Port, options.HTTPPort, options.Cluster.Port)
	}
	var hosts []string
	for _, route := range options.Routes {
		hosts = append(hosts, route.Hostname())
	}
	if fmt.Sprint(hosts) != fmt.Sprint(nodes) {
		t.Errorf("routes lead to %v, the services are %v", hosts, nodes)
	}
}

// loopbackRoutes are three cluster addresses on free ports.
func loopbackRoutes(t *testing.T) []*url.URL {
	t.Helper()
	var routes []*url.URL
	for range nodes {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		routes = append(routes, &url.URL{Scheme: "nats", Host: listener.Addr().String()})
	}
	return routes
}

func port(t *testing.T, address *url.URL) int {
	t.Helper()
	resolved, err := net.ResolveTCPAddr("tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	return resolved.Port
}

// untilNil repeats the call, which fails while the cluster elects its leaders, until it succeeds or the context ends.
func untilNil(ctx context.Context, call func(context.Context) error) error {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := call(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}
