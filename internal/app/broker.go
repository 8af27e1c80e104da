package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/queue"
)

// Broker is the connection to NATS and, where the worker brings its own, the server.
type Broker struct {
	*queue.Conn
	server *natsembed.Server
}

// Identity is what the configuration says of certificates and nkeys.
func Identity(n config.NATS) queue.Identity {
	return queue.Identity{CA: n.CAFile, Certificate: n.Certificate, Key: n.Key, NKey: n.NKeyFile}
}

// StartBroker connects to the configured server, or starts one inside this process.
func StartBroker(ctx context.Context, c *config.Config, log func(string) zerolog.Logger) (*Broker, error) {
	options := queue.Options{URL: c.NATS.URL.Reveal(), Creds: c.NATS.Creds, Identity: Identity(c.NATS), Name: "volley " + c.Worker, Heartbeat: c.Heartbeat, Logger: log("volley.queue")}
	b := &Broker{}
	if c.NATS.Embedded() {
		server, err := natsembed.Start(natsembed.Options{
			Listen: c.NATS.Listen, StoreDir: c.NATS.StoreDir, SyncAlways: c.NATS.SyncAlways, MaxStore: int64(c.NATS.MaxStore), Logger: log("volley.nats"),
		})
		if err != nil {
			return nil, marked{err, ErrBroker}
		}
		b.server = server
		options.InProcess = server
	}
	conn, err := queue.Connect(ctx, options)
	if err != nil {
		b.Stop()
		if errors.Is(err, queue.ErrCredentials) {
			return nil, marked{err, ErrCredentials}
		}
		return nil, marked{err, ErrBroker}
	}
	b.Conn = conn
	topology := topologyOf(c)
	if b.server != nil {
		topology.StoreLimit = b.server.StoreLimit()
	}
	if err := conn.EnsureTopology(ctx, topology); err != nil {
		b.Stop()
		err = fmt.Errorf("preparing the streams: %w", err)
		if errors.Is(err, queue.ErrUnavailable) || errors.Is(err, queue.ErrTopology) {
			err = marked{err, ErrBroker}
		}
		return nil, err
	}
	return b, nil
}

// topologyOf is what a configuration says of the streams.
func topologyOf(c *config.Config) queue.Topology {
	return queue.Topology{Replicas: c.Replicas, ResultsRetention: c.Results.Retention, DeadRetention: c.Dead.Retention, AckWait: c.AckWait}
}

// Address is where other programs reach the broker; "" for a server inside this process that does not listen.
func (b *Broker) Address() string {
	if b.server != nil {
		return b.server.ClientURL()
	}
	return b.Conn.URL()
}

// watch waits until the server inside this process has lost its store, and returns what to do about it; nil when the context ends.
func (b *Broker) watch(ctx context.Context) error {
	if b.server == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-b.server.Broken():
		return marked{b.server.Fault(), ErrBroker}
	}
}

// Stop ends the connection first: its last acknowledgements still reach the server.
func (b *Broker) Stop() {
	if b.Conn != nil {
		b.Conn.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
	}
}
