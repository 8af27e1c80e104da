package natsembed

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// start runs a server in a temporary store and ends it with the test.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	if o.StoreDir == "" {
		o.StoreDir = t.TempDir()
	}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func TestServesSocketAndProcess(t *testing.T) {
	s := start(t, Options{Listen: "127.0.0.1:0", SyncAlways: true, MaxStore: 1 << 30})
	if !strings.HasPrefix(s.ClientURL(), "nats://127.0.0.1:") || strings.HasSuffix(s.ClientURL(), ":0") {
		t.Errorf("client URL %q", s.ClientURL())
	}
	if s.StoreLimit() != 1<<30 {
		t.Errorf("store limit %d", s.StoreLimit())
	}
	for name, connect := range map[string]func() (*nats.Conn, error){
		"socket":     func() (*nats.Conn, error) { return nats.Connect(s.ClientURL()) },
		"in process": func() (*nats.Conn, error) { return nats.Connect("", nats.InProcessServer(s)) },
	} {
		nc, err := connect()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if answer, err := nc.Request("$JS.API.INFO", nil, 5*time.Second); err != nil || !bytes.Contains(answer.Data, []byte(`account_info_response"`)) {
			t.Errorf("%s: JetStream does not answer: %v", name, err)
		}
		nc.Close()
	}
	if options := s.nats.JetStreamConfig(); !options.SyncAlways {
		t.Error("SyncAlways is not what the server runs with")
	}
}

func TestInProcessOnly(t *testing.T) {
	s := start(t, Options{})
	if s.ClientURL() != "" {
		t.Errorf("client URL %q of a server that does not listen", s.ClientURL())
	}
	if s.nats.JetStreamConfig().SyncAlways {
		t.Error("SyncAlways although not asked for")
	}
	if s.StoreLimit() <= 0 {
		t.Errorf("store limit %d", s.StoreLimit())
	}
}

func TestNothingLeftAfterShutdown(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s, err := Start(Options{Listen: "127.0.0.1:0", StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	s.Shutdown() // harmless
	goleak.VerifyNone(t, before)
}

func TestStoreLocked(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Listen: "127.0.0.1:0", StoreDir: dir})
	_, err := Start(Options{Listen: "127.0.0.1:0", StoreDir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "--nats-url "+s.ClientURL()) {
		t.Errorf("second server on the store: %v", err)
	}
	s.Shutdown()
	again, err := Start(Options{StoreDir: dir})
	if err != nil {
		t.Fatalf("after Shutdown: %v", err)
	}
	defer again.Shutdown()
	_, err = Start(Options{StoreDir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "--store-dir") || strings.Contains(err.Error(), "nats://") {
		t.Errorf("second server beside one that does not listen: %v", err)
	}
}

// TestKillFreesStore starts a second process of this test, which holds the lock until it is killed.
func TestKillFreesStore(t *testing.T) {
	const variable = "VOLLEY_TEST_LOCK"
	if dir := os.Getenv(variable); dir != "" {
		if _, err := lockStore(dir, ""); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("locked\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until killed, or the parent is gone
		return
	}
	dir := t.TempDir()
	holder := exec.Command(os.Args[0], "-test.run=^TestKillFreesStore$")
	holder.Env = append(os.Environ(), variable+"="+dir)
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "locked\n" {
		t.Fatalf("holder said %q, %v", line, err)
	}
	if _, err := lockStore(dir, ""); !errors.Is(err, ErrLocked) {
		t.Errorf("while held: %v", err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	lock, err := lockStore(dir, "")
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	lock.release()
}

func TestPortInUse(t *testing.T) {
	mine := start(t, Options{Listen: "127.0.0.1:0"})
	volley := strings.TrimPrefix(mine.ClientURL(), "nats://")
	other := greeter(t, "INFO {\"server_name\":\"somebody\"}\r\n")
	web := greeter(t, "HTTP/1.1 400 Bad Request\r\n")
	for _, c := range []struct{ name, addr, want string }{
		{"another worker", volley, "another Volley worker runs on " + volley + ": join it with --nats-url nats://" + volley},
		{"another NATS", other, "not a Volley worker's runs on " + other},
		{"not NATS", web, "no NATS server and so no Volley worker"},
	} {
		dir := t.TempDir()
		_, err := Start(Options{Listen: c.addr, StoreDir: dir})
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.name, err)
		}
		// The refused server must not keep the store.
		if lock, err := lockStore(dir, ""); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else {
			lock.release()
		}
	}
}

// greeter listens on a free port and says the line to whoever connects.
func greeter(t *testing.T, line string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(line))
			conn.Close()
		}
	})
	t.Cleanup(func() { listener.Close(); done.Wait() })
	return listener.Addr().String()
}

func TestBadSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    Options
		want error
	}{
		{"no store", Options{}, ErrStore},
		{"store is a file", Options{StoreDir: file}, ErrStore},
		{"no port", Options{StoreDir: t.TempDir(), Listen: "localhost"}, ErrListen},
		{"port is a word", Options{StoreDir: t.TempDir(), Listen: "localhost:nats"}, ErrListen},
		{"port 65536", Options{StoreDir: t.TempDir(), Listen: "127.0.0.1:65536"}, ErrListen},
		{"not our address", Options{StoreDir: t.TempDir(), Listen: "192.0.2.1:4222"}, ErrListen},
	} {
		if _, err := Start(c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestLogIsQuietAtInfo(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	logger := zerolog.New(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(p)
	}))
	s := start(t, Options{Logger: logger.Level(zerolog.InfoLevel)})
	s.Shutdown()
	mu.Lock()
	defer mu.Unlock()
	if out.Len() > 0 {
		t.Errorf("said at info:\n%s", out.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestBridge(t *testing.T) {
	var out bytes.Buffer
	b := &bridge{out: zerolog.New(&out)}
	b.Noticef("notice %d", 1)
	b.Warnf("warn")
	b.Errorf("error")
	b.Debugf("debug")
	b.Tracef("trace")
	b.Fatalf("listening on %s: %q", "x", os.ErrPermission)
	b.Fatalf("second")
	if !errors.Is(b.fatal(), os.ErrPermission) {
		t.Errorf("fatal: %v", b.fatal())
	}
	want := strings.Join([]string{
		`{"level":"debug","message":"notice 1"}`, `{"level":"warn","message":"warn"}`, `{"level":"error","message":"error"}`,
		`{"level":"debug","message":"debug"}`, `{"level":"trace","message":"trace"}`,
	}, "\n")
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("log:\n%s", out.String())
	}
}

func TestStoreIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // folders have no mode there
	}
	dir := filepath.Join(t.TempDir(), "a", "store")
	start(t, Options{StoreDir: dir})
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
