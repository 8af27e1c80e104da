package queue

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volleypush/volley/internal/natsembed"
)

func TestConnectFaults(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := closed.Addr().String()
	closed.Close()
	for _, url := range []string{"nats://me:secret@" + addr, "nats://" + addr + ",nats://me:secret@" + addr} {
		_, err = Connect(t.Context(), Options{URL: url})
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), addr) || strings.Contains(err.Error(), "secret") {
			t.Errorf("nobody listens: %v", err)
		}
	}
	if _, err := Connect(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "--nats-url") {
		t.Errorf("no URL: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "none.creds")
	if _, err := Connect(t.Context(), Options{URL: "nats://" + addr, Creds: missing}); err == nil {
		t.Error("credentials that are not there")
	}
}

// TestSyncAlways is the one test with the worker's own setting: every write on the disk before it is acknowledged.
func TestSyncAlways(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, natsembed.Options{StoreDir: dir, SyncAlways: true})
	c := connect(t, s)
	ensure(t, c)
	event := eventOf(segment(t, "one", 1), "w")
	commit(t, c, event)
	c.Close()
	s.Shutdown()
	// What was stored is there for the next server, and so is the form of the streams.
	var log logged
	c = connectWith(t, Options{InProcess: startServer(t, natsembed.Options{StoreDir: dir, SyncAlways: true}), Logger: log.logger()})
	ensure(t, c)
	if found, err := c.Find(t.Context(), event.Subject()); err != nil || found == nil {
		t.Errorf("%v, %v", found, err)
	}
	if n := log.count("stream"); n != 0 {
		t.Errorf("streams were made again: %v", log.lines)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	s, _ := broker(t)
	wrong := func() time.Time { return time.Now().Add(-time.Hour) }
	c := connectWith(t, Options{InProcess: s, Now: wrong})
	if off := time.Since(c.Now()); off < 59*time.Minute {
		t.Errorf("before it was asked for: %v", off)
	}
	ensure(t, c)
	if off := time.Since(c.Now()); off.Abs() > time.Second {
		t.Errorf("off by %v", off)
	}
	loseBroker(t, s, c)
	if err := c.setClock(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
	if off := time.Since(c.Now()); off.Abs() > time.Second {
		t.Errorf("forgotten with the connection: %v", off)
	}
}

func TestEmbeddedLimitIsTold(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{MaxStore: 150 << 20})
	fits := Topology{JobsSize: 10 << 20, ResultsSize: 10 << 20, DeadSize: 10 << 20, StatusSize: 10 << 20, StoreLimit: s.StoreLimit()}
	// 80 % of 150 MiB are 120 MiB; the two small buckets have 80 of them.
	if err := connect(t, s).EnsureTopology(t.Context(), fits); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	fits.StoreLimit -= 100
	if err := connect(t, s).EnsureTopology(t.Context(), fits); !errors.Is(err, ErrTopology) {
		t.Errorf("above the limit: %v", err)
	}
}
