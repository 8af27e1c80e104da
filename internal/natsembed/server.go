// Package natsembed runs a NATS server with JetStream inside the worker, for those who have none at hand. It is the only
// importer of nats-server.
package natsembed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
)

// ServerName is the name that our servers carry in their greeting. A worker that finds the port in use knows one by it.
const ServerName = "volley"

// DefaultReadyTimeout is how long Start waits for the server to accept clients when Options does not say. Recovering a
// store of some gigabytes is done by then; a small one takes 20 ms.
const DefaultReadyTimeout = 30 * time.Second

// The errors of Start, for choosing an exit code. Their texts are part of a sentence that names the address or folder
// and the remedy.
var (
	// ErrInUse says that the address to listen on is taken.
	ErrInUse = errors.New("address in use")
	// ErrLocked says that another process has the store open.
	ErrLocked = errors.New("store in use")
	// ErrStore says that the store can't be created, read or written.
	ErrStore = errors.New("store not usable")
	// ErrListen says that the address can't be listened on for another reason than being taken.
	ErrListen = errors.New("address not usable")
)

// Options say how the server runs. The zero value of every field but StoreDir is usable.
type Options struct {
	// Listen is the HOST:PORT for clients beside this process; port 0 takes a free one. "" means none: clients in this
	// process only.
	Listen string
	// StoreDir is the folder of the store. It is created if missing, readable by its owner only.
	StoreDir string
	// SyncAlways makes every write reach the disk before it is acknowledged. Without it a power loss (not a mere end of
	// the process) may take the acknowledged writes of the last two minutes. The worker's setting for it defaults to true.
	SyncAlways bool
	// MaxStore is the most bytes all streams together may use; 0 means three quarters of what is free on the disk.
	MaxStore int64
	// Logger takes what the server says: its notices at debug level, so that it is quiet at info.
	Logger zerolog.Logger
	// ReadyTimeout is how long Start waits; 0 means DefaultReadyTimeout.
	ReadyTimeout time.Duration
}

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	nats  *server.Server
	lock  *storeLock
	log   *bridge
	store string
	stop  sync.Once
}

// Start takes the lock of the store, starts the server and returns when it accepts clients. A nil error means that
// Shutdown has to be called. See ErrInUse, ErrLocked, ErrStore and ErrListen for what can go wrong; each error is one
// sentence that says what to do.
func Start(o Options) (*Server, error) {
	if o.StoreDir == "" {
		return nil, fmt.Errorf("the embedded NATS server needs a folder for its store: set --store-dir: %w", ErrStore)
	}
	opts, err := natsOptions(o)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: create %s or choose another --store-dir: %w", ErrStore, o.StoreDir, err)
	}
	// nats-server takes no lock of its own: two servers on one folder would both start and then diverge.
	lock, err := lockStore(o.StoreDir, o.Listen)
	if err != nil {
		return nil, err
	}
	log := &bridge{out: o.Logger, broken: make(chan struct{})}
	s := &Server{lock: lock, log: log, store: o.StoreDir}
	if s.nats, err = server.NewServer(opts); err != nil {
		lock.release()
		return nil, fmt.Errorf("the embedded NATS server refused its settings: %w", err)
	}
	s.nats.SetLoggerV2(log, false, false, false)
	s.nats.Start()

	wait := o.ReadyTimeout
	if wait <= 0 {
		wait = DefaultReadyTimeout
	}
	if err := log.fatal(); err != nil {
		s.Shutdown()
		return nil, explainStart(err, o)
	}
	if !s.nats.ReadyForConnections(wait) {
		s.Shutdown()
		return nil, fmt.Errorf("the embedded NATS server was not ready after %v: look at the disk of %s: %w", wait, o.StoreDir, ErrStore)
	}
	lock.describe(s.ClientURL())
	return s, nil
}

// natsOptions turns ours into nats-server's. The configuration string is parsed as a file would be, so that what we rely
// on is what the server's own manual describes.
func natsOptions(o Options) (*server.Options, error) {
	config := "server_name: " + ServerName + "\njetstream: enabled\n"
	if o.SyncAlways {
		config = "server_name: " + ServerName + "\njetstream: { sync_interval: always }\n"
	}
	opts := &server.Options{}
	if err := opts.ProcessConfigString(config); err != nil {
		return nil, fmt.Errorf("embedded NATS settings: %w", err)
	}
	// Without NoSigs the server would take SIGTERM for itself and end before the worker has drained.
	opts.NoSigs = true
	store, err := filepath.Abs(o.StoreDir)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrStore, o.StoreDir, err)
	}
	opts.StoreDir = store
	opts.JetStreamMaxStore = o.MaxStore
	if o.Listen == "" {
		opts.DontListen = true
		return opts, nil
	}
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("--nats-listen %q is not HOST:PORT: %w", o.Listen, ErrListen)
	}
	opts.Host = host
	if opts.Port, err = strconv.Atoi(port); err != nil || opts.Port < 0 || opts.Port > 65535 {
		return nil, fmt.Errorf("--nats-listen %q: the port is not a number from 0 to 65535: %w", o.Listen, ErrListen)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return opts, nil
}

// explainStart makes a sentence of what stopped the server while it started.
func explainStart(err error, o Options) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return inUse(context.Background(), o.Listen)
	case errors.As(err, new(*net.OpError)):
		return fmt.Errorf("%w: can't listen on %s: choose another --nats-listen HOST:PORT: %w", ErrListen, o.Listen, err)
	default:
		return fmt.Errorf("%w: the embedded NATS server could not start on %s: %w", ErrStore, o.StoreDir, err)
	}
}

// ClientURL is what other processes connect to, "nats://HOST:PORT"; "" if the server serves this process only.
func (s *Server) ClientURL() string {
	if s.nats.Addr() == nil {
		return ""
	}
	return s.nats.ClientURL()
}

// InProcessConn makes a connection to the server that needs no socket. It makes Server what nats.go's InProcessServer
// option takes. Such a connection ends with the server.
func (s *Server) InProcessConn() (net.Conn, error) { return s.nats.InProcessConn() }

// StoreLimit is the most bytes that the limits of all streams together may be, as the server sees it.
func (s *Server) StoreLimit() int64 {
	if config := s.nats.JetStreamConfig(); config != nil {
		return config.MaxStore
	}
	return 0
}

// Broken is closed when the server can't write to its store any more: the disk is full or fails. From then on it refuses what it is
// given, or leaves it unanswered, and it stays so when the disk has room again: the process has to be started anew. Fault says why.
func (s *Server) Broken() <-chan struct{} { return s.log.broken }

// Fault is what broke the store, as one sentence with the remedy; nil as long as nothing has.
func (s *Server) Fault() error {
	if err := s.log.fault(); err != nil {
		return fmt.Errorf("%w: the NATS server inside can't write to %s any more: make room on that disk and start the worker again; nothing acknowledged is lost: %w", ErrStore, s.store, err)
	}
	return nil
}

// Shutdown ends the server, waits until it is gone and frees the store. Nothing acknowledged is lost. Calling it again is
// harmless.
func (s *Server) Shutdown() {
	s.stop.Do(func() {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
		s.lock.release()
	})
}
