package natsembed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// A store that can't be written any more is told: the server gives up on the stream until it is started again.
func TestBrokenStoreIsTold(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{StoreDir: dir})
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Request("$JS.API.STREAM.CREATE.S", []byte(`{"name":"S","subjects":["s"],"max_bytes":65536}`), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Broken():
		t.Fatal(s.Fault())
	default:
	}
	msgs := filepath.Join(dir, "jetstream", "$G", "streams", "S", "msgs")
	if err := os.Rename(msgs, msgs+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(msgs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 4 { // more than one block of so small a stream takes: the next one can't be made
		if err := nc.Publish("s", make([]byte, 20_000)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-s.Broken():
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was told")
	}
	if err := s.Fault(); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Error(err)
	}
}
