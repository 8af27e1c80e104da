package queue

import (
	"errors"
	"net"
	"os"
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
	for _, url := range []string{
		"nats://me:secret@" + addr, "nats://" + addr + ",nats://me:secret@" + addr, "me:secret@" + addr, "secret@" + addr,
		"nats://" + addr + "?password=secret", addr + "/secret#secret", "me:secret@" + addr + ", nats://" + addr,
	} {
		_, err = Connect(t.Context(), Options{URL: url})
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), addr) || strings.Contains(err.Error(), "secret") {
			t.Errorf("nobody listens: %v", err)
		}
	}
	if _, err := Connect(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "--nats-url") {
		t.Errorf("no URL: %v", err)
	}
	// The library's own words for an address that it can't read show all of it.
	for _, url := range []string{"nats://me:secret@host:port", "me:secret", "nats://me:se cret@" + addr, "http://me:secret@" + addr} {
		if _, err := Connect(t.Context(), Options{URL: url}); err == nil || !strings.Contains(err.Error(), "--nats-url") || strings.Contains(err.Error(), "cret") {
			t.Errorf("no address: %v", err)
		}
	}
}

// TestURLForPeople: the address is in logs, in the banner and in errors.
func TestURLForPeople(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{Listen: "127.0.0.1:0"})
	addr := strings.TrimPrefix(s.ClientURL(), "nats://")
	for url, want := range map[string]string{
		"me:secret@" + addr:                             "[redacted]@" + addr,
		"nats://" + addr + "?password=secret":           "nats://" + addr,
		"nats://secret@" + addr + ",me:secret@" + addr:  "nats://[redacted]@" + addr + ",[redacted]@" + addr,
		"nats://" + addr + ", nats://me:secret@" + addr: "nats://" + addr + ",nats://[redacted]@" + addr,
	} {
		if got := connectWith(t, Options{URL: url}).URL(); got != want {
			t.Errorf("shown as %q, want %q", got, want)
		}
	}
	if got := connect(t, s).URL(); got != "the embedded NATS server" {
		t.Errorf("embedded: %q", got)
	}
}

// TestCredentialsFile: what can't be used as credentials is told before a server is asked, by the name of the file.
func TestCredentialsFile(t *testing.T) {
	t.Parallel()
	s := startServer(t, natsembed.Options{Listen: "127.0.0.1:0"})
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, file := range []string{
		filepath.Join(dir, "none.creds"), dir, write("empty.creds", ""), write("garbage.creds", "secret garbage\n"), write("half.creds", "-----BEGIN NATS USER JWT-----\nsecret\n"),
		write("seed.creds", "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\nSUsecret\n------END USER NKEY SEED------\n"),
	} {
		// Nobody listens at the second address: the file is at fault all the same.
		for _, url := range []string{s.ClientURL(), "nats://127.0.0.1:1"} {
			_, err := Connect(t.Context(), Options{URL: url, Creds: file})
			if !errors.Is(err, ErrCredentials) || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", filepath.Base(file), err)
			}
		}
	}
	// NATS_CREDS may be there for other programs: the server inside needs none.
	connectWith(t, Options{InProcess: s, Creds: filepath.Join(dir, "none.creds")})
	const seed = "SUAMYM7MPQ5ZK2FDUHS5MSRIVFWIEI6V2PS4HXJ3DABMFVA2I3LW2DEHMU" // of this test only
	good := write("good.creds", "-----BEGIN NATS USER JWT-----\nx.y.z\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n"+seed+"\n------END USER NKEY SEED------\n")
	connectWith(t, Options{URL: s.ClientURL(), Creds: good})
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
