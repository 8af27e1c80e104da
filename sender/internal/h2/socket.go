package h2

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// readAhead is how much is read from the network at once; TLS alone would ask for little more than a record, and a provider
// that writes one record per answer would cost a system call each.
const readAhead = 64 << 10

// socket is what is below TLS: it reads ahead, and gathers the records of one large write for the network.
type socket struct {
	net.Conn
	start    time.Time
	lastRead atomic.Int64 // nanoseconds since start

	// The reader's own. dry makes Read fail with errDry where it would have to wait.
	dry        bool
	buffer     []byte
	begin, end int

	mu       sync.Mutex
	gather   bool
	gathered []byte
}

func newSocket(conn net.Conn) *socket {
	return &socket{Conn: conn, start: time.Now(), buffer: make([]byte, readAhead)}
}

func (s *socket) now() int64 { return int64(time.Since(s.start)) }

// errDry is a temporary error, which crypto/tls passes on and forgets: the next Read goes on in the middle of a record.
var errDry net.Error = dryError{}

type dryError struct{}

func (dryError) Error() string   { return "nothing more to read at once" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if s.begin == s.end {
		if s.dry {
			return 0, errDry
		}
		n, err := s.Conn.Read(s.buffer)
		if n <= 0 {
			return 0, err
		}
		s.lastRead.Store(s.now())
		s.begin, s.end = 0, n
	}
	n := copy(p, s.buffer[s.begin:s.end])
	s.begin += n
	return n, nil
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gather {
		return s.Conn.Write(p)
	}
	s.gathered = append(s.gathered, p...)
	return len(p), nil
}

// hold keeps what is written until flush.
func (s *socket) hold() {
	s.mu.Lock()
	s.gather = true
	s.mu.Unlock()
}

// flush writes what was kept and says how many bytes the network took at most.
func (s *socket) flush() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gather = false
	n, err := s.Conn.Write(s.gathered)
	s.gathered = s.gathered[:0]
	return n, err
}
