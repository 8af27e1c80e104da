package peer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/volleypush/volley/sender/simulator"
)

// The platforms of a Server.
const (
	APNS = "apns"
	// GCM is FCM HTTP v1.
	GCM = "gcm"
	// Legacy is GCM's JSON protocol.
	Legacy = "legacy"
)

// Options say how a Server behaves.
type Options struct {
	// Platform is APNS, GCM or Legacy.
	Platform string
	// Authority signs the server's certificate.
	Authority *simulator.Authority
	// Streams is how many requests a connection may have open; 1,000 for Apple, 100 for Google if it is 0.
	Streams uint32
	// Latency is how long after its request an answer is written.
	Latency time.Duration
	// Record writes each answer in a TLS record of its own: the least favourable server.
	Record bool
	// GoneEvery answers every n-th recipient that it is gone; 0 answers nobody so.
	GoneEvery int
}

// Server is one provider. It is safe for concurrent use.
type Server struct {
	options  Options
	tally    *tally
	answers  *answers
	listener net.Listener
	http     *http.Server // of the legacy protocol
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	over  bool
}

// Start starts a server on a free port of the loopback interface.
func Start(o Options) (*Server, error) {
	if o.Streams == 0 {
		o.Streams = map[string]uint32{APNS: 1000, GCM: 100}[o.Platform]
	}
	certificate, err := o.Authority.ServerCertificate()
	if err != nil {
		return nil, fmt.Errorf("the certificate of the benchmark's provider: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true}
	s := &Server{options: o, tally: newTally(), answers: newAnswers(o.Platform), conns: map[net.Conn]struct{}{}}
	if o.Platform != Legacy {
		config.NextProtos = []string{http2.NextProtoTLS}
	}
	if s.listener, err = tls.Listen("tcp", "127.0.0.1:0", config); err != nil {
		return nil, fmt.Errorf("listening for the benchmark: %w", err)
	}
	if o.Platform == Legacy {
		s.http = &http.Server{Handler: http.HandlerFunc(s.legacy), ReadHeaderTimeout: time.Minute}
		s.wg.Go(func() { _ = s.http.Serve(s.listener) })
		return s, nil
	}
	s.wg.Go(s.accept)
	return s, nil
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.keep(c) {
			return
		}
		s.wg.Go(func() {
			_ = s.serve(c) // a client that leaves is no fault
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			_ = c.Close()
		})
	}
}

func (s *Server) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		_ = c.Close()
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

// URL is where the server is: https://127.0.0.1:PORT.
func (s *Server) URL() string { return "https://" + s.listener.Addr().String() }

// Report is what was seen since the last reset.
func (s *Server) Report() Report { return s.tally.report() }

// Received is how many notifications were seen since the last reset.
func (s *Server) Received() int { return int(s.tally.received.Load()) }

// Reset forgets what was seen.
func (s *Server) Reset() { s.tally.reset() }

// Close ends everything.
func (s *Server) Close() error {
	s.mu.Lock()
	s.over = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	err := s.listener.Close()
	if s.http != nil {
		err = errors.Join(s.http.Close(), err)
	}
	s.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}
