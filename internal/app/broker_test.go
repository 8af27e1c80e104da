package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
)

// A worker whose own server has lost its store ends: that server heals by a start anew only, so whoever watches over workers has to know.
func TestBrokerWatchesItsStore(t *testing.T) {
	c := config.Default()
	c.NATS.Listen, c.NATS.StoreDir = "127.0.0.1:0", t.TempDir()
	b, err := StartBroker(t.Context(), c, func(string) zerolog.Logger { return zerolog.Nop() })
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	nc, err := nats.Connect(b.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Request("$JS.API.STREAM.CREATE.S", []byte(`{"name":"S","subjects":["s"],"max_bytes":65536}`), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	msgs := filepath.Join(c.NATS.StoreDir, "jetstream", "$G", "streams", "S", "msgs")
	if err := errors.Join(os.Rename(msgs, msgs+".away"), os.WriteFile(msgs, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 4 { // more than one block of so small a stream takes: the next one can't be made
		if err := nc.Publish("s", make([]byte, 20_000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.watch(t.Context()); !errors.Is(err, ErrBroker) || !strings.Contains(err.Error(), "make room on that disk and start the worker again") {
		t.Error(err)
	}
}
