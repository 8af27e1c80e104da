package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/natsembed"
	"github.com/volleypush/volley/internal/queue"
)

// TestScriptsWithABroker runs scripts of which each has a real broker, in NATS_URL, with the streams and no worker: what is published waits.
func TestScriptsWithABroker(t *testing.T) {
	t.Parallel()
	all := scripts("broker")
	all.Setup = func(e *testscript.Env) error {
		server, err := natsembed.Start(natsembed.Options{Listen: "127.0.0.1:0", StoreDir: e.WorkDir + "/.nats", MaxStore: 4 << 30, Logger: zerolog.Nop()})
		if err != nil {
			return err
		}
		e.Defer(server.Shutdown)
		conn, err := queue.Connect(t.Context(), queue.Options{InProcess: server, Name: "worker", Logger: zerolog.Nop()})
		if err != nil {
			return err
		}
		e.Defer(conn.Close)
		e.Setenv("NATS_URL", server.ClientURL())
		return conn.EnsureTopology(t.Context(), queue.Topology{})
	}
	testscript.Run(t, all)
}
